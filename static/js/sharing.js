// Who shares pages with whom: VMs on a line with an arc for each two, as wide as the frames they share;
// what is in those frames; and the same in words and as a table. Nodes only, made of what was sent.
import { colourOf } from "./colours.js";
import { badge, el, svg } from "./elements.js";
import { compact, count, say } from "./scales.js";

const SHOWN = 16; // VMs on the line: of more, those that share most
const PAIRS = 60; // arcs drawn, the widest
const [STEP, WIDEST, LABEL] = [46, 14, 40];

const nameOf = (model, row) => model.meta.vms[row]?.name ?? "?";

/** The pairs of a table of shared frames, those that share most first: [row, row, frames]. */
export function pairsOf({ vms: rows, pages }) {
  const pairs = [];
  rows.forEach((a, i) => rows.slice(0, i).forEach((b, j) => pages[i][j] && pairs.push([b, a, pages[i][j]])));
  return pairs.sort((a, b) => b[2] - a[2]);
}

/** The picture: an SVG, or nothing where no two VMs share. */
export function arcs(sharing, model) {
  const pairs = pairsOf(sharing);
  const own = new Map(sharing.vms.map((row, i) => [row, sharing.pages[i][i]]));
  const most = [...sharing.vms].sort((a, b) => own.get(b) - own.get(a)).slice(0, SHOWN).sort((a, b) => a - b);
  if (!most.length) return [];
  const place = new Map(most.map((row, k) => [row, (k + 0.5) * STEP]));
  const drawn = pairs.filter(([a, b]) => place.has(a) && place.has(b)).slice(0, PAIRS);
  const far = Math.max(STEP, ...drawn.map(([a, b]) => Math.abs(place.get(a) - place.get(b))));
  const [width, top] = [most.length * STEP, Math.min(150, far / 2 + WIDEST)];
  const paths = drawn.reverse().map((pair) => arc(pair, place, top, drawn.at(-1)[2], model));
  const nodes = most.map((row) => node(row, place.get(row), top, own.get(row), model));
  const words = sharingWords(sharing, [], model);
  return [svg("svg", { viewBox: `0 0 ${width} ${top + LABEL}`, width, height: top + LABEL, role: "img" }, svg("title", {}, words), ...paths, ...nodes)];
}

function arc([a, b, frames], place, base, most, model) {
  const [x, y] = [place.get(a), place.get(b)];
  const radius = Math.abs(y - x) / 2;
  const high = Math.min(radius, base - WIDEST / 2);
  const words = say(gettext("%(a)s and %(b)s: %(n)s frames"), { a: nameOf(model, a), b: nameOf(model, b), n: count(frames) });
  const path = svg("path", { d: `M${x} ${base}A${radius} ${high} 0 0 1 ${y} ${base}`, "stroke-width": Math.max(1, (WIDEST * frames) / most).toFixed(1), "data-vm-colour": colourOf(a) });
  const label = svg("text", { x: (x + y) / 2, y: base - high + 4, "text-anchor": "middle" }, compact(frames));
  return svg("g", { class: "arc" }, svg("title", {}, words), path, label);
}

function node(row, x, base, frames, model) {
  const name = nameOf(model, row);
  const short = name.length > 8 ? `${name.slice(0, 7)}…` : name;
  const title = svg("title", {}, say(gettext("%(name)s: pages of it are in %(n)s shared frames"), { name, n: count(frames) }));
  return svg("g", { class: "end" }, title, svg("circle", { cx: x, cy: base, r: 5, "data-vm-colour": colourOf(row) }), svg("text", { x, y: base + 18, "text-anchor": "middle" }, short), svg("text", { class: "n", x, y: base + 31, "text-anchor": "middle" }, compact(frames)));
}

const CONTENTS = { zeros: () => gettext("zeros"), "written alike": () => gettext("written alike") };

/** What the engine calls a content, as it is read. */
export function contentName(name) {
  const [kind, ...rest] = name.split(" ");
  if (CONTENTS[name]) return CONTENTS[name]();
  if (kind === "program" && rest.length) return say(gettext("program %(name)s"), { name: rest.join(" ") });
  return kind === "image" && rest.length ? say(gettext("image %(name)s"), { name: rest.join(" ") }) : name;
}

/** A bar for each content, as long as its pages, with a part for each VM. */
export function contentBars(contents, model) {
  const total = ({ pages }) => pages.reduce((sum, [, n]) => sum + n, 0);
  const most = Math.max(1, ...contents.map(total));
  return contents.map((each) => {
    const all = total(each);
    const values = { pages: count(all), frames: count(each.frames) };
    const parts = each.pages.map(([row, n]) => svg("rect", { x: 0, width: n, height: 1, "data-vm-colour": colourOf(row) }, svg("title", {}, `${nameOf(model, row)}: ${count(n)}`)));
    let x = 0;
    each.pages.forEach(([, n], k) => {
      parts[k].setAttribute("x", x);
      x += n;
    });
    const bar = svg("svg", { viewBox: `0 0 ${most} 1`, preserveAspectRatio: "none", "aria-hidden": "true" }, ...parts);
    const who = each.pages.slice(0, 6).map(([row, n]) => el("span", {}, badge(model, row, true), compact(n)));
    if (each.pages.length > 6) who.push(el("span", {}, say(gettext("and %(n)s more VMs"), { n: count(each.pages.length - 6) })));
    return el("li", {}, el("b", {}, contentName(each.content)), el("small", {}, say(gettext("%(pages)s pages in %(frames)s frames"), values)), bar, el("p", {}, who));
  });
}

/** The same as sentences: the pairs that share most, and what the frames hold. */
export function sharingWords(sharing, contents, model) {
  const pairs = pairsOf(sharing).slice(0, 3).map(([a, b, n]) => say(gettext("%(a)s and %(b)s: %(n)s frames"), { a: nameOf(model, a), b: nameOf(model, b), n: count(n) }));
  const saved = contents.reduce((sum, each) => sum + each.pages.reduce((all, [, n]) => all + n, 0) - each.frames, 0);
  const first = pairs.length ? say(gettext("Most is shared by %(pairs)s."), { pairs: pairs.join("; ") }) : gettext("No two VMs share a frame.");
  return saved > 0 ? `${first} ${say(gettext("Sharing saves %(n)s frames."), { n: count(saved) })}` : first;
}

/** Who shares with whom: a square of VMs, each cell shaded by the frames both have pages in. */
export function sharingTable({ vms: rows, pages }, theModel) {
  if (!rows.length) return [];
  const most = Math.max(1, ...pages.flat());
  const name = (row) => theModel.meta.vms[row]?.name ?? "?";
  const head = el("tr", {}, el("td"), rows.map((row) => el("th", { scope: "col", title: name(row) }, badge(theModel, row, true), el("span", { class: "sr" }, name(row)))));
  const line = (row, i) => el("tr", {}, el("th", { scope: "row" }, badge(theModel, row, true), name(row)), pages[i].map((n, j) => el("td", { "data-heat": n ? Math.min(4, 1 + Math.floor((3.99 * n) / most)) : null, class: i === j ? "own" : null, title: say(gettext("%(a)s and %(b)s: %(n)s frames"), { a: name(row), b: name(rows[j]), n: count(n) }) }, n ? compact(n) : "–")));
  return [el("thead", {}, head), el("tbody", {}, rows.map(line))];
}

