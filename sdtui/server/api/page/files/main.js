/* Starts the page, and connects its parts. */

import { ApiError, forgetKey, getJson, hasKey, setUpApi } from "./api.js";
import { Composer } from "./composer.js";
import { byId, fillIcons, toast } from "./dom.js";
import { Gallery } from "./gallery.js";
import { Jobs, draw } from "./jobs.js";
import { PictureActions, Viewer, showActions, showPicture } from "./viewer.js";

const BUSY_MS = 1500;
const IDLE_MS = 5000;
const AWAY_MS = 3000;
const HISTORY_EVERY = 6; // idle rounds: other programs add pictures too

fillIcons();
setUpApi(askForKey, showReachable);

const actions = new PictureActions({
  onChanged(url, entry) {
    gallery.replace(url, entry);
    viewer.replace(url, entry);
  },
  onAgain: () => go(),
  async onVary(record) {
    await viewer.close();
    composer.take(record);
  },
});
const viewer = new Viewer(actions, (url) => url && gallery.focus(url), () => gallery.more());
const gallery = new Gallery((at) => viewer.open(gallery.entries, at), () => {
  showNewest();
  viewer.extend(gallery.entries);
});
const composer = new Composer(() => {
  byId("stage").scrollIntoView({ block: "nearest" });
  go();
});
const jobs = new Jobs(
  showProgress,
  () => gallery.refresh().catch(() => {}),
  (job) => gallery.add(job).catch(() => {}),
);

/* The stage: the picture that is being made, or else the newest one. */

let newest = null;
let drawn = null; // the preview that was drawn last

function showNewest() {
  if (gallery.query === "") newest = gallery.entries[0] ?? null;
  if (!jobs.running.length) showProgress(null);
}

function showProgress(job, progress) {
  const stage = byId("stage");
  stage.dataset.state = job ? "running" : newest ? "picture" : "empty";
  byId("stage-running").hidden = !job;
  byId("stage-actions").hidden = Boolean(job) || !newest;
  byId("stage-prompt").textContent = job ? job.prompt : (newest?.prompt ?? "");
  byId("stage-facts").textContent = job ? progress.note : factsOf(newest);
  if (job) showRunning(job, progress);
  else document.title = "sdtui";
  if (!job && newest) {
    showActions(byId("stage-actions"), newest);
    byId("stage-open").setAttribute("aria-label", `Open: ${newest.prompt.slice(0, 80) || "the newest picture"}`);
    showPicture(byId("stage-image"), newest).then(
      () => stage.dataset.state === "picture" && byId("stage-preview").classList.remove("is-shown"),
      () => {},
    );
  }
}

function factsOf(entry) {
  if (!entry) return "";
  const steps = entry.steps === null ? null : `${entry.steps} ${entry.steps === 1 ? "step" : "steps"}`;
  const seed = entry.seed === null ? null : `seed ${entry.seed}`;
  return [`${entry.width} × ${entry.height}`, steps, entry.sampler, seed].filter(Boolean).join(" · ");
}

function showRunning(job, progress) {
  const percent = progress.share === null ? null : Math.round(progress.share * 100);
  byId("stage-text").textContent = progress.text;
  byId("stage-bar").classList.toggle("is-unknown", percent === null);
  if (percent === null) byId("stage-bar").removeAttribute("value");
  else byId("stage-bar").value = percent;
  byId("stage-cancel").dataset.job = job.id;
  byId("stage-cancel").disabled = job.state === "cancelling";
  document.title = percent === null ? "… sdtui" : `${percent} % sdtui`;
  const preview = byId("stage-preview");
  preview.classList.toggle("is-shown", Boolean(progress.preview));
  if (progress.preview && progress.preview !== drawn) {
    drawn = progress.preview;
    draw(preview, drawn);
  }
}

byId("stage-open").addEventListener("click", () => {
  viewer.open(gallery.query === "" ? gallery.entries : [newest], 0);
});
byId("stage-cancel").addEventListener("click", ({ currentTarget }) => jobs.cancel(currentTarget.dataset.job));
for (const button of byId("stage-actions").querySelectorAll("[data-do]")) {
  button.addEventListener("click", () => actions[button.dataset.do](newest));
}

/* The state of the server. */

const server = byId("server");
let isReachable = true;

function showReachable(isThere) {
  if (isThere !== isReachable && isThere) toast("The server is back");
  isReachable = isThere;
  document.body.classList.toggle("is-away", !isThere);
  byId("away").hidden = isThere;
}

function showHealth(health) {
  const words = { ok: health.model ?? "Ready", loading: "Loading a model", failed: "Problem", ending: "Shutting down" };
  server.dataset.state = health.status;
  byId("server-text").textContent = words[health.status];
  byId("server-problem").textContent = health.problem ?? "";
  showProblem(health.problem);
  showTraining(health.workers.find(({ training }) => training)?.training);
  const facts = {
    model: health.model ?? "none is loaded",
    device: [health.device, health.dtype].filter(Boolean).join(", ") || "unknown until a model is loaded",
    queue: `${health.queue_length} of ${health.queue_limit}`,
    version: health.version,
  };
  for (const [name, value] of Object.entries(facts)) byId(`server-${name}`).textContent = value;
}

function showTraining(training) {
  byId("training").hidden = !training;
  const name = training?.name ? `Training ${training.name}` : "Training";
  byId("training").textContent = training?.steps ? `${name}: step ${training.step} of ${training.steps}` : name;
}

function showProblem(text) {
  byId("problem").hidden = !text;
  byId("problem").textContent = text ?? "";
}

server.addEventListener("click", () => {
  byId("forget-key").hidden = !hasKey();
  byId("server-dialog").showModal();
});
byId("forget-key").addEventListener("click", () => {
  forgetKey();
  location.reload();
});
for (const dialog of document.querySelectorAll("dialog.small")) {
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.id !== "key-dialog" && dialog.close());
}

function askForKey(wasWrong) {
  const dialog = byId("key-dialog");
  byId("key-problem").textContent = wasWrong ? "This isn’t the key of this server." : "";
  byId("key").value = "";
  byId("key").setAttribute("aria-invalid", String(wasWrong));
  dialog.addEventListener("cancel", (event) => event.preventDefault());
  dialog.showModal();
  return new Promise((resolve) => {
    byId("key-form").onsubmit = (event) => {
      event.preventDefault();
      dialog.close();
      resolve(byId("key").value.trim());
    };
  });
}

/* The rounds: jobs and health are asked for in turn, while somebody looks. */

let timer = 0;
let round = 0;
let isLoaded = false;

async function go() {
  clearTimeout(timer);
  round += 1;
  const own = round;
  try {
    if (!isLoaded) {
      showHealth(await getJson("health")); // alone, so that a wrong key is refused once
      await Promise.all([gallery.refresh(), composer.load()]);
      isLoaded = true;
    }
    await jobs.refresh();
    showHealth(await getJson("health"));
    if (!jobs.areActive && round % HISTORY_EVERY === 0) await gallery.refresh();
  } catch (error) {
    if (error instanceof ApiError) showProblem(error.message);
    else if (isReachable) console.error(error);
  }
  if (own !== round || document.hidden) return;
  timer = setTimeout(go, !isReachable ? AWAY_MS : jobs.areActive ? BUSY_MS : IDLE_MS);
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    clearTimeout(timer);
    jobs.rest();
  } else go();
});
go();
