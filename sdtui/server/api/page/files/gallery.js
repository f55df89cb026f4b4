/* The pictures of the history as a grid that loads more at its end. */

import { ApiError, PictureLoader, getJson } from "./api.js";
import { byId, element, icon, reconcile } from "./dom.js";
import { shortened } from "./jobs.js";

const PAGE = 60;
const EDGE = 384;
const KEPT = 1500;
const TYPING_MS = 300;
const RETRY_MS = 5000;

const idOf = (entry) => BigInt(entry.url.slice(entry.url.lastIndexOf("/") + 1)); // too large for a number

/** Return the path of an entry, relative to the page. */
export const pathOf = (entry) => `history/${idOf(entry)}`;

/** Return the path of its picture. With `edge`, its sides have at most so many pixels. */
export function picturePath(entry, edge = 0) {
  if (entry.ofJob) return entry.ofJob;
  return `${pathOf(entry)}/picture${edge ? `?edge=${edge}` : ""}`;
}

export const thumbnails = new PictureLoader(KEPT);
export const thumbnailPath = (entry) => picturePath(entry, EDGE);

/** Return the pictures of a job that the history doesn't have, as entries. */
async function entriesOf(job) {
  const { record } = await getJson(`jobs/${job.id}`);
  const { settings } = record ?? {};
  return job.pictures.map((url, number) => ({
    ofJob: `jobs/${job.id}/pictures/${number}`,
    url,
    time: new Date().toISOString(),
    prompt: record?.prompt ?? job.prompt,
    negative_prompt: record?.negative_prompt ?? "",
    model: record?.model?.name ?? "",
    sampler: settings?.sampler ?? "",
    seed: record?.images[number]?.seed ?? null,
    width: record?.images[number]?.width ?? "?",
    height: record?.images[number]?.height ?? "?",
    steps: settings?.num_inference_steps ?? null,
    guidance: settings?.guidance_scale ?? null,
    starred: false,
    tags: [],
  }));
}

export class Gallery {
  entries = [];
  #unkept = []; // pictures of this session that the server doesn't keep in its history
  #total = null; // null = not known yet
  #grid = byId("gallery");
  #isLoading = false;
  #search = 0; // counts searches, so that answers of earlier ones are left out
  #near = new IntersectionObserver((seen) => this.#seen(seen), { rootMargin: "300px" });
  #end = new IntersectionObserver(([seen]) => seen.isIntersecting && this.more(), { rootMargin: "600px" });
  #onOpen;
  #onChanged;

  /** `onOpen` is called with the index of an entry, `onChanged` after the entries changed. */
  constructor(onOpen, onChanged) {
    this.#onOpen = onOpen;
    this.#onChanged = onChanged;
    this.#grid.replaceChildren(...Array.from({ length: 12 }, () => element("li", { class: "tile skeleton" })));
    this.#end.observe(byId("gallery-end"));
    this.#grid.addEventListener("keydown", (event) => this.#move(event));
    let typing = 0;
    byId("search").addEventListener("input", () => {
      clearTimeout(typing);
      typing = setTimeout(() => this.search(), TYPING_MS);
    });
    byId("search-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.search();
    });
    byId("only-starred").addEventListener("click", ({ currentTarget: button }) => {
      button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
      this.search();
    });
  }

  get query() {
    const isStarred = byId("only-starred").getAttribute("aria-pressed") === "true";
    return [byId("search").value.trim(), isStarred ? "star:yes" : ""].filter(Boolean).join(" ");
  }

  /** Ask for the first page, keeping what was loaded after it. */
  async refresh() {
    const search = this.#search;
    const page = await this.#page(0);
    if (search !== this.#search) return;
    const last = page.entries.at(-1);
    const older = last ? this.#kept.filter((entry) => idOf(entry) < idOf(last)) : [];
    this.#show([...page.entries, ...older], page.total);
  }

  /** Show the pictures of a job that ended, also where the server doesn't keep them. */
  async add(job) {
    const { total } = await getJson(`history?${new URLSearchParams({ q: `job:${job.id}`, limit: 1 })}`);
    if (!total) this.#unkept.unshift(...(await entriesOf(job)));
    await this.refresh();
  }

  get #kept() {
    return this.entries.filter((entry) => !entry.ofJob);
  }

  /** Search by what the fields say. */
  async search() {
    this.#search += 1;
    const search = this.#search;
    byId("search-problem").textContent = "";
    try {
      const page = await this.#page(0);
      if (search === this.#search) this.#show(page.entries, page.total);
    } catch (error) {
      if (search !== this.#search) return;
      if (error instanceof ApiError) byId("search-problem").textContent = error.message;
    }
  }

  /** Load the next page, if there is one. */
  async more() {
    if (this.#isLoading || this.#total === null || this.#kept.length >= this.#total) return;
    this.#isLoading = true;
    const search = this.#search;
    try {
      const page = await this.#page(this.#kept.length);
      if (search !== this.#search) return;
      const known = new Set(this.#kept.map(({ url }) => url));
      const added = page.entries.filter(({ url }) => !known.has(url));
      this.#isLoading = false;
      this.#show([...this.#kept, ...added], added.length ? page.total : this.#kept.length);
    } catch {
      // It is asked for again when the end is scrolled to.
    } finally {
      this.#isLoading = false;
    }
  }

  /** Show a changed entry, or with `null` that it is gone. */
  replace(url, entry) {
    const changed = this.#kept.flatMap((each) => (each.url !== url ? [each] : entry ? [entry] : []));
    this.#show(changed, entry ? this.#total : this.#total - 1);
  }

  /** Focus the tile of an entry, from where the viewer was opened or left. */
  focus(url) {
    const tile = this.#grid.querySelector(`[data-key="${CSS.escape(url)}"] button`);
    if (!tile) return;
    this.#makeReachable(tile);
    tile.focus();
    tile.scrollIntoView({ block: "nearest" });
  }

  #page(offset) {
    return getJson(`history?${new URLSearchParams({ q: this.query, offset, limit: PAGE })}`);
  }

  #show(kept, total) {
    const entries = [...(this.query === "" ? this.#unkept : []), ...kept];
    this.entries = entries;
    this.#total = total;
    for (const skeleton of this.#grid.querySelectorAll(".skeleton:not([data-key])")) skeleton.remove();
    reconcile(this.#grid, entries, ({ url }) => url, (entry) => this.#tile(entry), showStar);
    if (!this.#grid.querySelector("button[tabindex='0']")) {
      this.#grid.querySelector("button")?.setAttribute("tabindex", "0");
    }
    const isSearch = this.query !== "";
    byId("gallery-count").textContent = total ? total.toLocaleString() : "";
    byId("gallery-empty").hidden = entries.length > 0;
    byId("gallery-empty").textContent = isSearch ? "No picture matches." : "Pictures that are made on this server appear here.";
    this.#onChanged();
    if (byId("gallery-end").getBoundingClientRect().top < innerHeight) this.more();
  }

  #tile(entry) {
    const image = element("img", { alt: "", draggable: "false" });
    const button = element("button", { class: "tile-button", type: "button", tabindex: -1,
      onclick: () => this.#onOpen(this.entries.findIndex(({ url }) => url === entry.url)) }, image);
    const tile = element("li", { class: "tile skeleton" }, button, element("span", { class: "tile-star", hidden: true }, icon("star")));
    tile.entry = entry;
    this.#near.observe(tile);
    return tile;
  }

  #seen(entries) {
    for (const { target: tile, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      this.#near.unobserve(tile);
      thumbnails.load(thumbnailPath(tile.entry)).then(
        (url) => {
          tile.querySelector("img").src = url;
          tile.classList.remove("skeleton");
        },
        () => setTimeout(() => tile.isConnected && this.#near.observe(tile), RETRY_MS),
      );
    }
  }

  /** Move by the arrow keys: the grid is one stop of the tab key. */
  #move(event) {
    const tiles = [...this.#grid.querySelectorAll("button")];
    const at = tiles.indexOf(document.activeElement);
    const columns = getComputedStyle(this.#grid).gridTemplateColumns.split(" ").length;
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, Home: -at, End: tiles.length - 1 - at };
    const tile = tiles[at + steps[event.key]];
    if (at < 0 || !tile) return;
    event.preventDefault();
    this.#makeReachable(tile);
    tile.focus();
  }

  #makeReachable(tile) {
    for (const other of this.#grid.querySelectorAll("button[tabindex='0']")) other.setAttribute("tabindex", "-1");
    tile.setAttribute("tabindex", "0");
  }
}

function showStar(tile, entry) {
  tile.entry = entry;
  tile.querySelector(".tile-star").hidden = !entry.starred;
  const label = `${shortened(entry.prompt) || "No prompt"}${entry.starred ? ", starred" : ""}`;
  tile.querySelector("button").setAttribute("aria-label", label);
}
