// The tree: host, its VMs and their vCPUs, its devices. Only the rows in sight exist, so that
// 4,096 VMs cost what forty do; the tree itself has the focus and names its active row.
import { sizeOf } from "../colours.js";
import { $, badge, dot, el, mark, write } from "../elements.js";
import { choose, chosenNumber, onChoice } from "../layout.js";
import { POWER, RUN_STATES } from "../model.js";
import { compact, count, say, size } from "../scales.js";

export const title = () => gettext("Machine");

export const pace = 100;
const SPARE = 6; // rows above and below what is in sight
const open = new Set(["host", "devices"]);
let element, tree, rowsBox, model, socket;
let rows = []; // {id, level, row, kind}
let active = "host";
let structure = "";
let rowHeight = 26;
let top = 0; // of the scrolled tree

/** Words for a run state or a power state. */
export function stateWord(state) {
  const words = {
    running: gettext("running"), runnable: gettext("runnable"), blocked: gettext("blocked"), offline: gettext("offline"),
    off: gettext("not started"), on: gettext("on"), paused: gettext("paused"), stopped: gettext("stopped"),
    crashed: gettext("crashed"), ended: gettext("ended"),
  };
  return words[state] ?? state;
}

/** Wire the tree, the power verbs and the chosen VM's controls. */
export function mount(theElement, theModel, theSocket) {
  [element, model, socket] = [theElement, theModel, theSocket];
  tree = $("[role=tree]", element);
  rowsBox = tree.appendChild(el("div", { class: "rows", role: "presentation" }));
  tree.addEventListener("scroll", () => {
    top = tree.scrollTop;
    render();
  });
  tree.addEventListener("click", click);
  tree.addEventListener("keydown", key);
  const vm = chosenNumber("vm");
  if (vm !== null) active = `vm${vm}`;
  onChoice((changes) => {
    if (!("vm" in changes) || changes.vm === null) return;
    active = `vm${changes.vm}`;
    if (model.version) draw(model, true);
  });
}

/** Refresh the rows in sight, the verbs and the inspector. */
export function draw(theModel, all) {
  model = theModel;
  const key = `${model.meta.vms.length}|${model.meta.devices.length}|${[...open]}`;
  if (all || key !== structure) {
    structure = key;
    rowHeight = parseFloat(getComputedStyle(tree).getPropertyValue("--row")) || 26;
    layOut();
  }
  render();
  verbs();
  inspector();
}

function layOut() {
  rows = [{ id: "host", level: 1, kind: "host", row: 0 }];
  const put = (id, level, kind, row) => rows.push({ id, level, kind, row });
  if (open.has("host")) {
    model.meta.vms.forEach((vm, row) => {
      put(`vm${row}`, 2, "vm", row);
      if (open.has(`vm${row}`)) vm.vcpus.forEach((vcpu) => put(`vcpu${vcpu}`, 3, "vcpu", vcpu));
    });
  }
  put("devices", 1, "devices", 0);
  if (open.has("devices")) model.meta.devices.forEach((_, row) => put(`device${row}`, 2, "device", row));
  if (!rows.some((row) => row.id === active)) active = "host";
  rowsBox.style.height = `${rows.length * rowHeight}px`;
}

function render() {
  const [, height] = sizeOf(tree);
  const first = Math.max(0, Math.floor(top / rowHeight) - SPARE);
  const last = Math.min(rows.length, Math.ceil((top + height) / rowHeight) + SPARE);
  const wanted = rows.slice(first, last);
  const made = new Map([...rowsBox.children].map((node) => [node.id, node]));
  for (const node of made.values()) if (!wanted.some((row) => `t-${row.id}` === node.id)) node.remove();
  wanted.forEach((row, k) => {
    let node = made.get(`t-${row.id}`);
    if (!node?.isConnected) node = make(row);
    const here = rowsBox.children[k];
    if (here !== node) rowsBox.insertBefore(node, here ?? null);
    const place = `${(first + k) * rowHeight}px`;
    if (node.style.top !== place) node.style.top = place;
    refresh(node, row);
  });
  mark(tree, "aria-activedescendant", `t-${active}`);
}

const expandable = (row) => row.kind === "host" || row.kind === "devices" || row.kind === "vm";

function make(row) {
  const node = el("div", { role: "treeitem", id: `t-${row.id}`, "aria-level": row.level, "data-id": row.id });
  const name = { host: () => [el("b", {}, gettext("Host"))], devices: () => [el("b", {}, gettext("Devices"))],
    vm: () => [badge(model, row.row), el("b", {}, model.meta.vms[row.row].name)],
    vcpu: () => [`vCPU ${model.meta.vcpus[row.row].number}`], device: () => [model.meta.devices[row.row].name] }[row.kind]();
  node.append(...name, el("span"));
  if (row.kind === "vm" || row.kind === "vcpu") node.append(dot("offline", ""));
  node.dataset.vms = model.meta.vms.length;
  return node;
}

function refresh(node, row) {
  if (row.kind === "vm" && node.dataset.vms !== String(model.meta.vms.length)) node.replaceChildren(...make(row).childNodes);
  node.dataset.vms = model.meta.vms.length;
  mark(node, "aria-expanded", expandable(row) ? String(open.has(row.id)) : null);
  mark(node, "aria-selected", row.id === active ? "true" : "false");
  const note = node.querySelector(":scope > span");
  if (row.kind === "host") write(note, hostNote());
  else if (row.kind === "devices") write(note, count(model.meta.devices.length));
  else if (row.kind === "device") write(note, say(gettext("%(n)s queued"), { n: count(model.device.queued?.[row.row] ?? 0) }));
  else if (row.kind === "vm") vmRow(node, note, row.row);
  else vcpuRow(node, note, row.row);
}

const hostNote = () => `${say(ngettext("%(n)s pCPU", "%(n)s pCPUs", model.meta.pcpus), { n: count(model.meta.pcpus) })} · ${size(model.meta.frames * (model.meta.page_kib ?? 4))}`;

/** A VM's state: its power where it is not on, else the liveliest of its vCPUs. */
export function vmState(theModel, row) {
  const power = POWER[theModel.vm.power?.[row] ?? 0];
  if (power !== "on") return power === "off" || power === "stopped" ? "offline" : power;
  const { vcpus } = theModel.meta.vms[row];
  let best = 3;
  let ended = true;
  for (const vcpu of vcpus) {
    best = Math.min(best, theModel.vcpu.state[vcpu]);
    ended &&= Boolean(theModel.vcpu.ended[vcpu]);
  }
  return ended && best === 3 ? "ended" : RUN_STATES[best];
}

function sign(node, state, words) {
  const shape = node.querySelector(".dot");
  mark(shape, "data-state", state);
  mark(shape, "aria-label", words);
  mark(shape, "title", words);
}

function vmRow(node, note, row) {
  const power = POWER[model.vm.power?.[row] ?? 0];
  const { vcpus } = model.meta.vms[row];
  const state = vmState(model, row);
  if (model.meta.vms[row].template) write(note, gettext("template"));
  else write(note, power === "on" ? (state === "ended" ? stateWord("ended") : say(ngettext("%(n)s vCPU", "%(n)s vCPUs", vcpus.length), { n: count(vcpus.length) })) : stateWord(power));
  sign(node, state, power === "on" ? stateWord(state) : stateWord(power));
}

function vcpuRow(node, note, row) {
  const state = model.vcpu.ended?.[row] ? "ended" : RUN_STATES[model.vcpu.state?.[row] ?? 3];
  write(note, state === "running" ? `pCPU ${model.vcpu.pcpu[row]}` : say(gettext("steal %(n)s"), { n: compact(model.vcpu.runnable?.[row] ?? 0) }));
  sign(node, state, stateWord(state));
}

function activate(id, toggle) {
  active = id;
  const row = rows.find((each) => each.id === id);
  if (!row) return;
  if (toggle && expandable(row)) {
    if (open.has(id)) open.delete(id);
    else open.add(id);
  }
  const vm = row.kind === "vm" ? row.row : row.kind === "vcpu" ? model.meta.vcpus[row.row].vm : null;
  if (vm !== null) choose({ vm });
  active = id;
  draw(model);
  scrollTo(id);
}

function scrollTo(id) {
  const top = rows.findIndex((row) => row.id === id) * rowHeight;
  if (top < tree.scrollTop) tree.scrollTop = top;
  else if (top + rowHeight > tree.scrollTop + tree.clientHeight) tree.scrollTop = top + rowHeight - tree.clientHeight;
}

function click(event) {
  const item = event.target.closest("[role=treeitem]");
  if (!item) return;
  const again = item.dataset.id === active;
  const onArrow = event.clientX - item.getBoundingClientRect().left < 26;
  activate(item.dataset.id, again || onArrow);
}

function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const k = rows.findIndex((row) => row.id === active);
  const row = rows[k];
  const moves = { ArrowDown: k + 1, ArrowUp: k - 1, Home: 0, End: rows.length - 1 };
  if (event.key in moves) activate(rows[Math.max(0, Math.min(rows.length - 1, moves[event.key]))].id, false);
  else if (event.key === "ArrowRight" && expandable(row)) open.has(row.id) ? activate((rows[k + 1] ?? row).id, false) : activate(row.id, true);
  else if (event.key === "ArrowLeft") leftFrom(k);
  else if (event.key === "Enter" || event.key === " ") activate(row.id, true);
  else return;
  event.preventDefault();
  event.stopPropagation();
}

function leftFrom(k) {
  const row = rows[k];
  if (expandable(row) && open.has(row.id)) return activate(row.id, true);
  for (let up = k - 1; up >= 0; up--) if (rows[up].level < row.level) return activate(rows[up].id, false);
}

/** The VM that is chosen now, or null. */
function chosenVm() {
  const row = chosenNumber("vm");
  return row !== null && row < model.meta.vms.length ? row : null;
}

/** Which verbs make sense for the chosen VM. */
function verbs() {
  const row = chosenVm();
  const power = row === null ? "" : POWER[model.vm.power?.[row] ?? 0];
  const may = { start_vm: ["off", "stopped", "crashed"], pause_vm: ["on"], resume_vm: ["paused"], stop_vm: ["on", "paused"] };
  for (const button of element.querySelectorAll(".verbs [data-command]")) {
    const fits = may[button.dataset.command].includes(power);
    mark(button, "data-vm", row === null ? null : model.meta.vms[row].name);
    button.disabled = !socket.may?.steer || !fits;
    const why = !socket.may?.steer ? gettext("only drivers and instructors steer") : row === null ? gettext("choose a VM first") : fits ? model.meta.vms[row].name : say(gettext("%(vm)s is %(state)s"), { vm: model.meta.vms[row].name, state: stateWord(power) });
    mark(button, "title", `${button.dataset.word ?? ""}: ${why}`);
  }
}

/** Weight and time slice of the chosen VM; never under the hands of who is typing. */
function inspector() {
  const box = $(".inspector", element);
  const row = chosenVm();
  box.hidden = row === null;
  if (row === null) return;
  const vm = model.meta.vms[row];
  const head = $("h3", box);
  const key = `${row}|${vm.name}|${model.meta.vms.length}`; // letters change with the names there are
  if (head.dataset.key !== key) {
    head.dataset.key = key;
    head.replaceChildren(badge(model, row), vm.name);
    for (const refusal of box.querySelectorAll(".refusal")) refusal.textContent = "";
  }
  for (const input of box.querySelectorAll("input[name=vm]")) input.value = vm.name;
  fill($("[name=weight]", box), vm.weight);
  const slice = $("[name=ticks]", box);
  fill(slice, vm.time_slice || "");
  mark(slice, "placeholder", String(model.meta.scheduler?.time_slice ?? ""));
  write($(".facts", box), facts(row));
}

function fill(input, value) {
  const text = String(value);
  if (document.activeElement === input || input.getAttribute("aria-invalid") === "true" || input.dataset.was === text) return;
  input.dataset.was = text;
  input.value = text;
}

function facts(row) {
  const { vcpus, kind, pages } = model.meta.vms[row];
  let run = 0;
  let steal = 0;
  for (const v of vcpus) {
    run += model.vcpu.run?.[v] ?? 0;
    steal += model.vcpu.runnable?.[v] ?? 0;
  }
  const word = { vm: gettext("VM"), container: gettext("container"), microvm: gettext("microVM") }[kind] ?? kind;
  const values = { kind: word, run: compact(run), steal: compact(steal), resident: compact(model.vm.resident?.[row] ?? 0), pages: compact(pages) };
  return say(gettext("%(kind)s · ran %(run)s · steal %(steal)s · %(resident)s of %(pages)s pages resident"), values);
}
