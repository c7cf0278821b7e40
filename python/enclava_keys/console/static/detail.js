// One key: where it stands, what it may do, and what can be done to it.

import { api } from "./api.js";
import { bars } from "./bars.js";
import { chart } from "./chart.js";
import { ask, showSecret } from "./dialogs.js";
import { button, h, icon, tell } from "./dom.js";
import { FIELDS } from "./fields.js";
import { editKey } from "./form.js";
import { dateTime, money, percent, tokens } from "./format.js";
import { badge } from "./list.js";

const OVERLAPS = [
  [0, "At once", "The old secret stops working now."],
  [3600, "In 1 hour", "Both work for an hour."],
  [86400, "In 24 hours", "Both work for a day."],
  [604800, "In 7 days", "Both work for a week."],
];

/** The page of one key. `changed` gets it whenever it did, `gone` is called when it is deleted. */
export function detail({ changed, gone }) {
  const element = h(
    "div",
    { class: "detail" },
    h("div", { class: "skeleton", role: "status", "aria-label": "Loading the key" }, h("div"), h("div")),
  );
  const balances = h("div");
  const history = h("div");
  let told = "";

  function update(key, usage) {
    if (told !== JSON.stringify(key)) {
      const heading = element.contains(document.activeElement) && document.activeElement.tagName === "H1";
      element.replaceChildren(...page(key));
      if (heading) element.querySelector("h1").focus();
      told = JSON.stringify(key);
    }
    balances.replaceChildren(bars(usage, { threshold: key.alert_threshold, timeZone: key.timezone, full: true }));
    // Somebody may be reading the chart: it is drawn anew only when it says something else.
    const drawn = JSON.stringify([usage.history, usage.daily_spend.used, usage.monthly_spend.used]);
    if (history.dataset.drawn !== drawn) history.replaceChildren(chart(usage, history.clientWidth));
    history.dataset.drawn = drawn;
  }

  function page(key) {
    const revoked = key.state === "revoked";
    const actions = [
      button("Edit", () => editKey(key, (now) => done(now, "Changes saved"))),
      revoked ? null : button("Rotate", () => rotate(key)),
      revoked
        ? null
        : key.enabled
          ? button("Disable", () => turn(key, "disable", "Key disabled"))
          : button("Enable", () => turn(key, "enable", "Key enabled")),
    ];
    return [
      h("a", { class: "back", href: "#/" }, icon("back"), "API Keys"),
      h(
        "div",
        { class: "page-head" },
        h(
          "div",
          {},
          h("h1", { tabindex: "-1" }, key.name),
          h("p", { class: "lead" }, badge(key.state), h("code", {}, key.hint ?? "no hint")),
          key.description ? h("p", { class: "lead" }, key.description) : null,
        ),
        h("div", { class: "actions" }, actions),
      ),
      card("Usage", balances),
      card("Spend", history),
      card("Settings", settings(key)),
      card("Secrets", secrets(key)),
      danger(key, revoked),
    ];
  }

  function danger(key, revoked) {
    const stop = h(
      "div",
      { class: "row" },
      h("p", {}, h("strong", {}, "Revoke"), " Stops the key for good. Its record and its usage stay to be seen."),
      button("Revoke", () => revoke(key), { kind: "danger" }),
    );
    const remove = h(
      "div",
      { class: "row" },
      h("p", {}, h("strong", {}, "Delete"), " Removes the key, its record and its budgets."),
      button("Delete", () => discard(key), { kind: "danger" }),
    );
    return card("Danger zone", h("div", { class: "danger" }, revoked ? null : stop, remove));
  }

  function rotate(key) {
    const options = OVERLAPS.map(([seconds, label, help], place) =>
      h(
        "label",
        { class: "option" },
        h("input", { type: "radio", name: "overlap", value: seconds, checked: place === 0 }),
        h("span", {}, h("strong", {}, label), h("span", { class: "help" }, help)),
      ),
    );
    let made;
    ask({
      title: `Rotate ${key.name}`,
      text: ["The key gets a new secret, and keeps its settings, its budgets and what it has used of them."],
      extra: h("fieldset", { class: "options" }, h("legend", {}, "When does the old secret stop?"), options),
      action: "Rotate",
      act: async (form) => {
        made = await api.rotate(key.id, Number(form.elements.overlap.value));
        changed(made.key);
        showSecret("New secret created", made);
      },
    });
  }

  async function turn(key, verb, message) {
    try {
      done(await api.turn(key.id, verb), message);
    } catch (failure) {
      tell(`Not done: ${failure.message}`);
    }
  }

  function revoke(key) {
    ask({
      title: `Revoke ${key.name}?`,
      text: ["Requests with this key are refused from now on. This cannot be undone."],
      action: "Revoke",
      kind: "danger",
      act: async () => done(await api.turn(key.id, "revoke"), "Key revoked"),
    });
  }

  function discard(key) {
    ask({
      title: `Delete ${key.name}?`,
      text: ["The key, its settings and its budgets are removed. This cannot be undone."],
      action: "Delete",
      kind: "danger",
      typed: key.name,
      act: async () => {
        await api.remove(key.id);
        gone(key);
      },
    });
  }

  function done(key, message) {
    changed(key);
    tell(message);
  }

  return { element, update };
}

function card(title, content) {
  return h("section", { class: "card", "aria-label": title }, h("h2", {}, title), content);
}

function settings(key) {
  const rows = FIELDS.filter((field) => !["name", "description"].includes(field.name))
    .map((field) => [field.label, shown(field, key)]);
  rows.push(
    ["Id", h("code", {}, key.id)],
    ["Created", dateTime(key.created_at)],
    ["Changed", dateTime(key.updated_at)],
  );
  return h(
    "dl",
    { class: "settings" },
    rows.map(([label, value]) => h("div", {}, h("dt", {}, label), h("dd", {}, value))),
  );
}

function shown(field, key) {
  const value = key[field.name];
  switch (field.name) {
    case "daily_spend_limit":
    case "monthly_spend_limit":
      return value === null ? none("No limit") : money(value);
    case "daily_token_limit":
      return value === null ? none("No limit") : tokens(value);
    case "alert_threshold":
      return value === null ? none("No alerts") : percent(value);
    case "not_before":
    case "expires_at":
      return value === null ? none(field.name === "expires_at" ? "Never" : "At once") : dateTime(value);
    case "allowed_ips":
    case "allowed_endpoints":
      if (value === null) return none("All");
      break;
    case "prefix":
      return h("code", {}, value);
    default:
  }
  if (!Array.isArray(value)) return value || none(field.name === "purpose" ? "Any" : "None");
  if (!value.length) return none(field.name.startsWith("allowed") ? "All" : "None");
  return h("ul", { class: "chips", role: "list" }, value.map((part) => h("li", { class: "chip" }, part)));
}

function none(text) {
  return h("span", { class: "none" }, text);
}

function secrets(key) {
  const live = key.secrets.filter((secret) => secret.retires_at === null || new Date(secret.retires_at) > Date.now());
  const rows = live.map((secret) => {
    const ends = secret.retires_at ? `, stops ${dateTime(secret.retires_at)}` : "";
    const times = h("span", { class: "help" }, `created ${dateTime(secret.created_at)}${ends}`);
    return h("li", {}, h("code", {}, secret.hint ?? "no hint"), times);
  });
  return h("ul", { class: "secrets", role: "list" }, rows);
}
