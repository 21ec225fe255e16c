// A link to what is seen now: this tick of this run, with this layout.
import { $ } from "./elements.js";
import { saySo } from "./panels/deedbar.js";
import { count, say } from "./scales.js";

/** The address of a tick of a run, with the layout that is in the address already. */
export function linkTo(href, { tick, run }) {
  const url = new URL(href);
  const values = new URLSearchParams(url.hash.slice(1));
  values.set("tick", tick);
  if (run) values.set("run", run);
  url.hash = String(values);
  return url.href;
}

/** Wire the menu's entry: copied where the browser allows it, else shown for copying by hand. */
export function wirePermalink(model) {
  $("#copy-link").onclick = async ({ target }) => {
    target.closest("details").open = false;
    const link = linkTo(location.href, model.state);
    try {
      await navigator.clipboard.writeText(link);
      saySo(say(gettext("Copied: a link to tick %(n)s as you see it."), { n: count(model.state.tick) }));
    } catch {
      saySo(say(gettext("The link to copy: %(link)s"), { link }));
    }
  };
}

/** The run a link names: the page's socket is then that run's. @param {{socket: string, ticket_url: string}} config */
export function ofRun(config, run) {
  if (run === null) return config;
  const add = (address) => `${address}${address.includes("?") ? "&" : "?"}run=${run}`;
  return { ...config, socket: add(config.socket), ticket_url: add(config.ticket_url) };
}
