// The lab screen: mounts the panels, opens the socket, and sees to what belongs to no panel:
// keys, tabs, maximising, the tables behind the canvases, theme.
import { refreshPalette } from "./colours.js";
import { wireCommands } from "./commands.js";
import { openElement, wireConfirm, wireDialogs } from "./dialogs.js";
import { $, $$, icon, mark } from "./elements.js";
import { assume, choose, chosen, chosenNumber, onChoice } from "./layout.js";
import { createModel } from "./model.js";
import { startPainting } from "./paint.js";
import { ofRun, wirePermalink } from "./permalink.js";
import { placePins } from "./pins.js";
import { createPresence } from "./presence.js";
import { connect } from "./socket.js";
import { crc32 } from "./wire.js";
import * as allocation from "./panels/allocation.js";
import * as bar from "./panels/bar.js";
import * as charts from "./panels/charts.js";
import * as curves from "./panels/curves.js";
import * as devices from "./panels/devices.js";
import * as faults from "./panels/faults.js";
import * as goals from "./panels/goals.js";
import * as isolation from "./panels/isolation.js";
import * as kinds from "./panels/kinds.js";
import * as knobs from "./panels/knobs.js";
import * as ladder from "./panels/ladder.js";
import * as laws from "./panels/laws.js";
import * as log from "./panels/log.js";
import * as memory from "./panels/memory.js";
import * as fork from "./panels/fork.js";
import * as newvm from "./panels/newvm.js";
import * as people from "./panels/people.js";
import * as room from "./panels/room.js";
import * as round from "./panels/round.js";
import * as runs from "./panels/runs.js";
import * as runto from "./panels/runto.js";
import * as snapshots from "./panels/snapshots.js";
import * as spent from "./panels/spent.js";
import * as talk from "./panels/talk.js";
import * as timebar from "./panels/timebar.js";
import * as timeline from "./panels/timeline.js";
import * as tree from "./panels/tree.js";
import * as waits from "./panels/waits.js";
import * as walk from "./panels/walk.js";

/** Modules by the name their element carries in data-panel. */
const PANELS = { bar, tree, timeline, allocation, memory, devices, charts, curves, faults, goals, isolation, kinds, knobs, ladder, laws, log, newvm, timebar, runto, fork, runs, snapshots, people, room, round, spent, talk, waits, walk };
const TABLE_PACE = 1000;
const PHONE = matchMedia("(max-width: 640px)");

const page = JSON.parse($("#lab-config").textContent);
const config = ofRun(page, chosenNumber("run"));
const model = createModel();
const socket = connect(config, model);
socket.may = config.may;
socket.me = config.user;
socket.presence = createPresence(model, socket, PANELS);
socket.following = page; // what it connects by once the lab's own run is seen live
const mounted = [];

/** A panel on the page: drawn while it is in sight, wholly when it was away or has changed shape. */
function mountPanel(element) {
  const module = PANELS[element.dataset.panel];
  if (!module) return;
  const panel = { element, module, stale: true, seen: !element.classList.contains("panel"), tableAt: 0 };
  module.mount(element, model, socket);
  element.classList.add("is-live");
  mounted.push(panel);
  if (!panel.seen) watch(panel);
}

const sight = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    const panel = mounted.find((each) => each.element === target);
    if (panel.seen !== isIntersecting) panel.stale = true;
    panel.seen = isIntersecting;
  }
  redraw();
});
const shape = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const panel = mounted.find((each) => each.element === target.closest("[data-panel]"));
    if (panel) panel.stale = true;
  }
  redraw();
});

function watch(panel) {
  sight.observe(panel.element);
  for (const canvas of $$("canvas, [data-chart], .dev-map", panel.element)) shape.observe(canvas);
}

/** With the first sample: away with the server's picture; a VM to look at, one with pages if any. */
function begin() {
  document.body.classList.add("has-sample");
  performance.mark("first sample");
  const resident = [...(model.vm.resident ?? [])];
  if (resident.length) assume("vm", Math.max(0, resident.findIndex((pages) => pages > 0)));
}

/** Draw what is in sight; what is not is drawn wholly when it comes back. */
function draw() {
  if (!document.body.classList.contains("has-sample")) begin();
  for (const panel of mounted) {
    if (!panel.seen) {
      panel.stale ||= model.changed.any;
      panel.module.unseen?.(model);
      continue;
    }
    if (!panel.stale && tooSoon(panel)) continue;
    const all = panel.stale;
    panel.stale = false;
    panel.drawnAt = performance.now();
    panel.module.draw(model, all);
    placePins(panel, model, socket.me);
    fillTable(panel);
  }
}

/** Panels of figures name a pace: nobody reads twenty numbers a second. What is put off is drawn soon. */
function tooSoon(panel) {
  const wait = (panel.module.pace ?? 0) - (performance.now() - (panel.drawnAt ?? -1e9));
  if (wait <= 0) return false;
  panel.stale ||= model.changed.meta;
  panel.later ??= setTimeout(() => {
    panel.later = null;
    if (!panel.seen || !model.version) return;
    panel.drawnAt = performance.now();
    const all = panel.stale;
    panel.stale = false;
    panel.module.draw(model, all);
  }, wait);
  return true;
}

let asked = 0;
/** Draw soon although no sample came: a size, a theme or a choice changed. */
function redraw() {
  if (!asked) asked = requestAnimationFrame(() => ((asked = 0), model.version && draw()));
}

function everythingStale() {
  refreshPalette();
  for (const panel of mounted) panel.stale = true;
  redraw();
}

/** The table behind a canvas, refreshed once a second while it is open. */
function fillTable(panel) {
  const box = $(".alt", panel.element);
  if (!box || box.hidden || !panel.module.table) return;
  const now = performance.now();
  if (now - panel.tableAt < TABLE_PACE) return;
  panel.tableAt = now;
  panel.module.table($("tbody", box));
}

function wireTables() {
  for (const button of $$("[data-alt]")) {
    const panel = button.closest("[data-panel]");
    const box = $(".alt", panel);
    box.hidden = true;
    button.onclick = () => {
      box.hidden = !box.hidden;
      panel.classList.toggle("shows-table", !box.hidden);
      mark(button, "aria-pressed", String(!box.hidden));
      const own = mounted.find((each) => each.element === panel);
      own.tableAt = 0;
      own.stale = true;
      if (model.version) fillTable(own);
      redraw();
    };
  }
}

/** Any panel can be saved as a picture; what that takes is loaded when it is first wanted. */
function wirePictures() {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-picture]");
    if (!button || !model.version) return;
    button.closest("details").open = false;
    const panel = mounted.find((each) => each.element === button.closest("[data-panel]"));
    const { pictureOf, savePng, saveSvg } = await import("./pictures/save.js");
    const picture = await pictureOf(panel.element, panel.module, model);
    panel.stale = true;
    await (button.dataset.picture === "png" ? savePng(picture) : saveSvg(picture));
  });
}

function maximise(name) {
  const main = $("#panels");
  const target = name ? $(`.panel[data-panel="${CSS.escape(name)}"]`) : null;
  main.classList.toggle("has-max", Boolean(target));
  for (const panel of $$(".panel", main)) {
    const on = panel === target;
    panel.classList.toggle("is-max", on);
    const button = $(".max", panel);
    mark(button, "aria-pressed", String(on));
    const words = on ? gettext("Back to all panels (Escape)") : gettext("Maximise");
    mark(button, "title", words);
  }
  everythingStale();
}

function showTab(name) {
  document.body.dataset.tab = name;
  for (const button of $$(".tabs [data-go]")) mark(button, "aria-current", button.dataset.go === name ? "true" : null);
  $("#panels").scrollTop = 0;
  everythingStale();
}

function wireLayout() {
  for (const panel of $$("main .panel")) {
    const button = $(".max", panel);
    button.onclick = () => choose({ max: chosen("max") === panel.dataset.panel ? null : panel.dataset.panel });
  }
  for (const button of $$(".tabs [data-go]")) button.onclick = () => choose({ tab: button.dataset.go });
  onChoice((changes) => {
    if ("max" in changes) maximise(changes.max);
    if ("tab" in changes) showTab(changes.tab ?? "cpu");
    // A link to another run than the one that is seen, pasted into this very page.
    if (changes.run && Number(changes.run) !== model.state.run) location.reload();
    redraw();
  });
  showTab(chosen("tab", "cpu"));
  if (chosen("max")) maximise(chosen("max"));
}

/** A press on a control of the bar, as a click would be: roles and refusals stay in one place. */
function press(id) {
  const button = document.getElementById(id);
  if (button && !button.disabled) button.click();
}

function faster(by) {
  const select = $("#speed");
  const at = [...select.options].findIndex((option) => option.value === String(bar.speedNow())) + by;
  if (select.disabled || at < 0 || at >= select.options.length) return;
  select.selectedIndex = at;
  select.form.requestSubmit();
}

const back = (unit) => document.dispatchEvent(new CustomEvent("look", { detail: { unit, by: -1 } }));

const KEYS = {
  " ": () => press("play"), ArrowRight: () => press("next"), ".": () => press("step"), "[": () => faster(-1), "]": () => faster(1),
  ArrowLeft: () => back("event"), ",": () => back("tick"), l: () => socket.looker.live(),
  g: () => press("go-to"), f: () => press("fork-here"),
  "?": () => openElement($("#keys")),
  Escape: () => choose({ max: null }),
};

function wireKeys() {
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || $("dialog[open]")) return;
    const typing = event.target.closest?.("input, select, textarea, [contenteditable]");
    const pressing = event.target.closest?.("button, a, summary");
    if (typing && event.key !== "Escape") return;
    if (pressing && (event.key === " " || event.key === "Enter")) return;
    const act = KEYS[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
  for (const button of $$("[data-open=keys]")) button.onclick = () => openElement($("#keys"), button);
  for (const close of $$("dialog [data-close]")) close.addEventListener("click", () => close.closest("dialog").close());
}

/** A control of a form with data-on="change" sends it when it is changed; Enter counts as that. */
function wireForms() {
  addEventListener("change", ({ target }) => {
    if (target.form?.dataset.on === "change" && target.dataset.sent !== target.value) target.form.requestSubmit();
    delete target.dataset.sent;
  });
  addEventListener("keydown", (event) => {
    const { target } = event;
    if (event.key !== "Enter" || target.form?.dataset.on !== "change" || target.tagName !== "INPUT") return;
    event.preventDefault();
    target.dataset.sent = target.value; // the change event that follows sends nothing again
    target.form.requestSubmit();
  });
}

/** The guide can be put away; the choice is this reader's, for this lab. */
function wireGuide() {
  const guide = $("#guide");
  if (!guide) return;
  if (chosen("guide") === "0") guide.open = false;
  guide.addEventListener("toggle", () => choose({ guide: guide.open ? null : 0 }));
}

function wireTheme() {
  new MutationObserver(everythingStale).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", everythingStale);
  PHONE.addEventListener("change", everythingStale);
}

document.body.classList.add("is-live");
for (const max of $$(".max")) if (!max.firstElementChild) max.append(icon("max"));
wireLayout();
for (const element of $$("[data-panel]")) mountPanel(element);
wireTables();
wireCommands(document, socket);
wireConfirm();
wireDialogs();
wireKeys();
wireForms();
wireGuide();
wireTheme();
wirePictures();
wirePermalink(model);
socket.presence.wire();
startPainting(model, socket, draw);
// For tests and the curious: the machine as this page sees it.
window.lab = { model, socket, crc: () => crc32(model.frames) };
