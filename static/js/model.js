// The browser's picture of the machine: one plain object, written by wire.js, read by the panels.
//
// Nothing is predicted and nothing is kept twice: what stands here is what the server sent last,
// and a control changes nothing here by itself.

/** Samples kept for the charts, events and journal rows kept for the logs. */
export const HISTORY = 600;
export const EVENTS = 500;
export const JOURNAL = 5000;

/** Flags of a frame, in bits 16 and above of `model.frames[f]`; the low 16 are owner row + 1. */
export const FRAME = Object.freeze({ OWNER: 0xffff, ACCESSED: 1 << 16, DIRTY: 2 << 16, SHARED: 4 << 16, WRITABLE: 8 << 16 });

/** Flags of a page table entry in `model.pages.pte[g]`; the low 24 bits are the frame. */
export const PTE = Object.freeze({
  FRAME: 0xffffff, PRESENT: 1 << 24, WRITABLE: 1 << 25, ACCESSED: 1 << 26, DIRTY: 1 << 27, SHARED: 1 << 28, SWAPPED: 1 << 29,
});

/** vcpu.state and vm.power by number; the words a user reads are the panels'. */
export const RUN_STATES = Object.freeze(["running", "runnable", "blocked", "offline"]);
export const POWER = Object.freeze(["off", "on", "paused", "stopped", "crashed"]);

/**
 * @typedef {object} Slice   One stay of a vCPU on a pCPU.
 * @property {number} from      tick it began
 * @property {number} to        tick after its last one
 * @property {number} vcpu      row
 * @property {number} overhead  ticks of it that were overhead
 * @property {number} busy      ticks that slices filled: all of it but for a bar, see merged
 * @property {string|null} why  a name of `model.meta.slice_ends`, null for a bar
 * @property {number} merged    1 = exactly this slice; n > 1 = a bar that stands for n slices of a
 *                              machine running flat out, with the vCPU of the longest of them
 */

/**
 * @typedef {object} Event
 * @property {number} tick
 * @property {string} kind   a name of `model.meta.events`
 * @property {number} pcpu   row, -1 none
 * @property {number} vcpu   row, -1 none (the host)
 * @property {number} a      meaning depends on the kind: vms/engine/tables.py
 * @property {number} b
 * @property {string} name   name of the vCPU, "" for none
 */

/**
 * @typedef {object} Model
 * @property {number} version    grows with every sample; 0 = nothing has come yet
 * @property {object} meta       what only a command changes: names, sizes, policies, costs
 * @property {State} state
 * @property {Object<string, Float64Array|Int32Array>} pcpu     columns, one entry per row
 * @property {Object<string, Float64Array|Int32Array>} vcpu
 * @property {Object<string, Float64Array|Int32Array>} vm
 * @property {Object<string, Float64Array|Int32Array>} device
 * @property {Object<string, Float64Array|Int32Array>} vdevice
 * @property {Int32Array} queue          waiting vCPUs, head first
 * @property {Slice[][]} slices          per pCPU, oldest first
 * @property {number} slicesFrom         from this tick on every slice is there, none merged
 * @property {Uint32Array} frames        owner and flags of each frame, see FRAME
 * @property {Uint8Array|null} heat      255 = referenced just now; only while it is wanted
 * @property {{vm: number, pte: Uint32Array}|null} pages   page table of the VM that is watched
 * @property {object} history            columns of equal length, one entry per sample
 * @property {Event[]} events            newest last
 * @property {number} eventsLost         events that were not sent since the page was opened
 * @property {object[]} journal          {sequence, tick, user, name, command, arguments, accepted, sentence, at}
 * @property {Object<string, {holds: boolean, broken_at: number|null}>} laws
 * @property {Person[]} people           who is in the lab, whatever run and tick they look at
 * @property {Driving} driving           who drives
 * @property {Remark[]} chat             what was said: the last of it, and all notes
 * @property {object|null} round         the prediction round that is on: vms/live/room/rounds.py
 * @property {{checkpoints: number[], can_undo: string|null, can_redo: string|null}} timebar
 * @property {RunLine[]} runs            the tree of the lab's runs
 * @property {object|null} figures      who ran while each VM waited, and how long who wakes waits: vms/live/wire/figures.py
 * @property {object[]} jobs             storage jobs under way: {kind, vm, kib, done_kib, since}
 * @property {{heat: boolean}} want      what the panels ask for; told to the server by the socket
 * @property {Changes} changed           what changed since the panels were last drawn
 */

/**
 * @typedef {object} State      How the run is doing that is looked at.
 * @property {number} tick      the tick that is shown
 * @property {string} status    playing, paused, ended, stalled, crashed
 * @property {string} message
 * @property {number} speed
 * @property {number} rate
 * @property {number} behind_ms
 * @property {number} [per_s] samples a second that the server has room for: 20, or 5
 * @property {number} viewers
 * @property {number} run       number of the run
 * @property {boolean} past     this viewer looks at another tick than the run's
 * @property {{tick: number, status: string}|null} live   the run itself, while past
 * @property {{kind: string, text: string, from: number, to: number|null, done: number|null}|null} goal
 * @property {number} first     the lowest tick that can be looked at
 * @property {number} last      the highest: the run's own
 *
 * @typedef {object} RunLine
 * @property {number} number
 * @property {string} name
 * @property {number|null} parent       number of the run it was forked from
 * @property {number|null} fork_tick
 * @property {string} origin            start, reset, fork, undo, import
 * @property {number} tick
 * @property {string} status
 * @property {boolean} current          the one the lab shows as live
 * @property {string} note
 * @property {boolean} [deleted]
 */

/**
 * @typedef {object} Person
 * @property {string} id        the same in all their tabs
 * @property {string} name
 * @property {string} role      instructor, driver, observer, auditor, muted, visitor
 * @property {boolean} driver   has the wheel, or gave the last command
 * @property {boolean} muted
 * @property {string} panel     what they did something in last
 * @property {string} max       the panel they maximised, "" for none
 * @property {number|null} tick   they look at; null: the run as it is
 * @property {number|null} vm   row of the VM they chose
 * @property {number|null} run  number of the run they came for; null: the lab's own
 * @property {{panel: string, x: number, y: number, what: string}|null} pointer
 * @property {string|null} following   id of whom they follow
 *
 * @typedef {object} Driving
 * @property {string} mode      open: every driver steers; token: who has the wheel
 * @property {{id: string, name: string}|null} holder
 * @property {{id: string, name: string}[]} requests
 * @property {number|null} grace   seconds that a holder who is away had at first
 *
 * @typedef {object} Remark
 * @property {number} id
 * @property {string} kind      chat, note, broadcast
 * @property {number|null} run
 * @property {number|null} tick
 * @property {string} target    vm:web, page:web/3, frame:120, slice:0@1200, device:disk0, panel:log
 * @property {string} text
 * @property {string} by        id of who said it
 * @property {string} name
 * @property {number} at        Unix seconds
 * @property {boolean} edited
 */

/**
 * @typedef {object} Changes
 * @property {boolean} any
 * @property {boolean} meta
 * @property {boolean} queue
 * @property {true|Uint32Array[]} frames   true = all of them, else lists of changed frames
 * @property {true|Uint32Array[]} pages    the same for the pages of the watched VM
 * @property {boolean} heat
 * @property {boolean} events
 * @property {boolean} journal
 * @property {boolean} people
 * @property {boolean} driving
 * @property {boolean} chat
 * @property {boolean} round
 * @property {boolean} laws
 * @property {boolean} timebar
 * @property {boolean} runs
 * @property {boolean} goals
 */

/** @returns {Changes} */
export function nothingChanged() {
  return {
    any: false, meta: false, queue: false, frames: [], pages: [], heat: false,
    events: false, journal: false, people: false, driving: false, chat: false, round: false, laws: false, timebar: false, runs: false, goals: false,
  };
}

/** @returns {object} empty columns of the charts */
export function emptyHistory() {
  return { tick: [], share: [], steal: [], minor: [], major: [], io_p50: [], io_p99: [], overhead: [], idle: [], wake_p50: [], wake_p99: [], jain: [], vm_minor: [], vm_major: [], vm_cow: [], vm_guest: [] };
}

/** @returns {Model} a picture of nothing, until the first snapshot has come */
export function createModel() {
  return {
    version: 0,
    meta: { vms: [], vcpus: [], devices: [], vdevices: [], events: [], slice_ends: [], pcpus: 0, frames: 0 },
    state: { tick: 0, status: "paused", message: "", speed: 0, rate: 0, behind_ms: 0, viewers: 0, run: 0, past: false, live: null, goal: null, first: 0, last: 0 },
    pcpu: {}, vcpu: {}, vm: {}, device: {}, vdevice: {},
    queue: new Int32Array(0),
    slices: [],
    slicesFrom: 0,
    frames: new Uint32Array(0),
    heat: null,
    pages: null,
    history: emptyHistory(),
    events: [],
    eventsLost: 0,
    journal: [],
    laws: {},
    people: [],
    driving: { mode: "open", holder: null, requests: [], grace: null },
    chat: [],
    round: null,
    timebar: { checkpoints: [], can_undo: null, can_redo: null },
    runs: [],
    goals: [],
    jobs: [],
    figures: null,
    overcommit: null,
    want: { heat: false },
    changed: nothingChanged(),
  };
}

/** The run itself, whatever tick is shown: its tick and status. @param {Model} model */
export function liveOf({ state }) {
  return state.past && state.live ? state.live : { tick: state.tick, status: state.status };
}

/** Forget what changed: called by paint.js once all panels have drawn it. @param {Model} model */
export function drawn(model) {
  model.changed = nothingChanged();
}
