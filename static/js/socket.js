// The connection to a lab: samples in, commands out, acknowledgements after drawing.
//
// A connection that is lost is tried again, with a fresh ticket each time: so a page whose reader was
// removed meanwhile is told so and stays out. It is tried ever more slowly and never in step with
// others', but so often that a page shows the truth within three seconds of the server's return: no
// wait is longer than 1.8 s, and nothing is waited for that does not answer. A server that is crowded
// is left alone for longer. A connection on which nothing comes is asked whether it still is one: a
// server whose power was cut closes no socket.
import { createWire } from "./wire.js";

const FIRST_WAIT = 250;
/** On average; with the chance in it, up to half as long again. */
const LONGEST_WAIT = 1200;
const LONGEST_WAIT_WHERE_CROWDED = 8000;
/** How long a ticket or an opening connection may take; longer with each that took too long. */
const PATIENCE = { first: 2000, most: 8000 };
/** Without a message for so long the server is asked whether it is there, */
const SILENCE = 5000;
/** and the connection is given up when nothing has come after so long. */
const ANSWER = 3000;
/** Acknowledged together: of a window of eight messages and half a MiB, so that it never runs dry. */
const TOGETHER = { messages: 3, bytes: 65536 };
/** Close code after which the page is drawn anew: its reader has another role. */
const RENEWED = 4005;
/** Close code of a server, or a lab, that takes no more. */
const CROWDED = 4008;
/** Close codes after which coming back is of no use: removed, gone, no scenario. */
const FOR_GOOD = new Set([4003, 4004, 4010]);

/**
 * @typedef {object} Config   what the page's #lab-config says
 * @property {string} socket       address with a ticket, for the first connection
 * @property {string} ticket_url   gives {socket} with a fresh ticket
 */

/**
 * @typedef {object} Answer
 * @property {boolean} ok
 * @property {string|null} [field]   field of the command that was refused
 * @property {string} [message]      why, in the reader's language
 */

/**
 * Connect to the lab and keep connected.
 * @param {Config} config
 * @param {import("./model.js").Model} model
 */
export function connect(config, model, { WebSocketClass = globalThis.WebSocket, fetchPage = globalThis.fetch?.bind(globalThis) } = {}) {
  const socket = new Socket(config, model, WebSocketClass, fetchPage);
  socket.open(config.socket);
  globalThis.addEventListener?.("online", () => socket.wake());
  globalThis.document?.addEventListener?.("visibilitychange", () => document.hidden || socket.wake());
  return socket;
}

class Socket {
  constructor(config, model, WebSocketClass, fetchPage) {
    this.config = config;
    this.model = model;
    this.wire = createWire(model);
    /** "connecting", "open", "closed" (it will be tried again) or "refused" (it will not). */
    this.status = "connecting";
    /** Why it is closed or refused, in words. */
    this.reason = "";
    /** Told of every change of status. @type {(status: string, reason: string) => void} */
    this.onstatus = () => {};
    /** Told when something came that is to be drawn: set by paint.js. */
    this.onsample = () => {};
    /** Told of errors that answer no command. @type {(message: string) => void} */
    this.onproblem = () => {};
    /** The reader's role has changed, and with it the controls of the page. */
    this.onrole = () => globalThis.location.reload();
    this.WebSocketClass = WebSocketClass;
    this.fetchPage = fetchPage;
    this.wait = FIRST_WAIT;
    this.patience = PATIENCE.first;
    this.number = 0;
    this.answers = new Map();
    this.asked = new Set();
    this.ws = null;
  }

  /**
   * Send a command or control; the answer is the server's, nothing is changed here.
   * @param {object} command  {type, …}
   * @returns {Promise<Answer>}
   */
  send(command) {
    if (this.status !== "open") return Promise.resolve({ ok: false, field: null, message: gettext("Not connected: nothing was sent.") });
    const id = ++this.number;
    this.ws.send(JSON.stringify({ ...command, id }));
    return new Promise((answer) => this.answers.set(id, answer));
  }

  /** Ask for the pages of a VM (its row), of none other; null for of none. */
  watch(vm) {
    if (this.wire.watching === vm) return;
    this.wire.watch(vm);
    if (this.status === "open") this.send({ type: "watch", vm });
  }

  /** Ask for what only some panels need. @param {{heat: boolean}} want */
  want({ heat }) {
    if (this.model.want.heat === heat) return;
    this.model.want = { heat };
    if (!heat) this.model.heat = null;
    if (this.status === "open") this.send({ type: "want", heat });
  }

  /** All that came has been drawn: tell the server, which is its leave to send more; not each time. */
  acknowledge() {
    const few = this.applied - this.acknowledged < TOGETHER.messages && this.bytes < TOGETHER.bytes;
    if (this.status !== "open" || few) return;
    this.acknowledged = this.applied;
    this.bytes = 0;
    const count = new Uint8Array(4);
    new DataView(count.buffer).setUint32(0, this.applied, true);
    this.ws.send(count);
  }

  /** Leave, for good. */
  close() {
    this.change("refused", "");
    clearTimeout(this.watchdog);
    this.ws?.close();
  }

  /** The network is back, or somebody looks again: do not wait, and do not believe in old peace. */
  wake() {
    if (this.status === "open") this.probe();
    if (this.status !== "closed") return;
    this.wait = FIRST_WAIT;
    clearTimeout(this.retry);
    this.again();
  }

  open(address) {
    this.change("connecting", "");
    this.wire.reset();
    this.asked.clear();
    [this.applied, this.acknowledged, this.bytes] = [0, 0, 0];
    this.line = Promise.resolve();
    const ws = (this.ws = new this.WebSocketClass(absolute(address)));
    ws.binaryType = "arraybuffer";
    ws.onopen = () => this.hasOpened();
    ws.onmessage = ({ data }) => {
      this.watchOver();
      if (typeof data === "string") this.hear(JSON.parse(data));
      else this.take(ws, data);
    };
    ws.onclose = ({ code }) => ws === this.ws && this.hasClosed(code);
    this.give(this.patience);
  }

  /** Give the connection so long to say something; else it is lost. */
  give(time) {
    clearTimeout(this.watchdog);
    const ws = this.ws;
    this.watchdog = setTimeout(() => {
      if (ws !== this.ws || this.status === "refused") return;
      this.losePatience();
      this.ws = null; // what it may still say is not heard
      ws.close();
      this.hasClosed(1006);
    }, time);
  }

  /** Something came: ask whether the server is there when nothing does for a while. */
  watchOver() {
    this.patience = PATIENCE.first;
    clearTimeout(this.watchdog);
    this.watchdog = setTimeout(() => this.probe(), SILENCE);
  }

  /** Ask the server for a sign of life. */
  probe() {
    if (this.status !== "open") return;
    this.give(ANSWER);
    this.send({ type: "check" });
  }

  losePatience() {
    this.patience = Math.min(this.patience * 1.5, PATIENCE.most);
  }

  hasOpened() {
    this.change("open", "");
    this.presence?.reconnected();
    this.watchOver();
    if (this.wire.watching !== null) this.send({ type: "watch", vm: this.wire.watching });
    if (this.model.want.heat) this.send({ type: "want", heat: true });
  }

  /** Samples are applied in order, though some have to be inflated first. */
  take(ws, data) {
    this.line = this.line.then(async () => {
      if (ws !== this.ws) return;
      const lost = await this.wire.receive(data).catch((error) => {
        console.error(error);
        return new DataView(data).getUint16(2, true);
      });
      this.applied++;
      this.bytes += data.byteLength;
      this.wait = FIRST_WAIT;
      if (lost === null) this.asked.delete(new DataView(data).getUint16(2, true));
      else this.askAgain(lost);
      this.onsample();
    });
  }

  /** A change was missed: ask for a snapshot of that topic, once. */
  askAgain(topic) {
    if (this.asked.has(topic)) return;
    this.asked.add(topic);
    this.send({ type: "again", topic });
  }

  hear(message) {
    if (message.type === "answer" || message.type === "refusal") {
      this.answers.get(message.id)?.({ ok: false, field: null, message: "", ...message });
      this.answers.delete(message.id);
    } else if (message.type === "closing") {
      this.reason = message.message;
    } else if (message.type === "error") {
      this.onproblem(message.message);
    }
  }

  hasClosed(code) {
    clearTimeout(this.watchdog);
    for (const answer of this.answers.values()) answer({ ok: false, field: null, message: gettext("The connection was lost; whether this was done shows when it is back.") });
    this.answers.clear();
    if (this.status === "refused") return;
    if (code === RENEWED) this.onrole();
    if (FOR_GOOD.has(code)) this.change("refused", this.reason);
    else this.later(code === CROWDED ? LONGEST_WAIT_WHERE_CROWDED : LONGEST_WAIT);
  }

  /** Try again after a while: up to twice as long each time, and anywhere around that. */
  later(longest = LONGEST_WAIT) {
    const wait = this.wait * (0.5 + Math.random());
    this.wait = Math.min(this.wait * 2, longest);
    this.change("closed", this.reason || gettext("The connection was lost; trying again."));
    clearTimeout(this.retry);
    this.retry = setTimeout(() => this.again(), wait);
  }

  async again() {
    if (this.status !== "closed") return;
    this.change("connecting", "");
    let page;
    let ticket;
    try {
      page = await this.ticket();
      ticket = page.ok && !page.redirected ? await page.json() : null;
    } catch {
      return this.status === "connecting" && this.later();
    }
    if (this.status !== "connecting") return undefined;
    if (ticket) return this.open(ticket.socket);
    if (page.status >= 500) return this.later();
    if (page.status === 429) return this.later(LONGEST_WAIT_WHERE_CROWDED);
    return this.change("refused", page.status === 404 ? gettext("This lab is gone, or no longer open to you.") : gettext("You are no longer a member of this lab, or not logged in."));
  }

  /** Fetch a fresh ticket, within the time there is patience for. */
  async ticket() {
    const givenUp = new AbortController();
    const options = { headers: { Accept: "application/json" }, signal: givenUp.signal };
    let timer;
    const late = new Promise((_, refuse) => {
      timer = setTimeout(() => {
        this.losePatience();
        givenUp.abort();
        refuse(new Error("no answer"));
      }, this.patience);
    });
    try {
      return await Promise.race([this.fetchPage(this.config.ticket_url, options), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  change(status, reason) {
    this.status = status;
    this.reason = reason;
    this.onstatus(status, reason);
  }
}

/** A socket's address on the server this page came from. */
function absolute(address) {
  const url = new URL(address, globalThis.location?.href);
  url.protocol = url.protocol.replace("http", "ws");
  return url.href;
}
