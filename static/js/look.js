// Looking at another tick: what this reader asked to see, sent so that the newest wish wins.
//
// One wish is under way at a time and at most ten are sent a second, so a bar that is dragged
// never leaves a queue behind it. Until the picture of a tick has come, `wish` says where the
// reader is going; the model says where the picture is.
const PACE_MS = 100;
/** So long a place is believed that was granted and not shown by a sample. */
const BELIEVED_MS = 2000;

/**
 * @param {(command: object) => Promise<{ok: boolean, message?: string, tick?: number}>} send
 * @param {{now?: () => number, later?: (act: () => void, ms: number) => void}} [clock]
 */
export function createLooker(send, { now = () => performance.now(), later = (act, ms) => setTimeout(act, ms) } = {}) {
  return new Looker(send, now, later);
}

class Looker {
  constructor(send, now, later) {
    Object.assign(this, { send, now, later });
    /** The tick that is asked for and not shown yet; "live" for the run itself; null for none. */
    this.wish = null;
    /** Told of a refusal, in words. @type {(message: string) => void} */
    this.onrefusal = () => {};
    /** Told whenever `wish` changes. */
    this.onwish = () => {};
    this.queue = [];
    this.busy = false;
    this.sentAt = -PACE_MS;
    this.believed = 0;
  }

  /** Show this tick: what was asked before and is not under way is forgotten. */
  look(tick) {
    this.queue = [{ type: "look", tick }];
    this.want(tick);
    this.go();
  }

  /** Show the tick `by` events before (negative) or after the one that is shown. */
  byEvents(by) {
    const last = this.queue.at(-1);
    if (last?.type === "look_by") last.by += by;
    else this.queue.push({ type: "look_by", unit: "event", by });
    this.go();
  }

  /** Back to the run as it is. */
  live() {
    this.queue = [{ type: "live" }];
    this.want("live");
    this.go();
  }

  /** The tick that is shown, or will be. @param {{tick: number}} state */
  at(state) {
    return typeof this.wish === "number" ? this.wish : state.tick;
  }

  /** A sample came: a wish that it fulfils is one no more. @param {{tick: number, past?: boolean}} state */
  seen(state) {
    if (this.wish === null || this.busy || this.queue.length) return;
    const there = this.wish === "live" ? !state.past : state.past && state.tick === this.wish;
    if (there || this.now() > this.believed) this.want(null);
  }

  /** Forget everything: another connection has begun. */
  forget() {
    this.queue = [];
    this.want(null);
  }

  want(wish) {
    if (this.wish === wish) return;
    this.wish = wish;
    this.onwish(wish);
  }

  go() {
    if (this.busy || !this.queue.length) return;
    const wait = this.sentAt + PACE_MS - this.now();
    this.busy = true;
    if (wait > 0) this.later(() => this.next(), wait);
    else this.next();
  }

  async next() {
    const command = this.queue.shift();
    if (!command) return (this.busy = false);
    this.sentAt = this.now();
    const answer = await this.send(command);
    this.busy = false;
    this.believed = this.now() + BELIEVED_MS;
    if (this.queue.length) return this.go();
    if (!answer.ok) {
      this.want(null);
      this.onrefusal(answer.message);
    } else if (command.type !== "live" && Number.isInteger(answer.tick)) this.want(answer.tick);
  }
}
