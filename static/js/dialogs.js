// Pages as dialogs: a link with data-dialog opens the page it points to over the lab, and its
// forms are sent from there. Without JavaScript the same link is the same page.
import { el, icon } from "./elements.js";

const CONTENT = "[data-dialog-content]";
let dialog, body, heading, opener;

/** Listen for such links. */
export function wireDialogs() {
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-dialog]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    openPage(addressOf(link), link);
  });
}

/** A page about the run that is seen is told its number and the tick. */
function addressOf(link) {
  const state = window.lab?.model.state;
  return link.dataset.ofRun === undefined || !state?.run ? link.href : `${link.href}?run=${state.run}&tick=${state.tick}`;
}

/** Ask before a control with data-confirm does what it says; `yes` is the control's own word. */
export function wireConfirm() {
  const ask = document.getElementById("confirm");
  let control = null;
  document.addEventListener(
    "click",
    (event) => {
      const button = event.target.closest("[data-confirm]");
      if (!button || button === control) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      ask.querySelector("p").textContent = button.dataset.confirm;
      ask.querySelector("[value=yes]").textContent = button.dataset.yes ?? button.textContent.trim();
      ask.returnValue = "no";
      ask.addEventListener("close", () => ask.returnValue === "yes" && sure(button), { once: true });
      openElement(ask, button);
    },
    { capture: true },
  );
  function sure(button) {
    control = button;
    button.click();
    control = null;
  }
}

/** Show a dialog element that is part of the page; closing it returns the focus. */
export function openElement(element, from = document.activeElement) {
  closeMenus();
  element.addEventListener("close", () => focusOn(from), { once: true });
  element.showModal();
}

function closeMenus() {
  for (const menu of document.querySelectorAll("details.menu[open]")) menu.open = false;
}

/** Give the focus back to what opened a dialog, or to the menu it stands in. */
function focusOn(node) {
  const seen = node?.checkVisibility?.() ? node : node?.closest("details")?.querySelector("summary");
  seen?.focus();
}

function build() {
  heading = el("h2", { tabindex: -1 });
  const close = el("button", { type: "button", class: "icon", "aria-label": gettext("Close") }, icon("cross"));
  body = el("div", { class: "dialog-body" });
  dialog = el("dialog", { class: "page-dialog" }, el("header", {}, heading, close), body);
  close.onclick = () => dialog.close();
  dialog.addEventListener("close", () => focusOn(opener));
  dialog.addEventListener("submit", submit);
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) return dialog.close();
    const link = event.target.closest("a[href]");
    if (link && !link.hasAttribute("download") && new URL(link.href).origin === location.origin && !link.dataset.leave && !link.target) followLink(event, link);
  });
  document.body.append(dialog);
}

function followLink(event, link) {
  if (new URL(link.href).pathname === location.pathname) {
    event.preventDefault();
    return dialog.close();
  }
  if (link.dataset.dialog === undefined && !link.closest(CONTENT)) return;
  event.preventDefault();
  show(fetch(link.href, { headers: { Accept: "text/html" } }), link.href);
}

/** Fetch a page and show its content. */
export function openPage(url, from = null) {
  if (!dialog) build();
  closeMenus();
  if (!dialog.open) {
    opener = from;
    heading.textContent = from?.dataset.dialog || from?.textContent.trim() || "";
    body.replaceChildren(el("p", { class: "loading" }, gettext("Loading …")));
    dialog.showModal();
  }
  return show(fetch(url, { headers: { Accept: "text/html" } }), url);
}

async function show(answer, url) {
  let response, text;
  try {
    response = await answer;
    text = await response.text();
  } catch {
    return body.replaceChildren(el("p", { class: "refusal" }, gettext("The server did not answer. Try again.")));
  }
  const page = new DOMParser().parseFromString(text, "text/html");
  const content = page.querySelector(CONTENT);
  if (!content) {
    // A page that is no dialog: back on the lab we are done, anywhere else we go there.
    if (new URL(response.url || url).pathname === location.pathname) return dialog.close();
    if (response.ok) return location.assign(response.url || url);
    return body.replaceChildren(el("p", { class: "refusal" }, gettext("That did not work. Reload the page and try again.")));
  }
  const name = content.querySelector("h1, h2");
  if (name) {
    heading.textContent = name.textContent.trim();
    name.remove();
  }
  const messages = page.querySelector(".messages");
  body.replaceChildren(...(messages ? [document.adoptNode(messages)] : []), document.adoptNode(content));
  body.dataset.url = response.url || url;
  const first = body.querySelector("[aria-invalid=true]") ?? body.querySelector("[autofocus]") ?? heading;
  dialog.scrollTop = 0;
  first.focus();
}

/** Send a form of the dialog; the answer replaces what is shown, errors beside their fields. */
function submit(event) {
  const form = event.target.closest("form");
  if (!form || !form.closest(CONTENT) || form.method === "dialog" || form.dataset.leave !== undefined) return;
  event.preventDefault();
  const by = event.submitter;
  const action = new URL(by?.getAttribute("formaction") || form.getAttribute("action") || body.dataset.url, body.dataset.url);
  const data = new FormData(form, by);
  if (by) by.disabled = true;
  const request =
    form.method === "post"
      ? fetch(action, { method: "POST", body: data, headers: { Accept: "text/html" } })
      : fetch(`${action.pathname}?${new URLSearchParams(data)}`, { headers: { Accept: "text/html" } });
  show(request, action.href).finally(() => by && (by.disabled = false));
}

