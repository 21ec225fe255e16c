// Building the page's elements. Names of VMs and people are other people's words: they become
// text nodes here, never markup.
import { badgeOf } from "./colours.js";

const SVG = "http://www.w3.org/2000/svg";

/** First match of a selector below `root`. */
export const $ = (selector, root = document) => root.querySelector(selector);
/** All matches as an array. */
export const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

/** Set attributes; null, undefined and false leave one out, true gives it no value. */
export function attributes(node, values) {
  for (const [name, value] of Object.entries(values)) {
    if (value === null || value === undefined || value === false) node.removeAttribute(name);
    else node.setAttribute(name, value === true ? "" : value);
  }
  return node;
}

/** An element with attributes and children (nodes or text). */
export function el(tag, values = {}, ...children) {
  const node = attributes(document.createElement(tag), values);
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

/** The same in the SVG namespace. */
export function svg(tag, values = {}, ...children) {
  const node = attributes(document.createElementNS(SVG, tag), values);
  node.append(...children);
  return node;
}

/** An icon of the page's sprite. */
export const icon = (name) => svg("svg", { "aria-hidden": "true" }, svg("use", { href: `#i-${name}` }));

/** The coloured letters that stand for a VM; the name stands beside them, so readers skip it. */
export function badge(model, row, small = false) {
  const { letters, colour } = badgeOf(model, row);
  const values = { class: small ? "badge small" : "badge", "data-vm-colour": colour, "aria-hidden": "true" };
  return el("i", values, letters);
}

/** Make a badge stand for another VM. */
export function rebadge(node, model, row) {
  const { letters, colour } = badgeOf(model, row);
  mark(node, "data-vm-colour", colour);
  write(node, letters);
}

/** The shape of a run state, with its word for readers. */
export const dot = (state, words) => el("i", { class: "dot", "data-state": state, role: "img", "aria-label": words, title: words });

/** Change a node's text only when it differs: no layout for a number that stayed. */
export function write(node, text) {
  if (node && node.textContent !== text) node.textContent = text;
}

/** Change an attribute only when it differs. */
export function mark(node, name, value) {
  const text = value === null || value === false ? null : value === true ? "" : String(value);
  if (node.getAttribute(name) === text) return;
  if (text === null) node.removeAttribute(name);
  else node.setAttribute(name, text);
}

/**
 * Keep `parent`'s children in step with `items`: one element per item, made once by `make(item)`
 * and refreshed by `refresh(node, item, index)`; surplus ones are removed.
 */
export function keep(parent, items, make, refresh) {
  while (parent.children.length > items.length) parent.lastElementChild.remove();
  items.forEach((item, index) => {
    const node = parent.children[index] ?? parent.appendChild(make(item, index));
    refresh(node, item, index);
  });
}

/** A spot of a canvas, in CSS pixels of it, as one of the panel around it. */
export function placeIn(panel, canvas, spot) {
  if (!spot) return null;
  const [outer, inner] = [panel.getBoundingClientRect(), canvas.getBoundingClientRect()];
  return { x: spot.x + inner.left - outer.left, y: spot.y + inner.top - outer.top };
}

/** A table body from rows of cells (text or nodes); the first cell heads its row. */
export function fillTable(body, rows) {
  body.replaceChildren(
    ...rows.map((cells) =>
      el("tr", {}, cells.map((cell, k) => (k ? el("td", {}, cell) : el("th", { scope: "row" }, cell)))),
    ),
  );
}
