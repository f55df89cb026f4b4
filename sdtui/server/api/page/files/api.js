/* Calls of the server's native API. The key is kept for this tab alone, and sent as a header. */

const KEY = "sdtui-key";
const IMAGES_AT_ONCE = 3; // browsers open six connections to a server, and event streams take some
const URL_SAFE = { "-": "+", _: "/" };

/** An error that the server answered with. */
export class ApiError extends Error {
  constructor(status, error, retryAfter) {
    super(error?.message ?? `The server answered with status ${status}.`);
    this.status = status;
    this.type = error?.type ?? "";
    this.problems = error?.problems ?? [];
    this.retryAfter = retryAfter;
  }
}

/** The server gave no answer. */
class UnreachableError extends Error {
  constructor() {
    super("The server doesn't answer.");
  }
}

let askForKey = async () => "";
let asking = null;
let onReachable = () => {};

/** Set what asks the user for the key, and what is called with whether the server answers. */
export function setUpApi(ask, reachable) {
  askForKey = ask;
  onReachable = reachable;
}

export const hasKey = () => sessionStorage.getItem(KEY) !== null;
export const forgetKey = () => sessionStorage.removeItem(KEY);

/** Send a request with a path relative to the page, asking for the key if one is needed. */
async function send(path, options = {}) {
  const needsKey = "needsKey" in document.documentElement.dataset;
  for (;;) {
    if (needsKey && !hasKey()) await enterKey(false);
    const key = sessionStorage.getItem(KEY) ?? "";
    const response = await fetchOnce(path, key, options);
    if (response.ok) return response;
    if (response.status !== 401) throw await errorOf(response);
    if (key === (sessionStorage.getItem(KEY) ?? "")) await enterKey(key !== "");
  }
}

/** Ask for the key, once for all requests that wait for it. */
async function enterKey(wasWrong) {
  asking ??= askForKey(wasWrong).finally(() => (asking = null));
  sessionStorage.setItem(KEY, await asking);
}

async function fetchOnce(path, key, { headers, ...options }) {
  // Without this header the browser would ask for a name and a password by itself.
  const sent = { "X-Requested-With": "XMLHttpRequest", ...headers };
  if (key) sent["X-API-Key"] = key;
  try {
    const url = new URL(path, document.baseURI);
    const response = await fetch(url, { ...options, headers: sent });
    onReachable(true);
    return response;
  } catch (error) {
    if (error.name === "AbortError") throw error;
    onReachable(false);
    throw new UnreachableError();
  }
}

async function errorOf(response) {
  const body = await response.json().catch(() => null); // a proxy may answer with a page
  return new ApiError(response.status, body?.error, Number(response.headers.get("Retry-After")));
}

export const getJson = async (path, options) => (await send(path, options)).json();
export const getBlob = async (path, options) => (await send(path, options)).blob();

/** Send a request without a body, or with JSON; return the answer's JSON, if there is any. */
export async function change(method, path, body) {
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  const response = await send(path, { method, headers, body: JSON.stringify(body) });
  return response.status === 204 ? null : response.json();
}

/** Yield the server-sent events of a path as [name, data]. */
export async function* events(path, signal) {
  const response = await send(path, { signal, headers: { Accept: "text/event-stream" } });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (text + value).split("\n\n");
    text = blocks.pop();
    for (const block of blocks) {
      const lines = block.split("\n").map((line) => line.split(/: ?(.*)/s));
      const fields = Object.fromEntries(lines.filter(([name]) => name));
      if (fields.event) yield [fields.event, JSON.parse(fields.data)];
    }
  }
}

/** Return the bytes of a text in URL-safe base64. */
export function bytesOf(base64) {
  const text = atob(base64.replace(/[-_]/g, (letter) => URL_SAFE[letter]));
  return Uint8ClampedArray.from(text, (letter) => letter.charCodeAt(0));
}

/** Loads pictures as object URLs, a few at a time, those asked for last first. */
export class PictureLoader {
  #urls = new Map();
  #waiting = [];
  #running = 0;

  /** `most` is how many are kept; the ones used longest ago are dropped. */
  constructor(most) {
    this.most = most;
  }

  /** Return the object URL of a picture that was loaded before, or undefined. */
  known(path) {
    return this.#urls.get(path);
  }

  /** Load a picture. Returns its object URL. */
  load(path) {
    const known = this.#urls.get(path);
    if (known) {
      this.#urls.delete(path);
      this.#urls.set(path, known);
      return Promise.resolve(known);
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ path, resolve, reject });
      this.#next();
    });
  }

  async #next() {
    if (this.#running >= IMAGES_AT_ONCE || !this.#waiting.length) return;
    const { path, resolve, reject } = this.#waiting.pop();
    this.#running += 1;
    try {
      const url = this.#urls.get(path) ?? URL.createObjectURL(await getBlob(path));
      this.#urls.set(path, url);
      resolve(url);
      this.#drop();
    } catch (error) {
      reject(error);
    } finally {
      this.#running -= 1;
      this.#next();
    }
  }

  #drop() {
    for (const [path, url] of this.#urls) {
      if (this.#urls.size <= this.most) return;
      URL.revokeObjectURL(url);
      this.#urls.delete(path);
    }
  }
}
