// Numbers as a reader meets them: grouped, with their unit, in the page's language; and axes.
const language = document.documentElement.lang || "en";
const whole = new Intl.NumberFormat(language, { maximumFractionDigits: 0 });
const tenth = new Intl.NumberFormat(language, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const short = new Intl.NumberFormat(language, { notation: "compact", maximumFractionDigits: 1 });

/** A whole number, grouped: 48,213. */
export const count = (n) => whole.format(n);
/** One decimal: 9,711.4. */
export const decimal = (n) => tenth.format(n);
/** At most four characters: 48K, 1.2M. */
export const compact = (n) => (Math.abs(n) < 10000 ? whole.format(n) : short.format(n));

/** A share of one as percent. */
export const percent = (share) => `${whole.format(100 * share)} %`;

const figures = new Intl.NumberFormat(language, { maximumSignificantDigits: 2 });
/** A share with as many places as it needs: 12 %, 1.5 %, 0.03 %. */
export function fine(share) {
  const value = 100 * share;
  if (value >= 10 || value === 0) return `${whole.format(value)} %`;
  return `${(value >= 1 ? tenth : figures).format(value)} %`;
}

/** Nanoseconds in the unit that keeps at most four figures. */
export function duration(ns) {
  if (!(ns >= 0)) return "–";
  if (ns === 0) return "0";
  if (ns < 1e3) return `${whole.format(ns)} ns`;
  if (ns < 1e6) return `${(ns < 1e4 ? tenth : whole).format(ns / 1e3)} µs`;
  if (ns < 1e9) return `${(ns < 1e7 ? tenth : whole).format(ns / 1e6)} ms`;
  return `${tenth.format(ns / 1e9)} s`;
}

/** Bytes of `kib` KiB: 16 MiB. */
export function size(kib) {
  const units = ["KiB", "MiB", "GiB", "TiB"];
  let k = 0;
  while (kib >= 1024 && k < 3) {
    kib /= 1024;
    k++;
  }
  return `${Number.isInteger(kib) ? whole.format(kib) : tenth.format(kib)} ${units[k]}`;
}

/** A translated sentence with named places: say(gettext("%(n)s waiting"), {n: 4}). */
export const say = (template, values) => window.interpolate(template, values, true);

/** A round step (1, 2 or 5 × 10ⁿ) that is at least `least`. */
export function niceStep(least) {
  const power = 10 ** Math.floor(Math.log10(Math.max(least, 1e-9)));
  return [1, 2, 5, 10].map((k) => k * power).find((step) => step >= least * 0.999) ?? 10 * power;
}

/** The largest value of an axis that shows `value` well. */
export function niceTop(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1e-9)));
  return [1, 1.2, 1.6, 2, 3, 4, 6, 8, 10].map((k) => k * power).find((top) => top >= value * 0.999) ?? 10 * power;
}

/** First index whose `key(item)` exceeds `value`, in a list sorted by key. */
export function firstAbove(list, value, key) {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (key(list[middle]) > value) high = middle;
    else low = middle + 1;
  }
  return low;
}
