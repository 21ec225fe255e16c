// Key figures of both runs at this tick, and by how much they differ.
import { badge, el, keep, mark, write } from "../elements.js";
import { count, decimal, duration, percent } from "../scales.js";

const MOST_VMS = 24;
const sum = (column, rows) => rows.reduce((total, row) => total + (column?.[row] ?? 0), 0);
const all = (column) => Array.from(column ?? []).reduce((total, value) => total + value, 0);

/** @typedef {{name: string, words: string, values: (number|null)[], show: (n: number) => string}} Figure */

/** The figures of the host. */
function ofHost({ pcpu, vcpu, vm, vdevice }) {
  const busy = all(pcpu.busy);
  const overhead = all(pcpu.overhead);
  const ticks = busy + all(pcpu.idle) + overhead || 1;
  const done = all(vdevice.requests) - all(vdevice.in_flight);
  return {
    used: busy / ticks, overhead: overhead / ticks, preemptions: all(vcpu.preemptions), minor: all(vm.minor_faults), major: all(vm.major_faults),
    resident: all(vm.resident), requests: all(vdevice.requests), latency: done ? all(vdevice.latency_ns) / done : 0,
  };
}

function ofVm({ vcpu, vm }, row, vcpus) {
  return { ran: sum(vcpu.run, vcpus), steal: sum(vcpu.runnable, vcpus), minor: vm.minor_faults?.[row] ?? 0, major: vm.major_faults?.[row] ?? 0, resident: vm.resident?.[row] ?? 0 };
}

const HOST = {
  used: [() => gettext("pCPU time used"), percentOf], overhead: [() => gettext("pCPU time of overhead"), percentOf], preemptions: [() => gettext("preemptions"), count],
  minor: [() => gettext("minor faults"), count], major: [() => gettext("major faults"), count], resident: [() => gettext("frames in use"), count],
  requests: [() => gettext("I/O requests"), count], latency: [() => gettext("mean I/O latency"), signedDuration],
};
const VM = { ran: [() => gettext("ran"), count], steal: [() => gettext("steal"), count], minor: [() => gettext("minor faults"), count], major: [() => gettext("major faults"), count], resident: [() => gettext("resident pages"), count] };

function percentOf(share) {
  return Math.abs(share) < 0.1 ? `${decimal(100 * share)} %` : percent(share);
}
function signedDuration(ns) {
  return ns < 0 ? `−${duration(-ns)}` : duration(ns);
}

const figures = (kinds, [left, right]) => Object.entries(kinds).map(([name, [label, show]]) => ({ name, words: label(), values: [left?.[name] ?? null, right?.[name] ?? null], show }));

/** The host's figures of two models. @returns {Figure[]} */
export const hostFigures = ([a, b]) => figures(HOST, [ofHost(a), ofHost(b)]);

/** Every VM's, matched by name. @returns {{name: string, figures: Figure[]}[]} */
export function vmFigures(models) {
  const names = [...new Set(models.flatMap((model) => model.meta.vms.map((vm) => vm.name)))];
  return names.slice(0, MOST_VMS).map((name) => {
    const own = models.map((model) => {
      const row = model.meta.vms.findIndex((vm) => vm.name === name);
      return row < 0 ? null : ofVm(model, row, model.meta.vms[row].vcpus);
    });
    return { name, figures: figures(VM, own) };
  });
}

/** A difference with its sign; a dash where one side has no such figure. */
export function differenceOf([a, b], show) {
  if (a === null || b === null) return "–";
  if (a === b) return "0";
  return b > a ? `+${show(b - a)}` : show(b - a).replace(/^-/, "−");
}

const valueOf = (value, show) => (value === null ? "–" : show(value));
const differs = ([a, b]) => a !== b;

/** Refresh the host's table: a row a figure. */
export function drawHost(body, models) {
  keep(body, hostFigures(models), () => el("tr", {}, el("th", { scope: "row" }), el("td"), el("td"), el("td")), (tr, { words, values, show }) => {
    mark(tr, "class", differs(values) ? "differs" : null);
    [words, ...values.map((value) => valueOf(value, show)), differenceOf(values, show)].forEach((text, k) => write(tr.children[k], text));
  });
}

/** Refresh the VMs' table: a row a VM, a column a figure; what is the same is said once. */
export function drawVms(table, models) {
  const head = table.querySelector("thead tr");
  if (head.children.length === 1) head.append(...Object.values(VM).map(([label]) => el("th", { scope: "col" }, label())));
  const make = () => el("tr", {}, el("th", { scope: "row" }), ...Object.keys(VM).map(() => el("td", {}, el("span"), el("b"))));
  keep(table.querySelector("tbody"), vmFigures(models), make, (tr, vm, row) => {
    const [first, ...cells] = tr.children;
    if (first.dataset.key !== vm.name) {
      first.dataset.key = vm.name;
      first.replaceChildren(badge(models[0], row, true), vm.name);
    }
    vm.figures.forEach(({ values, show }, k) => {
      mark(cells[k], "class", differs(values) ? "differs" : null);
      write(cells[k].firstChild, differs(values) ? values.map((value) => valueOf(value, show)).join(" → ") : valueOf(values[0], show));
      write(cells[k].lastChild, differs(values) ? differenceOf(values, show) : "");
    });
  });
}
