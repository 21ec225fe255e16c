// Where this reader looks, told to the others; whom they follow; their pointer, if they share it.
//
// All of it goes at most twice a second, and nothing goes that has not changed.
import { $, $$ } from "./elements.js";
import { choose, chosen, chosenNumber, onChoice } from "./layout.js";

const PACE_MS = 500;
const SHARE_KEY = "vmlab-pointer";

/** @typedef {{panel: string, tick: number|null, vm: number|null, max: string}} Place */

/**
 * @param {import("./model.js").Model} model
 * @param {{send: function, status: string, me: string, looker?: object}} socket
 */
export function createPresence(model, socket, modules, { later = (act, ms) => setTimeout(act, ms), now = () => performance.now() } = {}) {
  return new Presence(model, socket, modules, later, now);
}

class Presence {
  constructor(model, socket, modules, later, now) {
    Object.assign(this, { model, socket, modules, later, now });
    this.panel = "";
    this.pointer = null;
    this.told = { at: "", point: "null" };
    this.sentAt = -PACE_MS;
    this.waiting = false;
    this.led = "";
    /** Whether the others see my pointer: my own choice, for this browser. */
    this.shares = safely(() => localStorage.getItem(SHARE_KEY) === "1");
  }

  /** Listen to where the reader is. */
  wire() {
    for (const kind of ["pointerdown", "focusin", "pointerover"]) {
      addEventListener(kind, ({ target }) => this.on(target.closest?.("main .panel, .tree, .timebar")?.dataset.panel), { passive: true });
    }
    addEventListener("pointermove", (event) => this.points(event), { passive: true });
    document.addEventListener("pointerleave", () => this.points(null));
    onChoice(() => this.tell());
  }

  on(panel) {
    if (panel && panel !== this.panel) {
      this.panel = panel;
      this.tell();
    }
  }

  points(event) {
    if (!this.shares) return;
    const element = event?.target.closest?.("main .panel");
    if (!element) this.pointer = null;
    else {
      const box = element.getBoundingClientRect();
      const part = (value) => Math.max(0, Math.min(1, Math.round(value * 1000) / 1000));
      const what = this.modules[element.dataset.panel]?.objectAt?.(event) ?? "";
      this.pointer = { panel: element.dataset.panel, x: part((event.clientX - box.left) / box.width), y: part((event.clientY - box.top) / box.height), what };
    }
    this.tell();
  }

  share(on) {
    this.shares = on;
    safely(() => localStorage.setItem(SHARE_KEY, on ? "1" : "0"));
    if (!on) this.pointer = null;
    this.tell();
  }

  /** @returns {Place} */
  place() {
    const { past, tick } = this.model.state;
    const vm = chosenNumber("vm");
    return { panel: this.panel, tick: past ? tick : null, vm, max: chosen("max") ?? "" };
  }

  /** Tell soon what is new; called whenever something may be. */
  tell() {
    if (this.waiting || this.socket.status !== "open" || !this.isNew()) return;
    this.waiting = true;
    this.later(() => this.send(), Math.max(0, PACE_MS - (this.now() - this.sentAt)));
  }

  isNew() {
    return JSON.stringify(this.place()) !== this.told.at || JSON.stringify(this.pointer) !== this.told.point;
  }

  send() {
    this.waiting = false;
    if (this.socket.status !== "open") return;
    this.sentAt = this.now();
    const [at, point] = [JSON.stringify(this.place()), JSON.stringify(this.pointer)];
    if (at !== this.told.at) this.socket.send({ type: "at", ...this.place() });
    if (point !== this.told.point) this.socket.send({ type: "point", ...(this.pointer ?? { panel: null }) });
    this.told = { at, point };
  }

  /** A new connection knows nothing of this page. */
  reconnected() {
    this.told = { at: "", point: "null" };
    this.led = "";
    if (this.following) this.socket.send({ type: "follow", who: this.following });
    this.tell();
  }

  // --- following ----------------------------------------------------------------------------------

  /** Who is followed by this page, null for nobody. */
  get leader() {
    const me = this.model.people.find(({ id }) => id === this.socket.me);
    return this.model.people.find(({ id }) => id === me?.following) ?? null;
  }

  async follow(who) {
    this.following = who;
    this.led = "";
    return this.socket.send({ type: "follow", who });
  }

  /** Go where the leader is, each time they go somewhere. */
  keepUp() {
    const { leader } = this;
    this.following = leader?.id ?? null;
    if (!leader) return;
    const key = JSON.stringify([leader.id, leader.panel, leader.tick, leader.vm, leader.max]);
    if (key === this.led) return;
    this.led = key;
    const panel = $$("main .panel").find((each) => each.dataset.panel === leader.panel);
    const changes = { max: leader.max || null };
    if (leader.vm !== null) changes.vm = leader.vm;
    if (panel) changes.tab = panel.dataset.tab;
    choose(changes);
    if (panel && !leader.max) panel.scrollIntoView({ block: "nearest" });
    this.goTo(leader.tick);
  }

  goTo(tick) {
    const { past, tick: seen } = this.model.state;
    const { looker } = this.socket;
    if (tick === null && (past || typeof looker.wish === "number")) looker.live();
    else if (tick !== null && looker.at(this.model.state) !== tick) looker.look(tick);
    else if (tick !== null && !past && seen === tick) looker.look(tick);
  }
}

/** Storage may be forbidden. */
function safely(act) {
  try {
    return act();
  } catch {
    return null;
  }
}

/** How many letters stand for somebody: two. */
export function initials(name) {
  const words = name.trim().split(/[\s._-]+/).filter(Boolean);
  const letters = words.length > 1 ? [...words[0]][0] + [...words.at(-1)][0] : [...(words[0] ?? "?")].slice(0, 2).join("");
  return letters.toLocaleUpperCase();
}

/** One of six colours for somebody, always beside their letters. */
export function colourFor(id) {
  let sum = 0;
  for (const letter of id) sum = (sum * 31 + letter.codePointAt(0)) % 9973;
  return sum % 6;
}

/** The menus of the bar are closed by a press elsewhere. */
export function closesOutside(details) {
  addEventListener("pointerdown", ({ target }) => details.open && !details.contains(target) && (details.open = false));
  details.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !details.open) return;
    event.stopPropagation();
    details.open = false;
    $("summary", details).focus();
  });
}
