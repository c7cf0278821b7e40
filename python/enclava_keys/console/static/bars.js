// Where the three limits of a key stand.

import { h } from "./dom.js";
import { briefMoney, compactTokens, dateTime, money, tokens, until } from "./format.js";

const METERS = [
  { name: "daily_spend", label: "Daily spend", show: money, brief: briefMoney },
  { name: "monthly_spend", label: "Monthly spend", show: money, brief: briefMoney },
  { name: "daily_tokens", label: "Daily tokens", show: tokens, brief: compactTokens },
];

/** One bar for each limit; `full` also says what is set aside, what remains and when it resets. */
export function bars(usage, { threshold, timeZone, full = false }) {
  return h(
    "div",
    { class: full ? "bars full" : "bars" },
    METERS.map((meter) => bar(meter, usage[meter.name], { threshold, timeZone, full })),
  );
}

function bar(meter, balance, { threshold, timeZone, full }) {
  const [used, held] = [Number(balance.used), Number(balance.held)];
  const limit = balance.limit === null ? null : Number(balance.limit);
  const write = full ? meter.show : meter.brief;
  const amount = h("span", { class: "amount", title: String(balance.used) }, write(balance.used), " ");
  const most = h("span", { class: "of" }, limit === null ? "no limit" : `/ ${write(balance.limit)}`);
  const share = (part) => (limit === null ? 0 : limit === 0 ? 1 : Math.min(1, part / limit));
  const track = h("div", { class: "track" }, h("span", { class: "held" }), h("span", { class: "used" }));
  track.children[0].style.width = `${share(used + held) * 100}%`;
  track.children[1].style.width = `${share(used) * 100}%`;
  if (limit && threshold) {
    const mark = h("span", { class: "mark" });
    mark.style.left = `${threshold * 100}%`;
    track.append(mark);
  }
  const spoken = [
    limit === null
      ? `${meter.show(balance.used)} used, no limit`
      : `${meter.show(balance.used)} of ${meter.show(balance.limit)} used`,
    held ? `${meter.show(balance.held)} set aside for calls in flight` : null,
    `resets in ${until(balance.resets_at)}`,
  ];
  return h(
    "div",
    { class: `bar ${level(used, limit, threshold)}`, "data-meter": meter.name },
    h(
      "div",
      { class: "head" },
      h("span", { class: "label" }, meter.label),
      h("span", { class: "amounts" }, amount, most),
    ),
    h(
      "div",
      {
        role: "meter",
        "aria-label": meter.label,
        "aria-valuemin": 0,
        "aria-valuemax": 100,
        "aria-valuenow": Math.round(share(used) * 100),
        "aria-valuetext": spoken.filter(Boolean).join(", "),
      },
      track,
    ),
    full && details(meter, balance, held, timeZone),
  );
}

function details(meter, balance, held, timeZone) {
  const left = balance.remaining === null ? null : `${meter.show(balance.remaining, "floor")} left`;
  const inFlight = held ? `${meter.show(balance.held)} set aside for calls in flight` : null;
  const resets = h("span", { title: dateTime(balance.resets_at, timeZone) }, `resets in ${until(balance.resets_at)}`);
  const facts = [left, inFlight, resets].filter(Boolean);
  return h("p", { class: "facts" }, facts.map((fact, place) => (place ? [" · ", fact] : fact)));
}

function level(used, limit, threshold) {
  if (limit === null) return "open";
  if (used >= limit) return "spent";
  return threshold && used >= limit * threshold ? "near" : "";
}
