// What the marks of the time bar stand for, in words.
import { entryWords } from "../deeds.js";
import { say } from "../scales.js";

/** The name of a run as people say it: its own, or its number. */
export const runName = ({ number, name }) => (name ? say(gettext("run %(number)s “%(name)s”"), { number, name }) : say(gettext("run %(number)s"), { number }));

/** @param {import("../timescale.js").Mark} mark */
export function markWords({ kind, of }) {
  if (kind === "checkpoint") return gettext("checkpoint");
  if (kind === "fork") return say(gettext("here %(run)s branches off"), { run: runName(of) });
  if (kind === "origin") return of.parent ? say(gettext("here this run left run %(number)s"), { number: of.parent }) : gettext("here this run begins");
  if (kind === "note") return say(gettext("note of %(name)s: %(text)s"), { name: of.name, text: of.text.slice(0, 80) });
  return entryWords(of);
}
