/* The jobs of the server: what runs, what waits, and what failed while the page was open. */

import { ApiError, bytesOf, change, events, getJson } from "./api.js";
import { announce, byId, duration, element, icon, reconcile, toast } from "./dom.js";

const LISTED = 100;
const STREAMS = 2; // of a browser's six connections to a server
const ACTIVE = ["queued", "running", "cancelling"];
const STAGES = {
  load: "Loading the model",
  encode: "Reading the prompt",
  prepare: "Preparing",
  denoise: "Making",
  decode: "Decoding",
  upscale: "Upscaling",
};

/** What the events of a running job say about it. */
class Progress {
  text = "Starting";
  note = ""; // what the user should know beyond the step
  share = null; // from 0 to 1; null = unknown
  preview = null;

  apply(name, event) {
    if (name === "engine_starting") this.text = "Starting the engine";
    else if (name === "loading") this.text = `Loading the model: ${event.component}`;
    else if (name === "downloading") this.#count("Downloading the model", event.done, event.total);
    else if (name === "stage") this.text = STAGES[event.stage] ?? event.stage;
    else if (name === "attempt") this.note = `Memory ran out. Trying again: ${event.changes}`;
    else if (name === "notice") this.note = event.message;
    else if (name === "tile") this.#count(`Upscaling: tile ${event.tile} of ${event.total}`, event.tile, event.total);
    else if (name === "preview") this.preview = event;
    else if (name === "worker_lost") this.text = "The worker was lost, another one takes over";
    else if (name === "step") {
      this.#count(`Step ${event.step} of ${event.total}`, event.step, event.total);
      if (event.remaining >= 1) this.text += ` · ${duration(event.remaining)} left`;
    }
  }

  #count(text, done, total) {
    this.text = text;
    this.share = total ? done / total : null;
  }
}

export class Jobs {
  #known = null; // id → state, of the last answer
  #followed = new Map(); // id → {progress, controller}
  #failures = [];
  #onProgress;
  #onSaved;
  #onEnded;
  running = [];

  /** `onProgress` is called with the first running job and its progress, or without; `onSaved` when
   * the history may have new pictures, and `onEnded` with a job that ended and has pictures. */
  constructor(onProgress, onSaved, onEnded) {
    this.#onProgress = onProgress;
    this.#onSaved = onSaved;
    this.#onEnded = onEnded;
  }

  get areActive() {
    return [...(this.#known?.values() ?? [])].some((state) => ACTIVE.includes(state));
  }

  /** Ask for the jobs, and show them. */
  async refresh() {
    const jobs = await getJson(`jobs?limit=${LISTED}`);
    const before = this.#known;
    this.#known = new Map(jobs.map((job) => [job.id, job.state]));
    // A quick job may begin and end between two answers. Those of the first one ended long ago.
    const ended = jobs.filter(({ id, state }) => before && !ACTIVE.includes(state) && (!before.has(id) || ACTIVE.includes(before.get(id))));
    for (const job of ended) this.#end(job);
    for (const job of ended) if (job.pictures.length) this.#onEnded(job);
    this.running = jobs.filter(({ state }) => state === "running" || state === "cancelling");
    this.#follow();
    this.#show(jobs.filter(({ state }) => state === "queued"));
  }

  /** Stop following jobs, for a page that nobody sees. */
  rest() {
    for (const { controller } of this.#followed.values()) controller.abort();
    this.#followed.clear();
  }

  async cancel(id) {
    try {
      await change("DELETE", `jobs/${id}`);
      announce("Cancelled");
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 409)) toast(error.message, true); // 409: it is over
    }
    await this.refresh().catch(() => {});
  }

  #follow() {
    const followed = this.running.slice(0, STREAMS);
    for (const [id, { controller }] of this.#followed) {
      if (this.running.some((job) => job.id === id)) continue;
      controller.abort();
      this.#followed.delete(id);
    }
    for (const { id } of followed) if (!this.#followed.has(id)) this.#watch(id);
    this.#report();
  }

  async #watch(id) {
    const followed = { progress: new Progress(), controller: new AbortController() };
    this.#followed.set(id, followed);
    try {
      for await (const [name, event] of events(`jobs/${id}/events`, followed.controller.signal)) {
        followed.progress.apply(name, event);
        if (name === "saved") this.#onSaved();
        if (["finished", "failed", "cancelled"].includes(name)) break;
        this.#report();
      }
      await this.refresh();
    } catch {
      // Cut off, or the page is hidden: the next refresh follows the job again.
      if (this.#followed.get(id) === followed) this.#followed.delete(id);
    }
  }

  #report() {
    const [job] = this.running;
    if (!job) return this.#onProgress(null);
    const progress = this.#followed.get(job.id)?.progress ?? new Progress();
    if (job.state === "cancelling") progress.text = "Cancelling";
    this.#onProgress(job, progress);
    for (const other of this.running.slice(1)) {
      const line = byId("queue").querySelector(`[data-key="${CSS.escape(other.id)}"] .state`);
      const text = this.#followed.get(other.id)?.progress.text;
      if (line && text) line.textContent = text;
    }
  }

  #end(job) {
    const name = shortened(job.prompt);
    if (job.state === "failed") {
      this.#failures.unshift(job);
      announce(`Failed: ${name}`);
      this.#explain(job);
    } else if (job.state === "done") announce(`Finished: ${name}`);
  }

  /** Get what was tried for a job that ran out of memory. */
  async #explain(job) {
    if (job.error_type !== "OutOfMemoryError") return;
    const whole = await getJson(`jobs/${job.id}`).catch(() => null);
    job.attempts = whole?.record?.attempts.filter(({ changes }) => changes) ?? [];
    this.#showFailures();
  }

  #show(waiting) {
    const others = this.running.slice(1);
    byId("queue-title").textContent = waiting.length ? `${waiting.length} waiting` : "Also running";
    byId("queue-box").hidden = !waiting.length && !others.length;
    reconcile(byId("queue"), [...others, ...waiting], ({ id }) => id, (job) => this.#line(job), showState);
    this.#showFailures();
  }

  #line(job) {
    const name = shortened(job.prompt);
    const button = element("button", {
      class: "icon-button", type: "button", "aria-label": `Cancel: ${name}`, title: "Cancel",
      onclick: () => this.cancel(job.id),
    }, icon("close"));
    return element("li", { class: "line" },
      element("span", { class: "state" }), element("span", { class: "prompt" }, job.prompt || "No prompt"), button);
  }

  #showFailures() {
    reconcile(byId("failures"), this.#failures, ({ id, attempts }) => `${id} ${attempts?.length ?? 0}`, (job) => this.#failure(job));
  }

  #failure(job) {
    const isMemory = job.error_type === "OutOfMemoryError";
    const dismiss = () => {
      this.#failures = this.#failures.filter((each) => each !== job);
      this.#showFailures();
    };
    const attempts = (job.attempts ?? []).map(({ changes, error }) => element("li", {}, error ? `${changes}: not enough` : changes));
    return element("li", { class: "failure" },
      element("div", {},
        element("strong", {}, isMemory ? "Out of memory" : "Failed"),
        element("p", { class: "prompt" }, job.prompt || "No prompt"),
        element("p", {}, job.error ?? "The server says nothing more."),
        attempts.length ? element("details", {}, element("summary", {}, "What was tried"), element("ul", {}, ...attempts)) : null),
      element("button", { class: "icon-button", type: "button", "aria-label": "Dismiss", onclick: dismiss }, icon("close")));
  }
}

function showState(line, job) {
  line.querySelector(".state").textContent = job.state === "queued" ? `${job.position ?? ""}` : "running";
}

/** Draw a preview into a canvas. */
export function draw(canvas, { width, height, rgb }) {
  const colours = bytesOf(rgb);
  const image = new ImageData(width, height);
  for (let from = 0, to = 0; from < colours.length; from += 3, to += 4) {
    image.data.set(colours.subarray(from, from + 3), to);
    image.data[to + 3] = 255;
  }
  canvas.width = width;
  canvas.height = height;
  canvas.getContext("2d").putImageData(image, 0, 0);
}

export const shortened = (text) => (text.length > 80 ? `${text.slice(0, 79)}…` : text);
