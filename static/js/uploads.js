// Uploads with a bar: sent by XMLHttpRequest, which tells how much has gone out; then the server is
// asked how much it has read. Without scripts the form is sent as any other.
import { el } from "./elements.js";

const gettext = (text) => window.gettext?.(text) ?? text; // pages without a catalogue speak English
const LOOK = 400; // ms between two questions how far the reading is

document.addEventListener(
  "submit",
  (event) => {
    const form = event.target.closest("form[data-upload]");
    if (!form) return;
    event.preventDefault();
    event.stopPropagation();
    send(form);
  },
  { capture: true },
);

function send(form) {
  const bar = el("progress", { max: 1, value: 0 });
  const words = el("span", { role: "status" });
  const box = el("p", { class: "upload" }, words, bar);
  form.querySelector(".upload")?.remove();
  form.append(box);
  const button = form.querySelector("button:not([type=button])");
  button.disabled = true;
  const request = new XMLHttpRequest();
  request.open("POST", form.action);
  request.setRequestHeader("Accept", "application/json");
  request.responseType = "json";
  const say = (text) => (words.textContent = text);
  say(gettext("Sending …"));
  request.upload.onprogress = ({ loaded, total }) => (bar.value = loaded / total);
  request.upload.onload = () => {
    say(gettext("Reading …"));
    look(form.dataset.upload, bar, request);
  };
  request.onloadend = () => {
    button.disabled = false;
    const answer = request.response;
    bar.remove();
    if (request.status === 200 && answer?.ok) return done(form, box, answer.message);
    box.replaceChildren(el("span", { class: "refusal", role: "alert" }, answer?.message ?? refusal(request.status)));
  };
  request.send(new FormData(form));
}

const refusal = (status) => (status === 413 ? gettext("The file is too long for this server.") : gettext("The server did not answer. Try again."));

/** Follow the reading until the answer has come. */
async function look(url, bar, request) {
  bar.removeAttribute("value");
  while (request.readyState !== XMLHttpRequest.DONE) {
    await new Promise((go) => setTimeout(go, LOOK));
    const answer = await fetch(url).then((r) => r.json()).catch(() => null);
    if (answer?.done && bar.isConnected) bar.value = answer.done;
  }
}

/** The list of files is shown anew, where it stands: on its page or in its dialog. */
async function done(form, box, message) {
  box.replaceChildren(el("span", { class: "good" }, message));
  const page = await fetch(form.dataset.page, { headers: { Accept: "text/html" } }).then((r) => r.text());
  const list = new DOMParser().parseFromString(page, "text/html").querySelector("[data-files]");
  if (list) form.parentElement.querySelector("[data-files]")?.replaceWith(document.adoptNode(list));
  form.reset();
}
