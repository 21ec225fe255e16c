// A new virtual device for a VM that runs: its name, what stands behind it, and in which mode.
import { modeWord } from "../devices.js";
import { $, el, mark } from "../elements.js";
import { chosenNumber, onChoice } from "../layout.js";

let box, model;
let built = "";

/** Wire the form; it closes when the device is there. */
export function mount(element, theModel, socket) {
  box = $(".plug", element);
  const schema = JSON.parse($("#command-schemas")?.textContent ?? "{}").add_device;
  box.hidden = !schema || !socket.may?.steer;
  if (box.hidden) return;
  const modes = choicesOf(schema.properties.mode) ?? ["emulated", "paravirtual", "vhost", "vf", "passthrough"];
  $("[name=mode]", box).replaceChildren(...modes.map((mode) => el("option", { value: mode, selected: mode === "paravirtual" }, modeWord(mode))));
  box.addEventListener("answered", ({ detail }) => {
    if (!detail.ok) return;
    box.open = false;
    $("form", box).elements.name.value = "";
  });
  onChoice((changes) => "vm" in changes && model?.version && choose());
}

const choicesOf = ({ enum: words, anyOf = [] } = {}) => words ?? anyOf.find((each) => each.enum)?.enum;

/** VMs and devices to choose from, made anew when they are others. */
export function draw(theModel) {
  model = theModel;
  if (box.hidden) return;
  const { vms, devices } = model.meta;
  mark(box, "class", vms.length && devices.length ? "plug" : "plug unfit");
  const key = JSON.stringify([vms.map(({ name }) => name), devices.map(({ name }) => name)]);
  if (key === built) return;
  built = key;
  const option = ({ name }) => el("option", { value: name }, name);
  $("[name=vm]", box).replaceChildren(...vms.map(option));
  $("[name=backend]", box).replaceChildren(...devices.map(option));
  choose();
}

function choose() {
  const vm = model.meta.vms[chosenNumber("vm", 0)];
  if (vm) $("[name=vm]", box).value = vm.name;
}
