// The list of keys.

import { bars } from "./bars.js";
import { button, h, icon } from "./dom.js";

const STATES = {
  active: "Active",
  disabled: "Disabled",
  revoked: "Revoked",
  expired: "Expired",
  not_yet_valid: "Not yet valid",
};

export function badge(state) {
  return h("span", { class: `badge ${state}` }, STATES[state] ?? state);
}

/** The list; `update(keys, more)` shows what there is now and keeps the focus where it was. */
export function list({ create, loadMore }) {
  const rows = new Map();
  const items = h("ul", { class: "keys", role: "list" });
  const count = h("p", { class: "count", role: "status" });
  const nothing = h("p", { class: "empty-filter", hidden: true }, "No key matches.");
  const filter = h("input", {
    type: "search",
    placeholder: "Filter by name, hint, model or tag",
    "aria-label": "Filter keys",
    autocomplete: "off",
    spellcheck: "false",
    oninput: () => apply(),
  });
  const more = button("Show more keys", () => loadMore());
  const tools = h("div", { class: "tools" }, h("div", { class: "search" }, icon("search"), filter), count);
  const content = h("div", {}, skeleton());
  const element = h(
    "div",
    {},
    h(
      "div",
      { class: "page-head" },
      h(
        "div",
        {},
        h("h1", { tabindex: "-1" }, "API Keys"),
        h("p", { class: "lead" }, "API keys are required to access Enclava's public API endpoints."),
      ),
      button("Create API Key", create, { kind: "primary", symbol: "plus" }),
    ),
    content,
  );

  function apply() {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const { key, row } of rows.values()) {
      const { name, description, hint, id, state, purpose, allowed_models, tags } = key;
      const told = [name, description, hint, id, state, purpose, ...allowed_models, ...tags];
      const text = told.join(" ").toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      shown += row.hidden ? 0 : 1;
    }
    nothing.hidden = shown > 0;
    count.textContent = words.length
      ? `${shown} of ${rows.size} keys`
      : `${rows.size} ${rows.size === 1 ? "key" : "keys"}`;
  }

  function update(keys, hasMore) {
    const sorted = [...keys].sort(newestFirst);
    const gone = new Set(rows.keys());
    sorted.forEach((key, place) => {
      gone.delete(key.id);
      const known = rows.get(key.id);
      const row = known?.row ?? h("li", { class: "key" });
      row.classList.toggle("off", key.state !== "active");
      // A row is written anew only when something about it changed, and its link only when the name did.
      const told = JSON.stringify(key);
      if (known?.told !== told) describe(row, key);
      rows.set(key.id, { key, row, told });
      if (items.children[place] !== row) items.insertBefore(row, items.children[place] ?? null);
    });
    for (const id of gone) {
      rows.get(id).row.remove();
      rows.delete(id);
    }
    const shown = sorted.length ? [tools, items, nothing, ...(hasMore ? [more] : [])] : [empty(create)];
    const same = sorted.length
      ? shown.length === content.children.length && shown.every((part, place) => part === content.children[place])
      : content.querySelector(".empty");
    if (!same) content.replaceChildren(...shown);
    apply();
  }

  return { element, update };
}

function newestFirst(one, other) {
  return other.created_at.localeCompare(one.created_at) || other.id.localeCompare(one.id);
}

function describe(row, key) {
  const link = row.querySelector("a") ?? h("a", { href: `#/keys/${key.id}` });
  if (link.textContent !== key.name) link.textContent = key.name;
  const name = row.querySelector(".who") ?? h("div", { class: "who" }, h("h2", {}, link), h("p", {}));
  name.lastChild.replaceChildren(
    h("code", {}, key.hint ?? "no hint"),
    key.description ? h("span", {}, key.description) : "",
  );
  const rest = [h("div", { class: "state" }, badge(key.state)), models(key), usage(key), icon("forward")];
  if (name.parentNode !== row) row.append(name);
  while (name.nextSibling) name.nextSibling.remove();
  row.append(...rest);
}

function usage(key) {
  return bars(key.usage, { threshold: key.alert_threshold, timeZone: key.timezone });
}

export function models(key) {
  if (!key.allowed_models.length) {
    return h("p", { class: "models all" }, key.denied_models.length ? "All models but some" : "All models");
  }
  const [first, second, ...others] = key.allowed_models;
  const shown = [first, second].filter(Boolean).map((model) => h("li", { class: "chip", title: model }, model));
  if (others.length) shown.push(h("li", { class: "chip more", title: others.join(", ") }, `+${others.length}`));
  return h("ul", { class: "models", role: "list", "aria-label": "Allowed models" }, shown);
}

function empty(create) {
  return h(
    "div",
    { class: "empty" },
    h("div", { class: "disc" }, icon("key")),
    h("h2", {}, "No API keys yet"),
    h("p", {}, "Create a key for each app, bot or tool: each with the models it may use and the budget it may spend."),
    button("Create API Key", create, { kind: "primary", symbol: "plus" }),
  );
}

function skeleton() {
  return h("div", { class: "skeleton", role: "status", "aria-label": "Loading keys" }, [1, 2, 3].map(() => h("div")));
}
