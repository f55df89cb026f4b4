/* A picture large: swiped or stepped through, with what can be done with it. */

import { PictureLoader, change, getBlob, getJson } from "./api.js";
import { announce, byId, copy, element, toast } from "./dom.js";
import { pathOf, picturePath, thumbnailPath, thumbnails } from "./gallery.js";

const PHONE_EDGE = 1600;
const KEPT = 9;
const NEAR_END = 5;
const AROUND = 1; // neighbours that are loaded before they are shown

const pictures = new PictureLoader(KEPT);

/** Return the path of a picture as large as the screen needs it. */
function shownPath(entry) {
  const isPhone = matchMedia("(pointer: coarse)").matches;
  const isLarge = Math.max(entry.width, entry.height) > PHONE_EDGE;
  return picturePath(entry, isPhone && isLarge ? PHONE_EDGE : 0);
}

/** Show a picture in an image element: the small copy first, if it is here, then the picture. */
export async function showPicture(image, entry) {
  if (image.dataset.url === entry.url) return;
  image.dataset.url = entry.url;
  image.alt = entry.prompt || "A picture without a prompt";
  const small = thumbnails.known(thumbnailPath(entry));
  if (small) image.src = small;
  const whole = await pictures.load(shownPath(entry));
  if (image.dataset.url === entry.url) image.src = whole;
}

/** What can be done with a picture; also used outside of the viewer. */
export class PictureActions {
  #onChanged;
  #onAgain;
  #onVary;

  /** `onChanged` is called with the URL of an entry and what it is now, null if it is gone. */
  constructor({ onChanged, onAgain, onVary }) {
    this.#onChanged = onChanged;
    this.#onAgain = onAgain;
    this.#onVary = onVary;
  }

  star = (entry) => this.#try(async () => {
    const changed = await change(entry.starred ? "DELETE" : "PUT", `${pathOf(entry)}/star`);
    this.#onChanged(entry.url, changed);
    announce(changed.starred ? "Starred" : "Star removed");
  });

  again = (entry) => this.#try(async () => {
    const { request, left_out: leftOut } = await getJson(pathOf(entry));
    const { seed, ...others } = request;
    const job = await change("POST", "jobs", others);
    this.#onAgain(job);
    toast(leftOut.length ? "Making another one, without the pictures that this was made from" : "Making another one");
  });

  vary = (entry) => this.#try(async () => this.#onVary(await getJson(pathOf(entry))));

  copySeed = (entry) => copy(String(entry.seed), "the seed");

  copySettings = (entry) => this.#try(async () => {
    const { infotext } = await getJson(pathOf(entry));
    await copy(infotext, "the settings");
  });

  download = (entry) => this.#try(async () => {
    const file = await getBlob(picturePath(entry));
    const url = URL.createObjectURL(file);
    element("a", { href: url, download: fileName(entry, file.type) }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  });

  trash = (entry) => this.#try(async () => {
    await change("DELETE", pathOf(entry));
    this.#onChanged(entry.url, null);
    toast("Moved into the trash");
  });

  async #try(action) {
    try {
      await action();
    } catch (error) {
      toast(error.message, true);
    }
  }
}

function fileName(entry, type) {
  const words = entry.prompt.toLowerCase().match(/[\p{L}\p{N}]+/gu)?.join("-").slice(0, 40) ?? "picture";
  const stamp = entry.time.slice(0, 19).replace(/[-:]/g, "").replace("T", "-");
  return `${stamp}-${entry.seed ?? "x"}-${words}.${type.replace(/.*\//, "").replace("jpeg", "jpg")}`;
}

export class Viewer {
  #dialog = byId("viewer");
  #track = byId("viewer-track");
  #entries = [];
  #at = 0;
  #actions;
  #onClosed;
  #onNearEnd;
  #whenClosed = () => {};

  /** `onClosed` is called with the URL of the entry that was shown last, and `onNearEnd` when more
   * entries may be needed soon. */
  constructor(actions, onClosed, onNearEnd) {
    this.#actions = actions;
    this.#onClosed = onClosed;
    this.#onNearEnd = onNearEnd;
    this.#track.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.#dialog.addEventListener("keydown", (event) => this.#key(event));
    this.#dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      this.close();
    });
    history.scrollRestoration = "manual"; // closing scrolls to the picture that was shown last
    addEventListener("popstate", () => this.#dialog.open && this.#closed());
    addEventListener("resize", () => this.#dialog.open && this.#go(this.#at, false));
    for (const button of this.#dialog.querySelectorAll("[data-do]")) {
      button.addEventListener("click", () => this.#do(button.dataset.do));
    }
  }

  /** The entry that is shown, or undefined. */
  get entry() {
    return this.#dialog.open ? this.#entries[this.#at] : undefined;
  }

  /** Open at one of some entries. The browser's way back closes it. */
  open(entries, at) {
    this.#entries = [...entries];
    this.#track.replaceChildren(...entries.map(slide));
    history.pushState({ viewer: true }, "");
    this.#dialog.showModal();
    this.#at = -1;
    this.#go(at, false);
    this.#show(at);
  }

  /** Close, and return when it is closed. */
  close() {
    if (!this.#dialog.open) return Promise.resolve();
    return new Promise((resolve) => {
      this.#whenClosed = resolve;
      history.back(); // popstate closes it
    });
  }

  /** Add entries that were loaded after those that are known. */
  extend(entries) {
    const last = this.#entries.at(-1)?.url;
    const added = entries.slice(entries.findIndex(({ url }) => url === last) + 1);
    if (!this.#dialog.open || added.length === entries.length || !added.length) return;
    this.#entries.push(...added);
    this.#track.append(...added.map(slide));
    this.#describe();
  }

  /** Show a changed entry, or with `null` the next one in its place. */
  replace(url, entry) {
    const at = this.#entries.findIndex((each) => each.url === url);
    if (!this.#dialog.open || at < 0) return;
    if (entry) {
      this.#entries[at] = entry;
      this.#describe();
      return;
    }
    this.#entries.splice(at, 1);
    this.#track.children[at].remove();
    if (!this.#entries.length) return this.close();
    const next = Math.min(at, this.#entries.length - 1);
    this.#at = -1;
    this.#go(next, false);
    this.#show(next);
  }

  #closed() {
    const url = this.#entries[this.#at]?.url;
    this.#dialog.close();
    this.#dialog.classList.remove("has-info");
    this.#track.replaceChildren();
    this.#onClosed(url);
    this.#whenClosed();
    this.#whenClosed = () => {};
  }

  #go(at, isSmooth = true) {
    const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.#track.scrollTo({ left: at * this.#track.clientWidth, behavior: isSmooth && !isCalm ? "smooth" : "instant" });
  }

  #scrolled() {
    const at = Math.round(this.#track.scrollLeft / this.#track.clientWidth);
    if (at !== this.#at && at in this.#entries) this.#show(at);
  }

  #show(at) {
    this.#at = at;
    this.#askBeforeTrash(false);
    for (let near = at + AROUND; near >= at - AROUND; near -= 1) {
      if (near in this.#entries && near !== at) this.#load(near);
    }
    this.#load(at); // last: what is asked for last is loaded first
    this.#describe();
    if (at >= this.#entries.length - NEAR_END) this.#onNearEnd();
  }

  #load(at) {
    const shown = this.#track.children[at];
    showPicture(shown.querySelector("img"), this.#entries[at]).catch(() => {
      if (!shown.querySelector("p")) shown.append(element("p", {}, "The picture can’t be loaded."));
    });
  }

  #describe() {
    const entry = this.#entries[this.#at];
    byId("viewer-place").textContent = `${this.#at + 1} / ${this.#entries.length}`;
    byId("viewer-prompt").textContent = entry.prompt || "No prompt";
    byId("viewer-info-prompt").textContent = entry.prompt || "No prompt";
    byId("viewer-back").disabled = this.#at === 0;
    byId("viewer-forward").disabled = this.#at === this.#entries.length - 1;
    showActions(byId("viewer-actions"), entry);
    byId("viewer-copy-settings").hidden = Boolean(entry.ofJob);
    const facts = [
      ["Negative", entry.negative_prompt],
      ["Model", entry.model],
      ["Size", `${entry.width} × ${entry.height}`],
      ["Sampler", entry.sampler],
      ["Steps", entry.steps],
      ["Guidance", entry.guidance],
      ["Seed", entry.seed],
      ["Made", new Date(entry.time).toLocaleString()],
      ["Tags", entry.tags.join(", ")],
    ];
    const shown = facts.filter(([, value]) => value !== null && value !== "");
    byId("viewer-facts").replaceChildren(...shown.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, String(value))]));
  }

  async #do(name) {
    const entry = this.#entries[this.#at];
    if (name === "close") this.close();
    else if (name === "back") this.#go(this.#at - 1);
    else if (name === "forward") this.#go(this.#at + 1);
    else if (name === "info") this.#toggleInfo();
    else if (name === "trash") this.#askBeforeTrash(true);
    else if (name === "keep") this.#askBeforeTrash(false);
    else if (name === "trash-now") {
      this.#askBeforeTrash(false);
      await this.#actions.trash(entry);
    } else await this.#actions[name](entry);
  }

  #toggleInfo() {
    const isShown = this.#dialog.classList.toggle("has-info");
    byId("viewer-info-toggle").setAttribute("aria-expanded", String(isShown));
    this.#go(this.#at, false); // the track has another width
  }

  #askBeforeTrash(isAsking) {
    if (byId("viewer-confirm").hidden === !isAsking) return;
    byId("viewer-confirm").hidden = !isAsking;
    byId("viewer-actions").hidden = isAsking;
    byId(isAsking ? "viewer-keep" : "viewer-trash").focus();
  }

  #key(event) {
    const keys = { ArrowLeft: "back", ArrowRight: "forward", s: "star", d: "download", a: "again", v: "vary", i: "info", c: "copySettings", Delete: "trash" };
    const name = keys[event.key];
    const button = this.#dialog.querySelector(`[data-do="${name}"]`);
    if (!name || button.hidden || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.#do(name);
  }
}

/** Show which actions an entry has, and whether it is starred. */
export function showActions(group, entry) {
  group.querySelector("[data-do=star]").setAttribute("aria-pressed", String(entry.starred));
  for (const button of group.querySelectorAll("[data-do]:not([data-do=download])")) {
    button.hidden = Boolean(entry.ofJob); // of a picture that isn't in the history
  }
}

function slide() {
  const image = element("img", { alt: "", draggable: "false" });
  image.addEventListener("dblclick", () => image.parentElement.classList.toggle("is-actual"));
  return element("div", { class: "slide" }, image);
}
