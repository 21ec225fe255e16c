// The chain of each disk as layers, and the tree of a VM's snapshots with what can be done to each.
import { el, icon } from "../elements.js";
import { count, say, size } from "../scales.js";

/** Every disk: its layers side by side by size, the chain's length, and what is used of it. */
export function disks(box, vm) {
  box.replaceChildren(...(vm.disks ?? []).map((disk) => diskRow(disk, vm)));
  if (!vm.disks?.length) box.append(el("p", { class: "note" }, gettext("No disk of this VM has contents: a snapshot keeps its memory alone.")));
}

function diskRow({ device, backend, size_kib: whole, used_kib: used, chain, lost, layers }, vm) {
  const total = Math.max(1, layers.reduce((sum, layer) => sum + layer.kib, 0));
  const names = layers.map((layer, k) => (k === 0 ? gettext("written since") : layerName(layer, vm)));
  const chainWords = say(ngettext("chain of %(n)s layer", "chain of %(n)s layers", chain), { n: count(chain) });
  const bar = layers.map((layer, k) => ({ layer, words: `${names[k]}: ${size(layer.kib)}`, share: layer.kib / total, top: k === 0 }));
  return el("div", { class: lost ? "disk lost" : "disk" },
    el("p", {}, el("b", {}, device), " ", say(gettext("on %(backend)s · %(used)s of %(whole)s used · %(chain)s"), { backend, used: size(used), whole: size(whole), chain: chainWords }), lost ? el("em", { class: "bad" }, ` · ${gettext("lost")}`) : null),
    el("ol", { class: "layers", "aria-label": say(gettext("Layers of %(disk)s, the newest first"), { disk: device }) }, bar.map(layerPart)));
}

const layerName = ({ snapshot, of }, vm) => (of ? say(gettext("base, of %(vm)s"), { vm: of }) : vm.snapshots?.find((each) => each.number === snapshot)?.name ?? say(gettext("snapshot %(n)s"), { n: snapshot }));

function layerPart({ words, share, top }) {
  const part = el("li", { title: words, class: top ? "top" : null }, el("span", {}, words));
  part.style.flexGrow = String(Math.max(0.02, share)); // the style of one element set by a script: CSP allows it
  return part;
}

/** The snapshots as a tree, each below the one it was taken on; “you are here” marks the newest. */
export function snapshotTree(list, vm, { model, steer }) {
  const known = vm.snapshots ?? [];
  const children = (parent) => known.filter((each) => (each.parent ?? null) === parent);
  const rows = (parent) => children(parent).map((each) => snapshotRow(each, rows(each.number), vm, { model, steer }));
  list.replaceChildren(...rows(null));
}

function snapshotRow(snapshot, below, vm, { steer }) {
  const { name, description, current, ready } = snapshot;
  const here = current ? el("p", { class: "here" }, el("i", { class: "dot", "data-state": "running", "aria-hidden": "true" }), gettext("you are here")) : null;
  const nested = below.length || here ? el("ol", {}, below, here ? el("li", {}, here) : null) : null;
  return el("li", { "data-snapshot": name },
    el("div", { class: "snapshot" },
      el("div", { class: "run-words" }, el("b", {}, name), ready === false ? el("span", { class: "pill" }, gettext("being written")) : null, el("span", { class: "origin" }, facts(snapshot)), description ? el("span", { class: "run-note" }, description) : null),
      verbs(snapshot, vm, steer)),
    nested);
}

function facts({ tick, memory, kib, memory_kib: memoryKib, chain, clones }) {
  const parts = [
    say(gettext("tick %(n)s"), { n: count(tick) }), size(kib),
    memory ? say(gettext("with memory, %(size)s"), { size: size(memoryKib) }) : gettext("disks only"),
    say(ngettext("chain of %(n)s layer", "chain of %(n)s layers", chain), { n: count(chain) }),
  ];
  if (clones?.length) parts.push(say(gettext("linked clones: %(names)s"), { names: clones.join(", ") }));
  return parts.join(" · ");
}

function verbs({ name }, vm, steer) {
  const button = (command, sign, words, confirm) => el("button", { type: "button", class: "icon", "data-command": command, "data-vm": vm.name, "data-snapshot": name, "data-confirm": confirm, "data-yes": words, "aria-label": `${words}: ${name}`, title: words, disabled: !steer }, icon(sign));
  return el("div", { class: "run-verbs" },
    button("revert_snapshot", "undo", gettext("Revert to it"), say(gettext("Take %(vm)s back to “%(name)s”? What it did since is gone from this run; undo brings it back."), { vm: vm.name, name })),
    button("delete_snapshot", "cross", gettext("Delete it, merging its blocks"), null));
}
