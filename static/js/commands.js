// Controls that ask something of the machine:
//   <form data-command="set_time_slice"> with named inputs, <button data-command="play">.
//
// Nothing on the page is changed by the control itself: what the machine does comes with the next
// sample, to everybody. A refusal comes back here alone and stands beside the field it names.

/** Attributes of a button that are not arguments of its command. */
const NOT_ARGUMENTS = new Set(["command", "confirm", "yes", "word", "on", "sent"]);
/** Arguments that are names, though somebody may be called 12. */
const NAMES = new Set(["vm", "name", "snapshot", "device"]);

/**
 * Listen for the controls within `root`, those that come later included.
 * @param {Document|Element} root
 * @param {{send: (command: object) => Promise<import("./socket.js").Answer>}} socket
 */
export function wireCommands(root, socket) {
  root.addEventListener("submit", (event) => {
    const form = event.target.closest("form[data-command]");
    if (!form) return;
    event.preventDefault();
    ask(socket, form, { type: form.dataset.command, ...formArguments(form, event.submitter) });
  });
  root.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-command]");
    if (!button || button.disabled || event.defaultPrevented) return;
    if (button.form?.dataset.command === button.dataset.command) return; // its form submits
    event.preventDefault();
    ask(socket, button, { type: button.dataset.command, ...buttonArguments(button.dataset) });
  });
}

/** The named inputs of a form: numbers as numbers, boxes as true or false, nothing as null. */
export function formArguments(form, submitter = null) {
  const values = {};
  for (const input of form.elements) {
    if (!input.name || input.disabled || isButton(input, submitter)) continue;
    if (input.type === "radio" && !input.checked) continue;
    if (input.dataset.empty === "omit" && input.value.trim() === "") continue;
    place(values, input.name, valueOf(input));
  }
  return values;
}

function isButton(input, submitter) {
  return (input.type === "submit" || input.type === "button" || input.type === "reset") && input !== submitter;
}

function valueOf(input) {
  if (input.type === "checkbox") return input.checked;
  if (input.dataset.type === "list") return input.value.split(/[\s,]+/).filter(Boolean).map(number);
  if (input.dataset.type === "json") return JSON.parse(input.value || "null");
  if (input.value.trim() === "") return input.dataset.empty === "text" ? "" : null;
  return input.type === "number" || input.dataset.type === "number" ? number(input.value) : input.value;
}

/** A number, or the text as it is, so that the server can say what is wrong with it. */
function number(text) {
  const value = Number(text);
  return Number.isFinite(value) ? value : text;
}

/** `vm.pages` is the field `pages` of the argument `vm`. */
function place(values, name, value) {
  const parts = name.split(".");
  const last = parts.pop();
  let inner = values;
  for (const part of parts) inner = inner[part] ??= {};
  inner[last] = value;
}

/** The data attributes of a button: data-ticks="1" is the argument ticks, a number. */
export function buttonArguments(dataset) {
  const values = {};
  for (const [key, text] of Object.entries(dataset)) {
    if (NOT_ARGUMENTS.has(key) || key.startsWith("for") || key.startsWith("error")) continue;
    const name = key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    values[name] = /^-?\d+$/.test(text) && !NAMES.has(key) ? Number(text) : text;
  }
  return values;
}

/** Send a control's command; a refusal stands beside the field it names. The answer is returned too. */
export async function ask(socket, control, command) {
  control.setAttribute("aria-busy", "true");
  const answer = await socket.send(command);
  control.removeAttribute("aria-busy");
  clear(control);
  if (!answer.ok) refuse(control, answer.field ?? "", answer.message);
  control.dispatchEvent(new CustomEvent("answered", { bubbles: true, detail: answer }));
  return answer;
}

/** Take back what was refused before. */
export function clear(control) {
  for (const said of placesOf(control)) said.textContent = "";
  for (const input of control.elements ?? []) {
    if (input.getAttribute("aria-invalid")) input.removeAttribute("aria-invalid");
  }
  const page = document.getElementById("refusal");
  if (page) page.textContent = "";
}

/** Put a refusal beside the field it names; where there is no such place, at the form's or page's foot. */
export function refuse(control, field, message) {
  const own = [...placesOf(control)];
  const name = waysTo(field).find((each) => own.some((said) => said.dataset.errorFor === each));
  const said = own.find((each) => each.dataset.errorFor === name) ?? document.getElementById("refusal");
  if (said) said.textContent = message;
  const input = control.elements?.namedItem?.(name ?? field);
  if (!(input instanceof HTMLElement) || input.type === "hidden") return;
  input.setAttribute("aria-invalid", "true");
  if (said?.id) input.setAttribute("aria-errormessage", said.id);
  input.focus();
}

/** A field and what it is part of: keys.quanta[1] → keys.quanta → keys → the form. */
function waysTo(field) {
  const ways = [field];
  while (/[.[]/.test(ways.at(-1))) ways.push(ways.at(-1).replace(/[.[][^.[]*$/, ""));
  return [...ways, ""];
}

/** Where refusals of a form stand; a button alone has the page's #refusal. */
function placesOf(control) {
  return control.tagName === "FORM" ? control.querySelectorAll("[data-error-for]") : [];
}
