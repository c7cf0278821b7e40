// The form that creates a key or changes one.

import { api } from "./api.js";
import { ask, explain, open, showSecret } from "./dialogs.js";
import { button, h, newId } from "./dom.js";
import { FIELDS, GROUPS, split } from "./fields.js";
import { sentence } from "./format.js";

/** Opens the form for a new key; `done` gets the key. */
export function createKey(done) {
  const form = build({
    action: "Create",
    submit: async (controls) => {
      const filled = controls.filter((control) => control.input.value.trim() !== "");
      const made = await api.create(Object.fromEntries(filled.map((control) => [control.field.name, control.value()])));
      done(made.key);
      return () => showSecret("API key created", made);
    },
  });
  form.dialog = open("Create API Key", form, { wide: true });
  form.querySelector("input").focus();
}

/** Opens the form for `key`; `done` gets it as it has become. */
export function editKey(key, done) {
  const form = build({
    key,
    action: "Save changes",
    submit: async (controls) => {
      const changed = controls.filter((control) => control.input.value !== control.before);
      if (changed.length === 0) return null;
      const changes = Object.fromEntries(changed.map((control) => [control.field.name, control.value()]));
      try {
        done(await api.update(key, changes, false));
      } catch (failure) {
        if (failure.code !== "would_widen") throw failure;
        askToWiden(failure, async () => {
          done(await api.update(key, changes, true));
          form.dialog.close();
        });
        return undefined;
      }
      return null;
    },
  });
  form.dialog = open(`Edit ${key.name}`, form, { wide: true });
  form.querySelector("input").focus();
}

function askToWiden(failure, act) {
  const words = failure.message.match(/\w+/g);
  const named = FIELDS.filter((field) => words.includes(field.name)).map((field) => field.label);
  ask({
    title: "Allow more than before?",
    text: [
      `This change loosens ${named.join(", ") || "the key"}: requests that were refused until now could be admitted.`,
    ],
    action: "Allow and save",
    act,
  });
}

// `submit` answers with what to do once the form is closed; undefined keeps it open.
function build({ key, action, submit }) {
  const general = h("p", { class: "fault", role: "alert", hidden: true });
  const controls = [];
  const go = button(action, null, { kind: "primary", type: "submit" });
  const form = h(
    "form",
    {
      class: "key-form",
      novalidate: true,
      onsubmit: async (event) => {
        event.preventDefault();
        if (go.disabled) return;
        clear(controls, general);
        go.disabled = true;
        try {
          const next = await submit(controls);
          if (next !== undefined) form.dialog.close();
          next?.();
        } catch (failure) {
          mark(controls, general, failure);
        } finally {
          go.disabled = false;
        }
      },
    },
    h("div", { class: "body" }, GROUPS.map((group) => section(group, key, controls))),
    h("div", { class: "actions" }, general, button("Cancel", () => form.dialog.close()), go),
  );
  return form;
}

function section(group, key, controls) {
  const fields = group.fields.map((field) => {
    const made = control(field, key);
    controls.push(made);
    return made.element;
  });
  const grid = h("div", { class: group.columns ? "fields two" : "fields" }, fields);
  const note = group.note ? h("p", { class: "help" }, group.note) : null;
  if (!group.folded) return h("fieldset", {}, h("legend", {}, group.title), grid, note);
  const set = key && group.fields.some((field) => !["", "UTC"].includes(field.read(key[field.name])));
  return h("details", { open: set }, h("summary", {}, group.title), grid);
}

function control(field, key) {
  const [id, help, fault] = [newId(), newId(), newId()];
  const before = key ? field.read(key[field.name]) : "";
  const input = h(field.rows || field.list ? "textarea" : "input", {
    id,
    name: field.name,
    type: field.rows || field.list ? null : (field.type ?? "text"),
    rows: field.rows ?? (field.list ? 1 : null),
    "aria-describedby": `${help} ${fault}`,
    "aria-required": field.required ? "true" : null,
    ...field.input,
    ".value": before,
    ".disabled": Boolean(key && field.once),
  });
  const message = h("p", { class: "fault", id: fault });
  const parts = h("ul", { class: "chips", "aria-label": `${field.label}, one by one` });
  const echo = h("span", { class: "echo", "aria-hidden": "true" });
  const refresh = () => {
    if (field.list) parts.replaceChildren(...split(input.value).map((part) => h("li", { class: "chip" }, part)));
    if (field.echo) echo.textContent = field.echo(Number(input.value));
    parts.hidden = !field.list || !parts.children.length;
  };
  input.addEventListener("input", refresh);
  // Return ends a form, also where it could begin a second line.
  if (field.list) input.addEventListener("keydown", submitOnEnter);
  refresh();
  const made = { field, input, before, message, value: () => field.write(input.value) };
  made.element = h(
    "div",
    { class: "field", "data-field": field.name },
    h("label", { for: id }, field.label, field.required ? h("span", { class: "required" }, " required") : null),
    h("div", { class: field.unit ? "entry unit" : "entry", "data-unit": field.unit }, input, echo),
    h("p", { class: "help", id: help }, field.help, key && field.once ? ". It cannot be changed." : null),
    field.examples && !key ? examples(field, input) : null,
    parts,
    message,
    field.zones ? zones(input) : null,
  );
  return made;
}

function submitOnEnter(event) {
  if (event.key !== "Enter") return;
  event.preventDefault();
  event.target.form.requestSubmit();
}

function examples(field, input) {
  const use = (text) => {
    input.value = text;
    input.focus();
  };
  const choices = field.examples.map(([text, purpose]) => {
    const told = { title: purpose, "aria-label": `${text}, for: ${purpose}` };
    return h("button", { type: "button", class: "chip", ...told, onclick: () => use(text) }, text);
  });
  return h(
    "div",
    { class: "examples", role: "group", "aria-label": "Naming examples" },
    h("span", { class: "help" }, "For example"),
    choices,
  );
}

function zones(input) {
  const id = newId();
  input.setAttribute("list", id);
  return h("datalist", { id }, Intl.supportedValuesOf("timeZone").map((zone) => h("option", { value: zone })));
}

function clear(controls, general) {
  general.hidden = true;
  for (const { input, message } of controls) {
    input.removeAttribute("aria-invalid");
    message.textContent = "";
  }
}

// Each fault beside its field, and the first of those fields where the eyes are.
function mark(controls, general, failure) {
  const loose = [];
  for (const { path, message } of failure.faults ?? []) {
    const [, name, place] = path.split("/");
    const control = controls.find(({ field }) => field.name === name);
    if (!control) {
      loose.push(path ? `${path}: ${message}` : sentence(message));
      continue;
    }
    const part = place === undefined ? control.field.label : `“${split(control.input.value)[place] ?? place}”`;
    control.message.append(h("span", {}, sentence(`${part} ${message}`)), " ");
    control.input.setAttribute("aria-invalid", "true");
  }
  const wrong = controls.filter(({ input }) => input.getAttribute("aria-invalid"));
  if (wrong.length) {
    loose.unshift(
      wrong.length === 1 ? "One field needs your attention." : `${wrong.length} fields need your attention.`,
    );
    const folded = wrong[0].input.closest("details");
    if (folded) folded.open = true;
    wrong[0].input.focus();
  }
  general.textContent = loose.length ? loose.join(" ") : explain(failure);
  general.hidden = false;
}
