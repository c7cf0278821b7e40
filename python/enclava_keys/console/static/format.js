// Amounts and times for people. What travels is exact; what is shown is short, and exact in its tooltip.

const COUNT = new Intl.NumberFormat("en-US");
const COMPACT = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 });

/** Dollars, from decimal text: cents, and as many digits as a smaller amount needs to be seen. */
export function money(text, roundingMode = "halfExpand") {
  const amount = Number(text);
  const small = amount !== 0 && Math.abs(amount) < 0.1;
  const digits = small ? { maximumSignificantDigits: 2, minimumFractionDigits: 2 } : { maximumFractionDigits: 2 };
  return new Intl.NumberFormat("en-US", { style: "currency", currency: "USD", roundingMode, ...digits }).format(amount);
}

/** Dollars where there is little room: round ones without cents. */
export function briefMoney(text) {
  return money(text).replace(/\.00$/, "");
}

export function tokens(count) {
  return COUNT.format(count);
}

export function compactTokens(count) {
  return count < 10000 ? COUNT.format(count) : COMPACT.format(count);
}

/** A share of a limit as people say it: "80 %". */
export function percent(share) {
  return `${Number((share * 100).toFixed(4))} %`;
}

export function dateTime(text, timeZone) {
  const options = { dateStyle: "medium", timeStyle: "short", ...(timeZone ? { timeZone } : {}) };
  return new Intl.DateTimeFormat("en-GB", options).format(new Date(text));
}

/** How long from now until `text`: "4 h 12 min". */
export function until(text) {
  const minutes = Math.max(0, Math.ceil((new Date(text) - Date.now()) / 60000));
  const days = Math.floor(minutes / 1440);
  const hours = Math.floor((minutes % 1440) / 60);
  if (days > 0) return hours && days < 3 ? `${days} d ${hours} h` : `${days} d`;
  return hours ? `${hours} h ${minutes % 60} min` : `${minutes} min`;
}

/** The date at `instant` where the clock shows `timeZone`: "2026-11-23". */
export function dayIn(instant, timeZone) {
  return new Intl.DateTimeFormat("en-CA", { timeZone, dateStyle: "short" }).format(new Date(instant));
}

/** A fault of the core as a sentence. */
export function sentence(text) {
  const start = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(start) ? start : `${start}.`;
}
