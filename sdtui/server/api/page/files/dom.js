/* Helpers for elements. Text is only ever set as text, never as HTML. */

const SVG = "http://www.w3.org/2000/svg";

/* Outlines on a grid of 24 × 24. */
const ICONS = {
  again: "M20 11a8 8 0 1 0-2.3 6.3M20 5v6h-6",
  back: "M15 5l-7 7 7 7",
  close: "M6 6l12 12M18 6L6 18",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  dice: "M4 4h16v16H4zM8.5 8.5h.01M15.5 8.5h.01M8.5 15.5h.01M15.5 15.5h.01M12 12h.01",
  down: "M6 9l6 6 6-6",
  forward: "M9 5l7 7-7 7",
  info: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 11v5M12 8h.01",
  save: "M12 4v11M7 11l5 5 5-5M5 20h14",
  search: "M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM20 20l-4-4",
  star: "M12 3.5l2.6 5.5 6 .8-4.4 4.2 1.1 6-5.3-2.9L6.7 20l1.1-6-4.4-4.2 6-.8z",
  swap: "M4 8h14M14 4l4 4-4 4M20 16H6M10 12l-4 4 4 4",
  trash: "M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13M10 11v5M14 11v5",
  vary: "M4 20h4L19 9l-4-4L4 16zM13 7l4 4",
};

/** Return the element with an id, which must be there. */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found;
}

/** Create an element. Attributes are set as such, except `on…`, which are listeners, and those whose
 * value is true (empty), false or null (left out). */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== false && value != null) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child != null));
  return made;
}

/** Create an icon, which says nothing to screen readers. */
export function icon(name) {
  const drawing = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  for (const [key, value] of Object.entries({ viewBox: "0 0 24 24", "aria-hidden": "true" })) {
    drawing.setAttribute(key, value);
  }
  path.setAttribute("d", ICONS[name]);
  drawing.append(path);
  return drawing;
}

/** Put an icon in front of every element with `data-icon`. */
export function fillIcons(root = document) {
  for (const each of root.querySelectorAll("[data-icon]")) each.prepend(icon(each.dataset.icon));
}

/** Make the children of an element those of `items`, in their order. An item whose key was there
 * before keeps its element, and with it the focus. */
export function reconcile(parent, items, keyOf, create, update = () => {}) {
  const present = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let place = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    let child = present.get(key);
    if (child) present.delete(key);
    else {
      child = create(item);
      child.dataset.key = key;
    }
    update(child, item);
    if (child === place) place = place.nextElementSibling;
    else parent.insertBefore(child, place);
  }
  for (const gone of present.values()) gone.remove();
}

/** Have screen readers say something. */
export function announce(text) {
  byId("announcer").textContent = text;
}

let hiding = 0;

/** Show a sentence for some seconds. */
export function toast(text, isError = false) {
  const shown = byId("toast");
  shown.textContent = text;
  shown.classList.toggle("is-error", isError);
  shown.classList.add("is-shown");
  clearTimeout(hiding);
  hiding = setTimeout(() => shown.classList.remove("is-shown"), isError ? 8000 : 3500);
}

/** Copy text. Pages without TLS have no `navigator.clipboard`. */
export async function copy(text, what) {
  try {
    if (navigator.clipboard) await navigator.clipboard.writeText(text);
    else copyBySelection(text);
    toast(`Copied ${what}`);
  } catch {
    toast(`The browser didn't let the page copy ${what}`, true);
  }
}

function copyBySelection(text) {
  const holder = document.querySelector("dialog[open]") ?? document.body;
  const area = element("textarea", { class: "off-screen", readonly: true, tabindex: -1 });
  area.value = text;
  holder.append(area);
  const focused = document.activeElement;
  area.select();
  const isCopied = document.execCommand("copy");
  area.remove();
  focused?.focus();
  if (!isCopied) throw new Error("refused");
}

/** Return seconds in words: "8 s", "3 min". */
export function duration(seconds) {
  if (seconds < 9.95) return `${Math.max(seconds, 0).toFixed(1)} s`;
  return seconds < 90 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`;
}
