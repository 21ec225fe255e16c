// The instructor's wall: asks for all tiles every two seconds while it is looked at, and changes
// what has changed. Who needs help stands first; a tile that is being used does not move.
import { attributes, el, icon } from "../elements.js";
import { inputOf, knobsOf, verbOf } from "../knobs.js";

const PACE_MS = 2000;
const $ = (selector, root = document) => root.querySelector(selector);
const config = JSON.parse($("#wall-config").textContent);
const names = JSON.parse($("#wall-names").textContent);
const schemas = JSON.parse($("#command-schemas").textContent);
const wall = $("#wall");
const tiles = new Map();
const chosen = new Set();
let latest = config.tiles;
const say = (words, values) => interpolate(words, values, true);

const NEEDS = {
  stuck: () => gettext("stuck"), idle: () => gettext("quiet"), new: () => gettext("not begun"),
  works: () => gettext("at work"), done: () => gettext("all goals met"),
};
const STATES = {
  playing: () => gettext("playing"), paused: () => gettext("paused"), ended: () => gettext("ended"),
  stalled: () => gettext("stalled"), crashed: () => gettext("crashed"), asleep: () => gettext("asleep"),
};

/** How long ago, in words. */
export function ago(seconds) {
  if (seconds < 60) return say(ngettext("%(n)s second ago", "%(n)s seconds ago", seconds), { n: seconds });
  const minutes = Math.floor(seconds / 60);
  if (minutes < 120) return say(ngettext("%(n)s minute ago", "%(n)s minutes ago", minutes), { n: minutes });
  const hours = Math.floor(minutes / 60);
  return say(ngettext("%(n)s hour ago", "%(n)s hours ago", hours), { n: hours });
}

function build(tile) {
  const address = `/labs/${tile.id}/`;
  const box = el("input", { type: "checkbox", name: "copy", value: tile.id });
  const node = el("article", { class: "tile", "data-lab": tile.id },
    el("header", {}, el("h2", {}, el("a", { href: address }, tile.student)), el("span", { class: "pill" })),
    el("div", { class: "pictures" }, el("canvas", { class: "strip", role: "img", "aria-label": say(gettext("CPU timeline of %(name)s"), { name: tile.student }) }), el("canvas", { class: "map", role: "img", "aria-label": say(gettext("Memory of %(name)s"), { name: tile.student }) })),
    el("dl", {}, line("state", gettext("State")), line("goals", gettext("Goals")), line("active", gettext("Last activity")), line("points", gettext("Handed in"))),
    el("footer", {}, el("a", { class: "button", href: address }, gettext("Open")), el("a", { class: "button quiet", href: `${address}?drive=1` }, gettext("Drive")), el("label", {}, box, gettext("choose"))),
    el("p", { class: "outcome", hidden: true, role: "status" }),
  );
  box.onchange = () => {
    if (box.checked) chosen.add(tile.id);
    else chosen.delete(tile.id);
    tellChosen();
  };
  return node;
}

const line = (name, title) => el("div", {}, el("dt", {}, title), el("dd", { "data-of": name }));

function draw(node, tile) {
  node.dataset.need = tile.need;
  const minutes = Math.floor(tile.quiet_s / 60);
  const stuck = tile.need === "stuck" ? say(ngettext("stuck for %(n)s minute", "stuck for %(n)s minutes", minutes), { n: minutes }) : NEEDS[tile.need]();
  write($(".pill", node), stuck);
  attributes($(".pill", node), { class: tile.need === "stuck" ? "pill bad" : "pill" });
  const here = tile.viewers ? ` · ${say(ngettext("%(n)s here", "%(n)s here", tile.viewers), { n: tile.viewers })}` : "";
  write($("[data-of=state]", node), `${STATES[tile.status]?.() ?? tile.status}, ${tile.tick.toLocaleString()}${here}`);
  write($("[data-of=active]", node), tile.begun ? ago(tile.quiet_s) : gettext("none yet"));
  const points = tile.points === null ? "" : ` · ${tile.points} / ${tile.most}`;
  write($("[data-of=points]", node), tile.handed_in ? say(ngettext("%(n)s time", "%(n)s times", tile.handed_in), { n: tile.handed_in }) + points : "–");
  goals($("[data-of=goals]", node), tile.goals);
  attributes($(".pictures", node), { "data-none": tile.picture ? null : STATES.asleep() });
  if (tile.picture) {
    paintStrip($(".strip", node), tile.picture.strip.lanes);
    paintMap($(".map", node), tile.picture.map);
  }
}

const write = (node, text) => node.textContent !== text && (node.textContent = text);

function goals(node, list) {
  const key = list.map((goal) => (goal.met ? 1 : 0)).join("");
  if (node.dataset.key === key) return;
  node.dataset.key = key;
  const met = list.filter((goal) => goal.met).length;
  const boxes = list.map((goal) => el("i", { class: goal.met ? "is-met" : null, title: goal.text }));
  const words = el("span", { class: "sr" }, say(gettext("%(met)s of %(all)s met"), { met, all: list.length }));
  node.replaceChildren(list.length ? el("span", { class: "ticks" }, ...boxes, words) : "–");
}

let palette = null;
const COLOURS = 8;

/** The letters' colours, of the theme that is seen. */
function colours() {
  if (palette) return palette;
  const probe = document.body.appendChild(el("span", { hidden: true }));
  palette = { ".": null };
  const resolve = (name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  for (let n = 0; n < COLOURS; n++) palette[n] = resolve(`vm-${n}`);
  palette["#"] = resolve("overhead");
  probe.remove();
  return palette;
}

function cells(canvas, width, height, word, at) {
  const key = `${width}x${height}:${word}:${document.documentElement.dataset.theme ?? ""}`;
  if (canvas.dataset.key === key) return;
  canvas.dataset.key = key;
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const colour = colours();
  for (let n = 0; n < word.length; n++) {
    if (!colour[word[n]]) continue;
    context.fillStyle = colour[word[n]];
    context.fillRect(...at(n));
  }
}

const LANE = 4;
const GAP = 1;
function paintStrip(canvas, lanes) {
  const wide = lanes[0]?.length ?? 1;
  const high = Math.max(1, lanes.length) * (LANE + GAP) - GAP;
  cells(canvas, wide, high, lanes.join(""), (n) => [n % wide, Math.floor(n / wide) * (LANE + GAP), 1, LANE]);
}

const SIDE = 16;
function paintMap(canvas, word) {
  cells(canvas, SIDE, Math.max(1, Math.ceil(word.length / SIDE)), word, (n) => [n % SIDE, Math.floor(n / SIDE), 1, 1]);
}

/** Bring the wall up to date; in the order of need, but for a tile that has the focus. */
function show(list) {
  const there = new Set(list.map((tile) => tile.id));
  for (const [id, node] of tiles) {
    if (there.has(id)) continue;
    node.remove();
    tiles.delete(id);
    chosen.delete(id);
  }
  list.forEach((tile, at) => {
    let node = tiles.get(tile.id);
    if (!node) tiles.set(tile.id, (node = build(tile)));
    draw(node, tile);
    const place = wall.children[at];
    if (place !== node && !wall.contains(document.activeElement)) wall.insertBefore(node, place ?? null);
    else if (!node.isConnected) wall.append(node);
  });
  $("#nobody").hidden = list.length > 0;
  const counts = Object.keys(NEEDS).map((need) => [need, list.filter((tile) => tile.need === need).length]);
  write($("#counts"), counts.filter(([, n]) => n).map(([need, n]) => `${n} ${NEEDS[need]()}`).join(" · "));
  tellChosen();
}

function tellChosen() {
  const words = chosen.size
    ? say(ngettext("to %(n)s copy that is chosen", "to %(n)s copies that are chosen", chosen.size), { n: chosen.size })
    : say(ngettext("to %(n)s copy", "to all %(n)s copies", tiles.size), { n: tiles.size });
  for (const node of document.querySelectorAll(".chosen")) write(node, words);
}

const query = new URLSearchParams({ stuck: config.stuck, ...(config.assignment ? { assignment: config.assignment } : {}) });

async function ask() {
  try {
    const answer = await fetch(`${config.state}?${query}`, { headers: { Accept: "application/json" } });
    if (answer.ok) show((latest = (await answer.json()).tiles));
    else if (answer.status === 403 || answer.status === 404) return location.reload();
  } catch {
    // The server may be starting again: the next round tells.
  }
  setTimeout(again, PACE_MS);
}

/** Nobody looks at a hidden page: it asks again when it is seen. */
function again() {
  if (!document.hidden) return ask();
  document.addEventListener("visibilitychange", ask, { once: true });
}

// --- to all ----------------------------------------------------------------------------------

function sent(form) {
  const body = new FormData();
  body.set("csrfmiddlewaretoken", $("[name=csrfmiddlewaretoken]", form).value);
  if (config.assignment) body.set("assignment", config.assignment);
  for (const id of chosen) body.append("copy", id);
  return body;
}

/** POST, and show each copy's outcome on its tile; a refusal stands beside the field. */
async function send(form, address, body) {
  const button = $("button.primary", form);
  for (const node of form.querySelectorAll(".refusal")) write(node, "");
  button.disabled = true;
  let answer;
  try {
    const response = await fetch(address, { method: "POST", body });
    answer = await response.json();
  } catch {
    answer = { message: gettext("The server did not answer. Try again."), field: "" };
  }
  button.disabled = false;
  if (answer.outcomes) {
    outcomes(answer);
    return answer;
  }
  const field = answer.field ?? "";
  const place = form.querySelector(`[data-error-for="command.${CSS.escape(field)}"]`) ?? form.querySelector(`[data-error-for="${CSS.escape(field)}"]`) ?? form.querySelector(".refusal");
  write(place, answer.message);
  return null;
}

function outcomes({ done, outcomes: list }) {
  const refused = Object.values(list).filter((each) => !each.ok).length;
  const all = Object.keys(list).length;
  for (const [id, { ok, message }] of Object.entries(list)) {
    const node = tiles.get(id) && $(".outcome", tiles.get(id));
    if (!node) continue;
    node.hidden = false;
    attributes(node, { class: ok ? "outcome" : "outcome bad" });
    node.replaceChildren(icon(ok ? "ok" : "cross"), ` ${ok ? message || (done ? gettext("done") : gettext("would take it")) : message}`);
  }
  const words = done
    ? say(gettext("Done in %(n)s of %(all)s copies."), { n: all - refused, all })
    : say(gettext("Nothing was changed: %(n)s of %(all)s copies refuse it. Untick the box to change the others."), { n: refused, all });
  write($("#outcome"), words);
}

const message = $("#message");
message.onsubmit = async (event) => {
  event.preventDefault();
  const body = sent(message);
  body.set("text", message.elements.text.value);
  if (await send(message, config.message, body)) message.elements.text.value = "";
};

const broadcast = $("#broadcast");
const TICKS = [{ name: "ticks_per_s", kind: "number", optional: false, low: 0, initial: 200 }];
const MOTION = [["play", []], ["pause", []], ["speed", TICKS]];
const VERBS = { play: () => gettext("Play"), pause: () => gettext("Pause"), speed: () => gettext("Speed") };
const knobs = new Map([...knobsOf(schemas), ...MOTION]);
const type = $("#broadcast-type");
type.append(...[...knobs.keys()].map((name) => el("option", { value: name }, VERBS[name]?.() ?? verbOf(name))));
type.onchange = () => {
  const fields = knobs.get(type.value) ?? [];
  $(".broadcast-fields").replaceChildren(...fields.map((field) => {
    const label = inputOf(field, { meta: names }, "command");
    label.classList.add("entry");
    return label;
  }));
  write($(".description", broadcast), schemas[type.value]?.description ?? "");
};
if (knobs.has("set_weight")) type.value = "set_weight";
type.onchange();

/** The command of the form: what is left empty is null, numbers are numbers. */
function commandOf() {
  const command = { type: type.value };
  for (const field of knobs.get(type.value) ?? []) {
    const input = broadcast.elements[`command.${field.name}`];
    if (field.kind === "flag") command[field.name] = input.checked;
    else if (input.value === "") command[field.name] = null;
    else command[field.name] = field.kind === "number" ? Number(input.value) : input.value;
  }
  return command;
}

broadcast.onsubmit = (event) => {
  event.preventDefault();
  const body = sent(broadcast);
  body.set("command", JSON.stringify(commandOf()));
  if ($("#all-or-none").checked) body.set("all_or_none", "1");
  send(broadcast, config.broadcast, body);
};

function repaint() {
  palette = null;
  for (const canvas of wall.querySelectorAll("canvas")) delete canvas.dataset.key;
  show(latest);
}
new MutationObserver(repaint).observe(document.documentElement, { attributeFilter: ["data-theme"] });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);

show(latest);
setTimeout(again, PACE_MS);
