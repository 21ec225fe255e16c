// socket.js with a connection that the test holds in its hands.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { createModel } from "../../static/js/model.js";
import { connect } from "../../static/js/socket.js";

globalThis.gettext = (text) => text;
globalThis.location = { href: "http://lab.example/labs/1/" };
const { messages } = JSON.parse(readFileSync(process.env.RECORDED, "utf8"));

function bytes(text) {
  const { buffer, byteOffset, byteLength } = Buffer.from(text, "base64");
  return buffer.slice(byteOffset, byteOffset + byteLength);
}

const topicOf = (message) => new DataView(message).getUint16(2, true);
const ofLab = messages.map(bytes).filter((message) => topicOf(message) === 0);

class Connection {
  static all = [];
  constructor(url) {
    this.url = url;
    this.sent = [];
    Connection.all.push(this);
  }
  send(data) {
    this.sent.push(typeof data === "string" ? JSON.parse(data) : new DataView(data.buffer).getUint32(0, true));
  }
  close() {
    this.onclose({ code: 1000 });
  }
}

function opened(t, pages = []) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  Connection.all = [];
  const fetched = [];
  const fetchPage = async (url) => {
    fetched.push(url);
    const page = pages.shift() ?? { status: 200, socket: "/ws/lab/1/?ticket=fresh" };
    if (page instanceof Error) throw page;
    return { ok: page.status === 200, status: page.status, redirected: false, json: async () => page };
  };
  const model = createModel();
  const config = { socket: "/ws/lab/1/?ticket=first", ticket_url: "/labs/1/ticket/" };
  const socket = connect(config, model, { WebSocketClass: Connection, fetchPage });
  const ws = Connection.all[0];
  return { model, socket, ws, fetched };
}

/** Let promises that are due come true. */
async function settle() {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

test("it connects with the page's ticket, to the page's host, and says how it is", (t) => {
  const { socket, ws } = opened(t);
  assert.equal(ws.url, "ws://lab.example/ws/lab/1/?ticket=first");
  assert.equal(ws.binaryType, "arraybuffer");
  assert.equal(socket.status, "connecting");
  const said = [];
  socket.onstatus = (status) => said.push(status);
  ws.onopen();
  assert.deepEqual(said, ["open"]);
});

test("samples are acknowledged after they are drawn, not when they come", async (t) => {
  const { socket, ws, model } = opened(t);
  ws.onopen();
  for (const message of ofLab.slice(0, 3)) ws.onmessage({ data: message });
  await socket.line;
  assert.equal(model.version, 2);
  assert.deepEqual(ws.sent, []);
  socket.acknowledge();
  socket.acknowledge();
  assert.deepEqual(ws.sent, [3]);
});

test("a few small samples are acknowledged together, a large one at once", async (t) => {
  const { socket, ws } = opened(t);
  ws.onopen();
  for (const message of ofLab.slice(0, 2)) ws.onmessage({ data: message });
  await socket.line;
  socket.acknowledge();
  assert.deepEqual(ws.sent, []);
  socket.bytes = 65536;
  socket.acknowledge();
  assert.deepEqual(ws.sent, [2]);
});

test("a missed change asks for a snapshot, once until it has come", async (t) => {
  const { socket, ws, model } = opened(t);
  ws.onopen();
  for (const message of [ofLab[0], ofLab[2], ofLab[3]]) ws.onmessage({ data: message });
  await socket.line;
  assert.deepEqual(ws.sent, [{ type: "again", topic: 0, id: 1 }]);
  assert.equal(model.version, 0);
  socket.acknowledge();
  assert.equal(ws.sent.at(-1), 3, "what cannot be used is acknowledged all the same");
  for (const message of [ofLab[0], ofLab[2]]) ws.onmessage({ data: message });
  await socket.line;
  assert.deepEqual(ws.sent.at(-1), { type: "again", topic: 0, id: 2 });
});

test("a sample that cannot be read asks for a snapshot and the stream goes on", async (t) => {
  t.mock.method(console, "error", () => {});
  const { socket, ws, model } = opened(t);
  ws.onopen();
  ws.onmessage({ data: ofLab[0].slice(0, 400) });
  await socket.line;
  assert.deepEqual(ws.sent, [{ type: "again", topic: 0, id: 1 }]);
  ws.onmessage({ data: ofLab[0] });
  await socket.line;
  assert.equal(model.state.status, "playing");
});

test("a command's answer and its refusal come back to who gave it", async (t) => {
  const { socket, ws } = opened(t);
  ws.onopen();
  const [weight, slice] = [socket.send({ type: "set_weight", vm: "a", weight: 3 }), socket.send({ type: "set_time_slice", ticks: -3 })];
  assert.deepEqual(ws.sent[0], { type: "set_weight", vm: "a", weight: 3, id: 1 });
  ws.onmessage({ data: JSON.stringify({ type: "refusal", id: 2, field: "ticks", message: "no" }) });
  ws.onmessage({ data: JSON.stringify({ type: "answer", id: 1, ok: true }) });
  assert.equal((await weight).ok, true);
  const refusal = await slice;
  assert.deepEqual([refusal.ok, refusal.field, refusal.message], [false, "ticks", "no"]);
});

test("a command without a connection is refused, not kept for later", async (t) => {
  const { socket, ws } = opened(t);
  const refusal = await socket.send({ type: "play" });
  assert.equal(refusal.ok, false);
  assert.match(refusal.message, /Not connected/);
  assert.deepEqual(ws.sent, []);
});

test("a lost connection comes back with a fresh ticket and asks again for what was wanted", async (t) => {
  const { socket, ws, fetched } = opened(t);
  ws.onopen();
  socket.watch(2);
  socket.want({ heat: true });
  const unanswered = socket.send({ type: "play" });
  ws.onclose({ code: 1006 });
  assert.equal((await unanswered).ok, false);
  assert.equal(socket.status, "closed");
  assert.ok(socket.reason);
  t.mock.timers.tick(1_000);
  await settle();
  assert.deepEqual(fetched, ["/labs/1/ticket/"]);
  const again = Connection.all[1];
  assert.equal(again.url, "ws://lab.example/ws/lab/1/?ticket=fresh");
  again.onopen();
  assert.deepEqual(again.sent.map(({ type }) => type), ["watch", "want"]);
});

test("it tries ever more slowly, and not in step with others", async (t) => {
  const { ws, fetched } = opened(t, Array.from({ length: 8 }, () => new Error("no network")));
  const waits = [];
  t.mock.method(Math, "random", () => 0.5);
  ws.onclose({ code: 1006 });
  for (let tries = 1; tries <= 8; tries++) {
    let waited = 0;
    while (fetched.length < tries) {
      t.mock.timers.tick(250);
      waited += 250;
      await settle();
      assert.ok(waited < 20_000);
    }
    waits.push(waited);
  }
  assert.deepEqual(waits, [250, 500, 1000, 1250, 1250, 1250, 1250, 1250]); // seen every 250 ms
});

test("a member who was removed is told so and stays out", async (t) => {
  const { socket, ws, fetched } = opened(t);
  ws.onopen();
  ws.onmessage({ data: JSON.stringify({ type: "closing", code: 4003, message: "You were removed from this lab." }) });
  ws.onclose({ code: 4003 });
  t.mock.timers.tick(60_000);
  await settle();
  assert.equal(socket.status, "refused");
  assert.equal(socket.reason, "You were removed from this lab.");
  assert.deepEqual(fetched, []);
});

test("a page whose reader has another role is drawn anew", (t) => {
  const { socket, ws } = opened(t);
  const drawn = [];
  socket.onrole = () => drawn.push("anew");
  ws.onopen();
  ws.onclose({ code: 4005 });
  assert.deepEqual(drawn, ["anew"]);
});

test("who gets no ticket any more is told so and stays out", async (t) => {
  for (const [status, words] of [[403, /no longer a member/], [404, /gone/]]) {
    await t.test(String(status), async (inner) => {
      const { socket, ws } = opened(inner, [{ status }]);
      ws.onclose({ code: 1006 });
      inner.mock.timers.tick(1_000);
      await settle();
      assert.equal(socket.status, "refused");
      assert.match(socket.reason, words);
    });
  }
});

test("a server that stops or is crowded is tried again", async (t) => {
  const { socket, ws, fetched } = opened(t, [{ status: 503 }]);
  ws.onopen();
  ws.onclose({ code: 4012 });
  t.mock.timers.tick(1_000);
  await settle();
  assert.equal(socket.status, "closed");
  t.mock.timers.tick(2_000);
  await settle();
  assert.equal(fetched.length, 2);
  assert.equal(Connection.all.length, 2);
});

test("however long the server was away, no wait is longer than 1.8 s", async (t) => {
  const { ws, fetched } = opened(t, Array.from({ length: 40 }, () => new Error("no network")));
  t.mock.method(Math, "random", () => 1);
  ws.onclose({ code: 1006 });
  for (let i = 0; i < 60; i++) {
    t.mock.timers.tick(1_000);
    await settle();
  }
  const before = fetched.length;
  t.mock.timers.tick(1_800);
  await settle();
  assert.equal(fetched.length, before + 1);
});

test("a server that is crowded is left alone for longer", async (t) => {
  const { socket, ws } = opened(t);
  t.mock.method(Math, "random", () => 0.5);
  let connection = ws;
  for (let i = 0; i < 8; i++) {
    connection.onclose({ code: 4008 });
    t.mock.timers.tick(8_000);
    await settle();
    connection = Connection.all.at(-1);
  }
  assert.equal(socket.wait, 8_000);
});

test("when the network is back or the page is looked at again it does not wait", async (t) => {
  const { socket, ws, fetched } = opened(t);
  ws.onclose({ code: 1006 });
  socket.wake();
  await settle();
  assert.deepEqual(fetched, ["/labs/1/ticket/"]);
  t.mock.timers.tick(2_000);
  await settle();
  assert.equal(fetched.length, 1, "the wait that was begun is over");
});

test("a ticket that does not come is given up and asked for again", async (t) => {
  const { socket, ws, fetched } = opened(t);
  const asked = socket.fetchPage;
  socket.fetchPage = (...args) => (fetched.length ? asked(...args) : (fetched.push("lost"), new Promise(() => {})));
  ws.onclose({ code: 1006 });
  for (let i = 0; i < 5; i++) {
    t.mock.timers.tick(1_000);
    await settle();
  }
  assert.deepEqual(fetched, ["lost", "/labs/1/ticket/"]);
  assert.equal(Connection.all.length, 2);
});

test("a connection that never opens is given up and tried again", async (t) => {
  const { ws, fetched } = opened(t);
  ws.close = () => {};
  t.mock.timers.tick(2_000);
  await settle();
  t.mock.timers.tick(1_000);
  await settle();
  assert.deepEqual(fetched, ["/labs/1/ticket/"]);
});

test("where nothing comes for a while the server is asked, and given up if it is silent", async (t) => {
  const { socket, ws, fetched } = opened(t);
  ws.close = () => {};
  ws.onopen();
  t.mock.timers.tick(5_000);
  assert.deepEqual(ws.sent, [{ type: "check", id: 1 }]);
  ws.onmessage({ data: JSON.stringify({ type: "answer", id: 1, ok: true }) });
  t.mock.timers.tick(4_999);
  assert.equal(ws.sent.length, 1);
  t.mock.timers.tick(1);
  assert.equal(ws.sent.length, 2);
  t.mock.timers.tick(3_000);
  assert.equal(socket.status, "closed");
  t.mock.timers.tick(1_000);
  await settle();
  assert.deepEqual(fetched, ["/labs/1/ticket/"]);
  ws.onclose({ code: 1006 });
  assert.equal(socket.status, "connecting", "the old connection is not heard");
});

test("a flood's warning is passed on", (t) => {
  const { socket, ws } = opened(t);
  const problems = [];
  socket.onproblem = (message) => problems.push(message);
  ws.onopen();
  ws.onmessage({ data: JSON.stringify({ type: "error", message: "Too many messages." }) });
  assert.deepEqual(problems, ["Too many messages."]);
});

test("watching the same VM again asks for nothing", (t) => {
  const { socket, ws } = opened(t);
  ws.onopen();
  for (const vm of [3, 3, null]) socket.watch(vm);
  assert.deepEqual(ws.sent.map(({ type, vm }) => [type, vm]), [["watch", 3], ["watch", null]]);
});

test("what is wanted no longer is forgotten", (t) => {
  const { socket, model } = opened(t);
  socket.want({ heat: true });
  model.heat = new Uint8Array(4);
  socket.want({ heat: false });
  assert.equal(model.heat, null);
});
