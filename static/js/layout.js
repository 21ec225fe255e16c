// What this reader looks at: tab, maximised panel, chosen VM, page and frame. It lives in the
// URL's hash, so a link shows what I see; it never travels to the server.
const values = new URLSearchParams(location.hash.slice(1));
const assumed = new Map();
const listeners = new Set();
let timer = 0;
let shown = location.hash;

/** The value of a key, or `otherwise`. */
export function chosen(key, otherwise = null) {
  return values.get(key) ?? assumed.get(key) ?? otherwise;
}

/** The same as a whole number, or `otherwise`. */
export function chosenNumber(key, otherwise = null) {
  const text = chosen(key);
  return text !== null && /^\d+$/.test(text) ? Number(text) : otherwise;
}

/** Choose: keys with null are forgotten. Listeners hear of it, the URL follows. */
export function choose(changes) {
  let changed = false;
  for (const [key, value] of Object.entries(changes)) {
    const text = value === null || value === undefined ? null : String(value);
    if (values.get(key) === text) continue;
    changed = true;
    if (text === null) values.delete(key);
    else values.set(key, text);
  }
  if (!changed) return;
  listeners.forEach((listener) => listener(changes));
  // Browsers refuse more than some hundred replaceState calls in half a minute.
  clearTimeout(timer);
  timer = setTimeout(tell, 250);
}

/** The address says what was chosen; unless somebody has just gone to another one, which is then heard of. */
function tell() {
  if (location.hash !== shown) return;
  history.replaceState(null, "", `#${values}`);
  shown = location.hash;
}

/** A value of this page's own making, for a key nobody has chosen: it stays out of the URL. */
export function assume(key, value) {
  if (values.has(key)) return;
  assumed.set(key, String(value));
  listeners.forEach((listener) => listener({ [key]: String(value) }));
}

/** Call `listener(changes)` after every choice. */
export function onChoice(listener) {
  listeners.add(listener);
}

addEventListener("hashchange", () => {
  shown = location.hash;
  const next = new URLSearchParams(location.hash.slice(1));
  const keys = new Set([...values.keys(), ...next.keys()]);
  choose(Object.fromEntries([...keys].map((key) => [key, next.get(key)])));
});
