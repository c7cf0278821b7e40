// The spend of the last days, or of what the ledger can tell about them.

import { h, svg } from "./dom.js";
import { dayIn, money } from "./format.js";

const DAYS = 14;
const [WIDEST, HEIGHT, FLOOR, TOP] = [1100, 176, 150, 24];
// Narrower than this, every second day has its number.
const ROOMY = 420;

/** The chart for the answer of `usage`, in `room` pixels. */
export function chart(usage, room) {
  if (usage.history === null) return thisMonth(usage);
  if (usage.history.length === 0) return h("p", { class: "none" }, "No spend yet that the ledger knows of.");
  return lastDays(usage, Math.min(room || WIDEST, WIDEST));
}

function lastDays(usage, width) {
  const days = spendByDay(usage);
  const limit = usage.daily_spend.limit === null ? 0 : Number(usage.daily_spend.limit);
  const most = Math.max(...days.map((day) => day.spend), 0);
  const drawLimit = limit > 0 && limit <= most * 4;
  const scale = (FLOOR - TOP) / (Math.max(most, drawLimit ? limit : 0) || 1);
  const step = width / days.length;
  const total = days.reduce((sum, day) => sum + day.spend, 0);
  const picture = svg("svg", {
    class: "chart",
    viewBox: `0 0 ${width} ${HEIGHT}`,
    role: "img",
    "aria-label": `Spend a day over the last ${DAYS} days: ${money(total)} in all, ${money(most)} at most.`,
  });
  days.forEach((day, place) => {
    const labelled = width >= ROOMY || (days.length - 1 - place) % 2 === 0;
    picture.append(column(day, { x: place * step, step, scale, labelled }));
  });
  picture.append(svg("line", { class: "floor", x1: 0, x2: width, y1: FLOOR, y2: FLOOR }));
  if (drawLimit) {
    const y = FLOOR - limit * scale;
    picture.append(svg("line", { class: "limit", x1: 0, x2: width, y1: y, y2: y }));
    picture.append(svg("text", { class: "limit-label", x: width, y: y - 6 }, `Daily limit ${money(limit)}`));
  }
  const summary = h("p", { class: "facts" }, `${money(total)} in ${DAYS} days, ${money(most)} on the highest day`);
  return h("div", {}, picture, summary, table(days));
}

function column(day, { x, step, scale, labelled }) {
  const height = day.spend > 0 ? Math.max(2, day.spend * scale) : 0;
  const middle = x + step / 2;
  const group = svg("g", { class: day.today ? "today" : "" });
  group.append(svg("title", {}, `${day.date}: ${money(day.spend)}`));
  group.append(svg("rect", { class: "catch", x, y: 0, width: step, height: HEIGHT }));
  const width = step * 0.56;
  group.append(svg("rect", { class: "column", x: middle - width / 2, y: FLOOR - height, width, height, rx: 3 }));
  const label = day.today ? "Today" : String(Number(day.date.slice(8)));
  const place = day.today ? { x: x + step, class: "end" } : { x: middle };
  if (labelled) group.append(svg("text", { ...place, y: FLOOR + 19 }, label));
  return group;
}

function table(days) {
  const rows = days.map((day) => h("tr", {}, h("th", { scope: "row" }, day.date), h("td", {}, money(day.spend))));
  const head = h("tr", {}, h("th", { scope: "col" }, "Day"), h("th", { scope: "col" }, "Spend"));
  return h("table", { class: "unseen" }, h("caption", {}, "Spend a day"), h("thead", {}, head), h("tbody", {}, rows));
}

function spendByDay(usage) {
  const spends = new Map(usage.history.map((day) => [dayIn(day.day, usage.timezone), Number(day.cost)]));
  const today = dayIn(Date.now(), usage.timezone);
  spends.set(today, Math.max(spends.get(today) ?? 0, Number(usage.daily_spend.used)));
  return Array.from({ length: DAYS }, (_, place) => {
    const day = new Date(`${today}T00:00:00Z`);
    day.setUTCDate(day.getUTCDate() - (DAYS - 1 - place));
    const date = day.toISOString().slice(0, 10);
    return { date, spend: spends.get(date) ?? 0, today: date === today };
  });
}

// Without a history there are two windows: today, and the month that it is part of.
function thisMonth(usage) {
  const today = Number(usage.daily_spend.used);
  const earlier = Math.max(0, Number(usage.monthly_spend.used) - today);
  const parts = [
    ["Earlier this month", earlier, "earlier"],
    ["Today", today, "now"],
  ];
  const strip = h("div", { class: "strip", "aria-hidden": "true" });
  for (const [, spend, kind] of parts) {
    const part = h("span", { class: kind });
    part.style.flexGrow = String(spend / (today + earlier));
    if (spend > 0) strip.append(part);
  }
  return h(
    "div",
    {},
    strip,
    h(
      "dl",
      { class: "legend" },
      parts.map(([label, spend, kind]) => h("div", { class: kind }, h("dt", {}, label), h("dd", {}, money(spend)))),
    ),
    h(
      "p",
      { class: "facts" },
      "Past days cannot be shown: this ledger keeps the totals of today and of this month, and no history.",
    ),
  );
}
