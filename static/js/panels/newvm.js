// Adding a VM to the running machine: a form that becomes one add_vm command.
import { openElement } from "../dialogs.js";
import { $, $$, el, mark } from "../elements.js";

export const title = () => gettext("Add a VM");

let dialog, form, model, socket;

/** Wire the dialog and every button that opens it. */
export function mount(element, theModel, theSocket) {
  [dialog, model, socket] = [element, theModel, theSocket];
  form = $("form", dialog);
  for (const button of $$("[data-open=newvm]")) button.onclick = () => open(button);
  form.addEventListener("submit", send);
  $("[data-close]", dialog).onclick = () => dialog.close();
}

/** Nothing here follows the machine. */
export function draw() {}

function open(button) {
  clear();
  const name = $("[name=name]", form);
  const taken = new Set(model.meta.vms.map((vm) => vm.name));
  for (let n = 1; !name.value || taken.has(name.value); n++) name.value = `vm-${n}`;
  const devices = model.meta.devices.map((device) => el("option", { value: device.name }, device.name));
  $("[name=backend]", form).replaceChildren(el("option", { value: "" }, gettext("none")), ...devices);
  openElement(dialog, button);
  name.select();
}

function clear() {
  for (const place of $$(".refusal", form)) place.textContent = "";
  for (const input of $$("[aria-invalid]", form)) mark(input, "aria-invalid", null);
}

/** Steps of the three workloads on offer, in the scenario's own words. */
function steps(kind, pages, device) {
  const compute = { compute: 20 };
  if (kind === "memory") return [{ touch: { pattern: "zipf", first: 0, pages, refs: 2000, write: 0.3 } }, { compute: 5 }];
  if (kind === "device" && device) return [{ compute: 5 }, { io: { device: "vda", requests: 2, kib: 16 } }];
  return [compute];
}

async function send(event) {
  event.preventDefault();
  clear();
  const values = Object.fromEntries(new FormData(form));
  const whole = (name) => (/^-?\d+$/.test(values[name]) ? Number(values[name]) : values[name]);
  if (values.workload === "device" && !values.backend) return refuse("devices", gettext("Choose a device: this workload waits for one."));
  const vm = {
    name: values.name, kind: values.kind, vcpus: whole("vcpus"), pages: whole("pages"), weight: whole("weight"),
    workload: { repeat: "forever", steps: steps(values.workload, whole("pages"), values.backend) },
  };
  if (values.backend) vm.devices = [{ name: "vda", backend: values.backend, mode: values.mode }];
  const answer = await socket.send({ type: "add_vm", vm });
  if (answer.ok) {
    $("[name=name]", form).value = "";
    dialog.close();
  } else refuse(answer.field ?? "", answer.message);
}

/** Put the refusal beside the field it names (`vm.pages`, `vms[3].pages` → pages). */
function refuse(field, message) {
  const name = /(?:^|[.\]])(name|kind|vcpus|pages|weight|devices|workload)\b/.exec(field)?.[1] ?? "";
  const place = $(`[data-error-for="${name}"]`, form) ?? $('[data-error-for=""]', form);
  place.textContent = message;
  const input = form.elements[name];
  if (input instanceof HTMLElement) {
    mark(input, "aria-invalid", "true");
    input.focus();
  }
}
