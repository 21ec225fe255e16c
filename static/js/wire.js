// Samples → model: the twin of vms/live/wire. A message is a header of 16 bytes and a body of blocks;
// a block is a JSON document or the typed columns of one table, as the schema names them, which
// comes with every snapshot. A delta is applied only onto the version it was made from.
import { emptyHistory, EVENTS, HISTORY, JOURNAL } from "./model.js";

const HEADER = 16;
const SNAPSHOT = 2;
const COMPRESSED = 1;
const [REPLACE, UPDATE, APPEND] = [0, 1, 2];
const LAB = 0;
const PAGES = 16;
/** Slices kept per lab; a pCPU keeps its part of them, doubled before the older half is let go. */
const SLICES = 32768;

const ARRAYS = {
  f8: Float64Array, f4: Float32Array, i4: Int32Array, u4: Uint32Array, u2: Uint16Array, u1: Uint8Array,
};

/** @param {import("./model.js").Model} model */
export function createWire(model) {
  return new Wire(model);
}

class Wire {
  constructor(model) {
    this.model = model;
    /** Row of the VM whose pages are wanted, null for none: what comes late for another is dropped. */
    this.watching = null;
    this.versions = new Map();
    this.tables = new Map();
    this.growing = {};
    /** Tick before which slices were let go of here. */
    this.cutAt = 0;
  }

  /** Forget all versions: another connection begins with snapshots. */
  reset() {
    this.versions.clear();
  }

  /** Want the pages of this VM (a row) from now on, from their snapshot on; null for none. */
  watch(vm) {
    this.watching = vm;
    this.versions.delete(PAGES + vm);
    this.model.pages = null;
  }

  /**
   * Apply one message.
   * @param {ArrayBuffer} buffer
   * @returns {Promise<number|null>} null when applied, else the topic of which a snapshot is needed
   */
  async receive(buffer) {
    const head = new DataView(buffer);
    const kind = head.getUint8(0);
    const topic = head.getUint16(2, true);
    const base = head.getUint32(4, true);
    if (kind !== SNAPSHOT && this.versions.get(topic) !== base) return topic;
    const compressed = head.getUint8(1) & COMPRESSED;
    const body = compressed ? await inflate(new Uint8Array(buffer, HEADER)) : buffer;
    if (topic >= PAGES && topic - PAGES !== this.watching) return null;
    const version = head.getUint32(8, true);
    if (kind === SNAPSHOT && topic === LAB) this.beginAgain();
    this.apply(body, compressed ? 0 : HEADER, topic);
    this.versions.set(topic, version);
    if (topic === LAB) this.model.version = version;
    this.model.changed.any = true;
    return null;
  }

  /** What snapshots append to is emptied; what they replace may stay until it is. */
  beginAgain() {
    const { model } = this;
    this.cutAt = 0;
    model.slices = [];
    model.events = [];
    model.journal = [];
    model.history = emptyHistory();
    Object.assign(model.changed, { events: true, journal: true });
  }

  apply(buffer, offset, topic) {
    const view = new DataView(buffer);
    while (offset < buffer.byteLength) {
      const table = view.getUint16(offset, true);
      const what = view.getUint8(offset + 2);
      const rows = view.getUint32(offset + 4, true);
      const size = view.getUint32(offset + 8, true);
      const width = view.getUint32(offset + 12, true);
      offset += 16;
      if (size > buffer.byteLength - offset) throw new RangeError(`a block of ${size} bytes is cut short`);
      if (table === 0) this.document(JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, offset, rows))));
      else this.block(this.tables.get(table), what, rows, width, buffer, offset, topic);
      offset += size;
    }
    if (topic === LAB) this.grow();
  }

  document({ schema, set = {}, add = {}, put = {}, drop = {} }) {
    const { model } = this;
    if (schema) for (const table of schema) this.tables.set(table.number, table);
    for (const [name, value] of Object.entries(set)) {
      model[name] = value;
      if (name in model.changed) model.changed[name] = true;
    }
    for (const [name, entries] of Object.entries(put)) this.keyed(name, entries, []);
    for (const [name, ids] of Object.entries(drop)) this.keyed(name, [], ids);
    if (set.state) {
      model.slicesFrom = Math.max(set.state.slices_from, this.cutAt);
      model.eventsLost = set.state.events_lost;
    }
    if (add.journal?.length) {
      model.journal = [...model.journal, ...add.journal].slice(-JOURNAL);
      model.changed.journal = true;
    }
  }

  /** A list of things with an id: some are new, or otherwise than before, some are gone. */
  keyed(name, entries, ids) {
    const news = new Map(entries.map((entry) => [entry.id, entry]));
    const gone = new Set(ids);
    const kept = this.model[name].filter(({ id }) => !gone.has(id)).map((entry) => news.get(entry.id) ?? entry);
    for (const { id } of kept) news.delete(id);
    this.model[name] = [...kept, ...news.values()];
    this.model.changed[name] = true;
  }

  block(table, what, rows, width, buffer, offset, topic) {
    let index = null;
    if (what === UPDATE) {
      index = new Uint32Array(buffer, offset, rows);
      offset += padded(index.byteLength);
    }
    const columns = {};
    for (const [name, dtype, wide] of table.columns) {
      const array = new ARRAYS[dtype](buffer, offset, wide ? rows * width : rows);
      columns[name] = array;
      offset += padded(array.byteLength);
    }
    const special = APPLY[table.name];
    if (special) special(this.model, columns, { table, what, rows, width, index, topic, wire: this });
    else this.columns(table, what, columns, index);
  }

  /** The small tables: model[table][column], one entry per row. */
  columns(table, what, columns, index) {
    const target = this.model[table.name];
    const growing = (this.growing[table.name] ??= {});
    for (const [name, , , grows] of table.columns) {
      if (grows === null) {
        target[name] = put(target[name], what, columns[name], index);
        continue;
      }
      const raw = put(growing[name]?.raw, what, columns[name], index);
      growing[name] = { raw, grows };
      if (target[name]?.length !== raw.length) target[name] = new Float64Array(raw.length);
    }
  }

  /** Ticks in one run state travel as count − now while the state lasts: add now again. */
  grow() {
    const now = this.model.state.tick;
    for (const [table, columns] of Object.entries(this.growing)) {
      const { state } = this.model[table];
      for (const [name, { raw, grows }] of Object.entries(columns)) {
        const target = this.model[table][name];
        for (let row = 0; row < raw.length; row++) target[row] = raw[row] + (state[row] === grows ? now : 0);
      }
    }
  }
}

/** A column after a block: new, or the old array with the rows that changed. */
function put(old, what, values, index) {
  if (what === UPDATE) {
    for (let i = 0; i < index.length; i++) old[index[i]] = values[i];
    return old;
  }
  if (old?.length !== values.length) return values.slice();
  old.set(values);
  return old;
}

/** What is not a plain table of columns. @type {Object<string, function(object, object, object): void>} */
const APPLY = {
  queue(model, { vcpu }) {
    model.queue = vcpu.slice();
    model.changed.queue = true;
  },

  frames(model, { value }, { what, index }) {
    model.frames = put(model.frames, what, value, index);
    model.changed.frames = noted(model.changed.frames, what, index);
  },

  heat(model, { value }) {
    if (!model.want.heat) return;
    model.heat = put(model.heat, REPLACE, value, null);
    model.changed.heat = true;
  },

  pages(model, { value }, { what, index, topic }) {
    const vm = topic - PAGES;
    const old = model.pages?.vm === vm ? model.pages.pte : null;
    model.pages = { vm, pte: put(old, what, value, index) };
    model.changed.pages = noted(model.changed.pages, what, index);
  },

  events(model, columns, { rows }) {
    const added = [];
    for (let i = 0; i < rows; i++) {
      const vcpu = columns.vcpu[i];
      added.push({
        tick: columns.tick[i], kind: model.meta.events[columns.kind[i]], pcpu: columns.pcpu[i], vcpu,
        a: columns.a[i], b: columns.b[i], name: model.meta.vcpus[vcpu]?.name ?? "",
      });
    }
    model.events = [...model.events, ...added].slice(-EVENTS);
    model.changed.events = true;
  },

  history(model, columns, { table, rows, width }) {
    const { history } = model;
    for (const [name, , wide] of table.columns) {
      const [points, values] = [history[name], columns[name]];
      for (let i = 0; i < rows; i++) points.push(wide ? values.slice(i * width, (i + 1) * width) : values[i]);
      if (points.length > HISTORY) points.splice(0, points.length - HISTORY);
    }
  },

  slices(model, columns, { rows, wire }) {
    const kept = Math.ceil(SLICES / Math.max(1, model.meta.pcpus));
    for (let i = 0; i < rows; i++) {
      const ring = (model.slices[columns.pcpu[i]] ??= []);
      ring.push({
        from: columns.from[i], to: columns.to[i], vcpu: columns.vcpu[i], overhead: columns.overhead[i],
        busy: columns.busy[i], merged: columns.merged[i], why: model.meta.slice_ends[columns.why[i]] ?? null,
      });
    }
    for (let pcpu = 0; pcpu < model.meta.pcpus; pcpu++) {
      const ring = (model.slices[pcpu] ??= []);
      if (ring.length < 2 * kept) continue;
      ring.splice(0, ring.length - kept);
      wire.cutAt = Math.max(wire.cutAt, ring[0].from);
      model.slicesFrom = Math.max(model.slicesFrom, wire.cutAt);
    }
  },
};

/** Add a list of changed rows to those the panels have not drawn; true = all of them. */
function noted(changed, what, index) {
  if (what !== UPDATE || changed === true) return true;
  changed.push(index.slice());
  return changed;
}

function padded(size) {
  return (size + 7) & ~7;
}

async function inflate(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

/** CRC-32 of an array's bytes: what tests compare with the server's. @param {ArrayBufferView} array */
export function crc32(array) {
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  let crc = -1;
  for (let i = 0; i < bytes.length; i++) crc = CRC[(crc ^ bytes[i]) & 255] ^ (crc >>> 8);
  return (crc ^ -1) >>> 0;
}

const CRC = new Uint32Array(256).map((_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});
