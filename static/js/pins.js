// What stands on the panels beside what they draw: who looks at them, pointers that are shared, and
// notes at the objects they are about.
import { $, el, keep, mark, svg, write } from "./elements.js";
import { colourFor, initials } from "./presence.js";
import { say } from "./scales.js";

const FACES = 3;
const MOST_NOTES = 24;

/** Refresh one panel; `module.spot(target)` says where an object of it is, in pixels of the panel. */
export function placePins(panel, model, me) {
  const { element, module } = panel;
  if (!element.classList.contains("panel") || !model.people) return;
  const others = model.people.filter(({ id }) => id !== me);
  here(element, others.filter((person) => person.panel === element.dataset.panel));
  headNotes(element, aboutPanel(model, element.dataset.panel));
  const pointing = others.filter(({ pointer }) => pointer?.panel === element.dataset.panel);
  const notes = module.spot ? notesOf(model, module) : [];
  if (!pointing.length && !notes.length && !element.pins) return;
  const pins = (element.pins ??= layer(element));
  const box = element.getBoundingClientRect();
  keep(pins.children[0], pointing, pointer, (node, person) => placePointer(node, person, module, box));
  keep(pins.children[1], notes, pin, placePin);
}

function layer(element) {
  const pins = el("div", { class: "pins" }, el("div", { "aria-hidden": "true" }), el("div"));
  element.append(pins);
  return pins;
}

function here(element, people) {
  let list = $(":scope > header > .here", element);
  if (!list) {
    if (!people.length) return;
    list = el("p", { class: "here", role: "img" });
    $(":scope > header > .tools", element)?.before(list);
  }
  list.hidden = !people.length;
  const words = say(gettext("Looking here: %(names)s"), { names: people.slice(0, 12).map(({ name }) => name).join(", ") });
  if (list.getAttribute("aria-label") === words && !list.hidden) return;
  mark(list, "aria-label", words);
  mark(list, "title", words);
  const faces = people.slice(0, people.length > FACES ? FACES - 1 : FACES);
  const more = people.length - faces.length;
  list.replaceChildren(...faces.map(({ id, name }) => el("i", { class: "face", "data-person": colourFor(id) }, initials(name))), ...(more ? [el("i", { class: "face" }, `+${more}`)] : []));
}

/** Objects that have no place on a canvas stand at the head of the panel that shows them. */
const HEADS = { memory: "vm:", devices: "device:", timeline: "vcpu:" };

function aboutPanel(model, name) {
  const own = `panel:${name}`;
  return model.chat.filter(({ target }) => target && (target === own || (HEADS[name] && target.startsWith(HEADS[name]))));
}

/** How many notes are about this panel as a whole, and the way to them. */
function headNotes(element, notes) {
  let button = $(":scope > header > .head-notes", element);
  if (!button) {
    if (!notes.length) return;
    button = el("button", { type: "button", class: "head-notes" }, svg("svg", { "aria-hidden": "true" }, svg("use", { href: "#i-pin" })), el("span"));
    $(":scope > header > .tools", element)?.before(button);
  }
  button.hidden = !notes.length;
  write(button.lastChild, String(notes.length));
  const words = notes.slice(-6).map(({ name, text }) => `${name}: ${text}`).join("\n");
  mark(button, "title", words);
  mark(button, "aria-label", say(ngettext("%(n)s note: %(text)s", "%(n)s notes: %(text)s", notes.length), { n: notes.length, text: words.slice(0, 300) }));
  button.onclick = () => document.dispatchEvent(new CustomEvent("talk", { detail: { targets: [...new Set(notes.map(({ target }) => target))] } }));
}

const pointer = () => el("div", { class: "pointer" }, svg("svg", { viewBox: "0 0 14 14" }, svg("path", { d: "M1 1l11 5-5 1.500L5 12.500z" })), el("span"));

function placePointer(node, person, module, box) {
  const { x, y, what } = person.pointer;
  const place = (what && module.spot?.(what)) || { x: x * box.width, y: y * box.height };
  mark(node, "data-person", colourFor(person.id));
  node.style.transform = `translate(${Math.round(place.x)}px, ${Math.round(place.y)}px)`;
  write(node.lastChild, person.name);
}

/** Notes about objects of this panel that are in sight, one pin for all of one object. */
function notesOf(model, module) {
  const pins = new Map();
  for (const note of model.chat) {
    if (!note.target || (note.run !== null && note.run !== model.state.run)) continue;
    const there = pins.get(note.target);
    if (there) there.notes.push(note);
    else if (pins.size < MOST_NOTES) {
      const spot = module.spot(note.target);
      if (spot) pins.set(note.target, { target: note.target, spot, notes: [note] });
    }
  }
  return [...pins.values()];
}

const pin = () => el("button", { type: "button", class: "pin" }, svg("svg", { "aria-hidden": "true" }, svg("use", { href: "#i-pin" })));

function placePin(node, { target, spot, notes }) {
  const words = notes.map(({ name, text }) => `${name}: ${text}`).join("\n");
  mark(node, "title", words);
  mark(node, "aria-label", say(gettext("Note: %(text)s"), { text: words.slice(0, 300) }));
  node.style.transform = `translate(${Math.round(spot.x)}px, ${Math.round(spot.y)}px)`;
  node.onclick = () => document.dispatchEvent(new CustomEvent("talk", { detail: { targets: [target] } }));
}
