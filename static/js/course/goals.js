// Goals while they are written: each condition is tried on the lab, and what the server says stands
// beside the field. Rows are added and removed; without scripts there is one blank row more.
const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const PAUSE_MS = 300;

const form = $("form[data-check-url]");
const rows = $("[data-goal-rows]");
const latest = new WeakMap();

/** Ask the server about what a field holds; only the newest answer counts. */
async function check(field) {
  const said = $(".goal-said", field.closest(".goal-row"));
  const text = field.value.trim();
  const turn = (latest.get(field) ?? 0) + 1;
  latest.set(field, turn);
  if (!text) return tell(said, field, "", true);
  const body = new FormData();
  body.set("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
  body.set("condition", text);
  let answer;
  try {
    answer = await (await fetch(form.dataset.checkUrl, { method: "POST", body })).json();
  } catch {
    return; // no answer says nothing about the goal
  }
  if (latest.get(field) === turn) tell(said, field, answer.message, answer.ok);
}

function tell(said, field, message, ok) {
  const span = document.createElement("span");
  span.className = ok ? "note" : "bad";
  span.textContent = message;
  said.replaceChildren(span);
  if (ok) field.removeAttribute("aria-invalid");
  else field.setAttribute("aria-invalid", "true");
}

let timer;
rows.addEventListener("input", ({ target }) => {
  if (target.name !== "goal-condition") return;
  clearTimeout(timer);
  timer = setTimeout(() => check(target), PAUSE_MS);
});
rows.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-drop-goal]");
  if (!button) return;
  button.closest(".goal-row").remove();
  number();
  $("[data-add-goal]").focus();
});

const add = $("[data-add-goal]");
add.hidden = false;
add.addEventListener("click", () => {
  rows.append($("[data-goal-blank]").content.cloneNode(true));
  number();
  $("input", rows.lastElementChild).focus();
});

function number() {
  $$(".goal-row", rows).forEach((row, at) => {
    $(".number", row).textContent = at + 1;
    $("[data-drop-goal]", row).hidden = false;
  });
}

number();
for (const field of $$("[name=goal-condition]", rows)) if (field.value && !field.hasAttribute("aria-invalid")) check(field);

// The percentage only matters where late submissions cost points.
const late = form.elements.late;
const percent = form.elements.late_percent?.closest(".entry");
function which() {
  if (percent) percent.hidden = late.value !== "percent_off";
}
late?.addEventListener("change", which);
if (late) which();
