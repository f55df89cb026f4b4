/* The form: what to make. Its values are kept in this browser. */

import { ApiError, change, getJson } from "./api.js";
import { byId, element, toast } from "./dom.js";

const STORED = "sdtui-form";
const SHAPES = [
  ["square", "Square", 1],
  ["portrait", "Portrait", 2 / 3],
  ["landscape", "Landscape", 3 / 2],
  ["tall", "Tall", 9 / 16],
  ["wide", "Wide", 16 / 9],
];
const NUMBERS = [
  ...["width", "height", "num_inference_steps", "guidance_scale", "seed"],
  "num_images_per_prompt",
];
const TEXTS = ["prompt", "negative_prompt", "sampler", "model", "preset"];

export class Composer {
  #form = byId("composer");
  #models = [];
  #more = {}; // values of a picture for which the form has no field
  #leftOut = [];
  #onMade;

  /** `onMade` is called with the job that was queued. */
  constructor(onMade) {
    this.#onMade = onMade;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#form.addEventListener("input", (event) => this.#changed(event.target));
    this.#field("prompt").addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.#form.requestSubmit();
    });
    byId("swap").addEventListener("click", () => this.#swap());
    byId("random-seed").addEventListener("click", () => this.fill({ seed: "" }));
    byId("drop-more").addEventListener("click", () => this.#setMore({}, []));
    byId("settings-toggle").addEventListener("click", () => this.showSettings());
    new ResizeObserver(() => this.#leaveRoom()).observe(this.#form);
    const { more = {}, leftOut = [], ...values } = stored();
    this.fill(values);
    this.#setMore(more, leftOut);
  }

  /** Load what the form offers. */
  async load() {
    const [models, samplers, presets] = await Promise.all(
      ["models", "samplers", "presets"].map((path) => getJson(path)),
    );
    this.#models = models;
    const usable = models.filter((model) => !model.problem);
    const own = usable.find((model) => model.is_default);
    options(this.#field("model"), usable.map(({ name }) => name), own ? `${own.name} (default)` : "Default");
    options(this.#field("sampler"), samplers, "The model’s own");
    options(this.#field("preset"), Object.keys(presets), "None");
    byId("preset-row").hidden = !Object.keys(presets).length;
    this.fill(stored());
  }

  /** Fill fields. Those that aren't named keep their values. */
  fill(values) {
    for (const name of [...NUMBERS, ...TEXTS]) {
      if (!(name in values)) continue;
      const field = this.#field(name);
      const value = String(values[name] ?? "");
      if (field.tagName === "SELECT" && value && ![...field.options].some((one) => one.value === value)) {
        field.append(element("option", { value }, value));
      }
      field.value = value;
    }
    this.#refresh();
    this.#store();
  }

  /** Take over the request of a picture, with a new seed, to make it again with a change. */
  take({ request, left_out: leftOut }) {
    const open = Object.fromEntries([...NUMBERS, ...TEXTS].map((name) => [name, ""]));
    const own = Object.keys(open);
    const more = Object.entries(request).filter(([name]) => !own.includes(name));
    this.fill({ ...open, ...request, seed: "", num_images_per_prompt: 1 });
    this.#setMore(Object.fromEntries(more), leftOut);
    this.#clearProblems();
    this.#field("prompt").focus();
  }

  /** Open or close the settings, which are always open in wide windows. */
  showSettings(isOpen = byId("settings-toggle").getAttribute("aria-expanded") !== "true") {
    byId("settings-toggle").setAttribute("aria-expanded", String(isOpen));
    this.#form.classList.toggle("is-open", isOpen);
  }

  /** Have the page end above the form where it covers the page's bottom. */
  #leaveRoom() {
    if (this.#form.classList.contains("is-open")) return;
    const isFixed = getComputedStyle(this.#form).position === "fixed";
    const height = isFixed ? `${this.#form.offsetHeight}px` : "0px";
    document.documentElement.style.setProperty("--composer", height);
  }

  #field(name) {
    return this.#form.elements.namedItem(name);
  }

  #values() {
    const values = { ...this.#more };
    for (const name of TEXTS) if (this.#field(name).value) values[name] = this.#field(name).value;
    for (const name of NUMBERS) if (this.#field(name).value) values[name] = Number(this.#field(name).value);
    return values;
  }

  async #submit() {
    const button = byId("make");
    if (button.getAttribute("aria-disabled") === "true") return;
    this.#clearProblems();
    button.setAttribute("aria-disabled", "true");
    this.showSettings(false);
    this.#field("prompt").blur(); // puts the keyboard of a phone away
    try {
      const job = await change("POST", "jobs", this.#values());
      if (job.notices.length) toast(job.notices.join(" "));
      this.#onMade(job);
    } catch (error) {
      this.#refuse(error);
    } finally {
      button.removeAttribute("aria-disabled");
    }
  }

  /** Say next to the fields, or below them all, why a request was refused. */
  #refuse(error) {
    const problems = error instanceof ApiError ? error.problems : [];
    const others = [];
    for (const { field, message } of problems) {
      const place = this.#form.querySelector(`[data-problem="${CSS.escape(field)}"]`);
      if (place) {
        const input = this.#field(field);
        place.textContent = `${input.getAttribute("aria-label") ?? input.labels[0].textContent} ${message}`;
        input.setAttribute("aria-invalid", "true");
      } else others.push(`${field.replaceAll("_", " ")}: ${message}`);
    }
    if (problems.length > others.length) {
      const first = this.#form.querySelector("[aria-invalid=true]");
      if (first.name !== "prompt") this.showSettings(true);
      first.focus();
    }
    const later = error.retryAfter ? ` Try again in about ${error.retryAfter} s.` : "";
    const rest = problems.length ? others.join(". ") : error.message + later;
    byId("refusal").textContent = rest;
  }

  #clearProblems() {
    byId("refusal").textContent = "";
    for (const place of this.#form.querySelectorAll("[data-problem]")) place.textContent = "";
    for (const field of this.#form.querySelectorAll("[aria-invalid]")) field.removeAttribute("aria-invalid");
  }

  #changed(field) {
    field.removeAttribute("aria-invalid");
    const place = this.#form.querySelector(`[data-problem="${CSS.escape(field.name)}"]`);
    if (place) place.textContent = "";
    if (field.name === "shape") this.#choose(field.value);
    this.#refresh();
    this.#store();
  }

  #choose(shape) {
    if (shape === "custom") {
      const [width, height] = this.#native();
      this.#field("width").value ||= width;
      this.#field("height").value ||= height;
      this.#field("width").focus();
    } else {
      const [width, height] = shape ? this.#sizeOf(shape) : ["", ""];
      this.#field("width").value = width;
      this.#field("height").value = height;
    }
  }

  #swap() {
    const [width, height] = [this.#field("width"), this.#field("height")];
    this.fill({ width: height.value, height: width.value });
  }

  /** Bring what depends on the values in line: shapes, the summary, the height of the prompt. */
  #refresh() {
    const size = [this.#field("width").value, this.#field("height").value];
    const shape = this.#field("shape");
    const [nativeWidth, nativeHeight] = this.#native();
    const chosen = shape.value;
    shape.replaceChildren(
      element("option", { value: "" }, nativeWidth ? `The model’s own · ${nativeWidth} × ${nativeHeight}` : "The model’s own"),
      ...(nativeWidth ? SHAPES : []).map(([name, label]) =>
        element("option", { value: name }, `${label} · ${this.#sizeOf(name).join(" × ")}`),
      ),
      element("option", { value: "custom" }, "Custom"),
    );
    const known = SHAPES.find(([name]) => nativeWidth && String(this.#sizeOf(name)) === String(size));
    const isCustom = size.some(Boolean) && (!known || chosen === "custom");
    shape.value = isCustom ? "custom" : (known?.[0] ?? "");
    byId("custom-size").hidden = shape.value !== "custom";
    const steps = this.#field("num_inference_steps").value;
    const parts = [
      size.some(Boolean) ? size.map((side) => side || "auto").join("×") : "",
      steps && `${steps} ${steps === "1" ? "step" : "steps"}`,
      this.#field("sampler").value,
      this.#field("seed").value ? `seed ${this.#field("seed").value}` : "",
      Number(this.#field("num_images_per_prompt").value) > 1 ? `${this.#field("num_images_per_prompt").value} pictures` : "",
    ];
    byId("summary").textContent = parts.filter(Boolean).join(" · ") || "The model’s own settings";
  }

  #native() {
    const name = this.#field("model").value;
    const model = this.#models.find((one) => (name ? one.name === name : one.is_default));
    return [model?.width, model?.height];
  }

  /** Return the size of a shape with about as many pixels as the model's own. */
  #sizeOf(shape) {
    const [width, height] = this.#native();
    const ratio = SHAPES.find(([name]) => name === shape)[2];
    const step = width < 512 ? 8 : 64;
    const side = (length) => Math.max(step, Math.round(length / step) * step);
    return [side(Math.sqrt(width * height * ratio)), side(Math.sqrt((width * height) / ratio))];
  }

  #setMore(more, leftOut) {
    this.#more = more;
    this.#leftOut = leftOut;
    const names = Object.keys(more).filter((name) => !["prompt_syntax", "dynamic_prompts"].includes(name));
    const words = (list) => list.map((name) => name.replaceAll("_", " ")).join(", ");
    byId("more").hidden = !names.length && !leftOut.length;
    byId("more-text").textContent = [
      names.length ? `Also as in the picture: ${words(names)}.` : "",
      leftOut.length ? `Left out, since it needs another picture: ${words(leftOut)}.` : "",
    ].join(" ");
    this.#store();
  }

  #store() {
    const values = Object.fromEntries([...NUMBERS, ...TEXTS].map((name) => [name, this.#field(name).value]));
    try {
      localStorage.setItem(STORED, JSON.stringify({ ...values, more: this.#more, leftOut: this.#leftOut }));
    } catch {
      // Private windows of some browsers have no storage: the form begins empty next time.
    }
  }
}

function stored() {
  try {
    return JSON.parse(localStorage.getItem(STORED)) ?? {};
  } catch {
    return {};
  }
}

function options(select, names, open) {
  const chosen = select.value;
  const all = names.map((name) => element("option", { value: name }, name));
  select.replaceChildren(element("option", { value: "" }, open), ...all);
  select.value = names.includes(chosen) ? chosen : "";
}
