// What every page but the lab screen does with scripts: theme switch, menus that close, copying.
import "./uploads.js";

for (const button of document.querySelectorAll("[data-theme-switch]")) {
  button.hidden = false;
  button.addEventListener("click", () => {
    const root = document.documentElement;
    const dark = root.dataset.theme
      ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    try {
      localStorage.setItem("theme", root.dataset.theme);
    } catch {
      // Storage may be forbidden; the choice then lasts as long as the page.
    }
  });
}

function closeMenus(except) {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (menu !== except) menu.open = false;
  }
}
document.addEventListener("click", (event) => closeMenus(event.target.closest("details.menu")));
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const open = document.querySelector("details.menu[open]");
  closeMenus(null);
  open?.querySelector("summary").focus();
});

// Delegated: these controls also come in pages that are shown as dialogs.
async function copy(button) {
  const field = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(field.value);
  } catch {
    field.select(); // no clipboard here: the reader copies by hand
    return;
  }
  const said = button.querySelector("[data-copied]");
  said.textContent = said.dataset.copied;
}
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) copy(button);
});
// The keys of a policy are shown while it is the one that is chosen.
document.addEventListener("change", ({ target }) => {
  if (!target.matches("select") || !target.name) return;
  for (const group of target.form?.querySelectorAll(`[data-keys-of="${CSS.escape(target.name)}"]`) ?? []) group.hidden = group.dataset.policy !== target.value;
});
// A control that says so submits its form as soon as it is changed; CSS hides its button then.
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit-on-change]")) event.target.form.requestSubmit();
});
