// Backup of one VM: schedule, restore points, and the drill with what it measured.
import { $, el, fillTable, write } from "../elements.js";
import { count, duration, say, size } from "../scales.js";

/** Refresh the part of the storage dialog that is about backup. */
export function backup(dialog, vm, model) {
  const part = (name) => $(`[data-storage="${name}"]`, dialog);
  const own = vm.backup;
  devices(dialog, vm, model);
  write(part("schedule"), scheduleWords(own));
  settings($("[data-command=set_backup]", dialog), own);
  const points = own?.points ?? [];
  fillTable(part("points"), points.length ? [...points].reverse().map(pointCells) : [[gettext("none yet"), "", "", "", ""]]);
  const restore = $("[data-command=restore_backup] [name=backup]", dialog);
  const done = points.filter((point) => point.finished !== null);
  const was = restore.value;
  restore.replaceChildren(el("option", { value: "" }, gettext("the last one")), ...[...done].reverse().map((point) => el("option", { value: point.number }, say(gettext("%(n)s, of tick %(tick)s"), { n: point.number, tick: count(point.tick) }))));
  if ([...restore.options].some((option) => option.value === was)) restore.value = was;
  drill(part("drill"), vm.loss, model);
}

function devices(dialog, vm, model) {
  const disks = new Set((vm.disks ?? []).map((disk) => disk.backend));
  const target = $("[data-command=set_backup] [name=device]", dialog);
  const others = model.meta.devices.filter((device) => device.kind === "disk" && !disks.has(device.name));
  fill(target, others.map(({ name }) => name), gettext("a second disk of the host is needed"));
  fill($("[data-command=lose_disk] [name=device]", dialog), (vm.disks ?? []).map((disk) => disk.device), gettext("this VM has no disk with contents"));
}

function fill(select, names, none) {
  const was = select.value;
  select.replaceChildren(...(names.length ? names.map((name) => el("option", { value: name }, name)) : [el("option", { value: "" }, none)]));
  if (names.includes(was)) select.value = was;
}

/** Show the schedule in force in the form; not under the hands of who is typing. */
function settings(form, own) {
  if (!own || form.contains(document.activeElement)) return;
  for (const name of ["every", "full_every", "keep", "device"]) form.elements[name].value = String(own[name]);
}

function scheduleWords(own) {
  if (!own) return gettext("No backup is set: nothing of this VM can be restored.");
  if (!own.every) return gettext("Backups are made by hand only.");
  return own.next === null ? gettext("A backup is under way.") : say(gettext("The next one begins at tick %(n)s."), { n: count(own.next) });
}

const pointCells = ({ number, tick, finished, full, kib }) => [
  String(number), count(tick), finished === null ? gettext("being written") : count(finished), full ? gettext("full") : gettext("incremental"), size(kib),
];

/** RPO and RTO in ticks and in simulated time, as measured. */
function drill(box, loss, model) {
  box.hidden = !loss;
  if (!loss) return;
  const ticks = (n, waiting) => (n === null ? waiting : `${say(ngettext("%(n)s tick", "%(n)s ticks", n), { n: count(n) })} = ${duration(n * (model.meta.tick_us ?? 1000) * 1000)}`);
  const line = (term, words) => el("div", {}, el("dt", {}, term), el("dd", {}, words));
  box.replaceChildren(
    line(gettext("Disk lost"), say(gettext("tick %(n)s"), { n: count(loss.tick) })),
    line(gettext("Restored"), loss.restored === null ? gettext("not yet") : say(gettext("tick %(n)s"), { n: count(loss.restored) })),
    line(gettext("RPO: work lost"), ticks(loss.rpo, gettext("known when it is restored"))),
    line(gettext("RTO: time without it"), ticks(loss.rto, gettext("known when it runs again"))),
  );
}
