// Dialogs: the browser keeps the focus inside and gives it back; nothing else on the page is reachable.

import { button, h, icon, newId } from "./dom.js";

/** Opens a dialog. `stubborn` ones close by their own buttons alone. Answers with the element and how to close it. */
export function open(title, content, { stubborn = false, wide = false, onclose } = {}) {
  const heading = newId();
  const closer = stubborn
    ? null
    : h(
      "button",
      { type: "button", class: "button quiet round", "aria-label": "Close", onclick: () => dialog.close() },
      icon("close"),
    );
  const dialog = h(
    "dialog",
    {
      "aria-labelledby": heading,
      class: wide ? "wide" : "",
      "data-stubborn": stubborn,
      onclose: () => {
        dialog.remove();
        onclose?.();
      },
      oncancel: (event) => stubborn && event.preventDefault(),
      // Chromium closes on a second Escape whatever the first was answered with.
      onkeydown: (event) => stubborn && event.key === "Escape" && event.preventDefault(),
    },
    h("div", { class: "title" }, h("h2", { id: heading }, title), closer),
    content,
  );
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** Shows a secret, this once. */
export function showSecret(title, made) {
  const copied = h("span", { role: "status", class: "copied" });
  const label = newId();
  const field = h(
    "input",
    {
      class: "secret",
      readonly: true,
      "aria-labelledby": label,
      spellcheck: "false",
      ".value": made.api_key,
      onfocus: () => field.select(),
    },
  );
  const copy = button("Copy", () => copyText(field, copied), { kind: "primary", symbol: "copy" });
  const dialog = open(
    title,
    h(
      "div",
      { class: "body" },
      h("p", { id: label }, "Your API key for ", h("strong", {}, made.key.name)),
      h("div", { class: "copy" }, field, copy),
      copied,
      h(
        "p",
        { class: "notice warning" },
        icon("alert"),
        h("span", {}, h("strong", {}, "Important:"), " Copy the API key immediately - you won't see it again!"),
      ),
      h("div", { class: "actions" }, button("Done", () => dialog.close())),
    ),
    {
      stubborn: true,
      onclose: () => {
        field.value = "";
        removeEventListener("beforeunload", stay);
      },
    },
  );
  addEventListener("beforeunload", stay);
  copy.focus();
}

/** Asks before something is done. `typed` has to be typed in first. Where `act` fails, its message is shown instead. */
export function ask({ title, text, action, kind = "primary", typed, extra, act }) {
  const fault = h("p", { class: "fault", role: "alert", hidden: true });
  const go = button(action, null, { kind, type: "submit", disabled: typed !== undefined });
  const id = newId();
  const confirmation = typed === undefined ? null : h(
    "div",
    { class: "field" },
    h("label", { for: id }, "Type ", h("strong", {}, typed), " to confirm"),
    h(
      "input",
      {
        id,
        autocomplete: "off",
        spellcheck: "false",
        oninput: (event) => { go.disabled = event.target.value.trim() !== typed.trim(); },
      },
    ),
  );
  const form = h(
    "form",
    {
      class: "body",
      novalidate: true,
      onsubmit: async (event) => {
        event.preventDefault();
        if (go.disabled) return;
        go.disabled = true;
        try {
          await act(form);
          dialog.close();
        } catch (failure) {
          fault.textContent = explain(failure);
          fault.hidden = false;
          go.disabled = false;
        }
      },
    },
    text.map((line) => h("p", {}, line)),
    extra,
    confirmation,
    fault,
    h("div", { class: "actions" }, button("Cancel", () => dialog.close()), go),
  );
  const dialog = open(title, form);
}

/** What went wrong, as a sentence. */
export function explain(failure) {
  if (failure.status === 0) return "The server cannot be reached. Nothing was lost: try again.";
  if (failure.status === 412) {
    return "Somebody else changed this key meanwhile. Look at it again, and repeat your change.";
  }
  const text = failure.message || "something went wrong";
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

// The browser asks before it leaves a secret that nobody can show again.
function stay(event) {
  event.preventDefault();
}

async function copyText(field, copied) {
  field.focus();
  try {
    await navigator.clipboard.writeText(field.value);
  } catch {
    // Without https there is no clipboard but the old one.
    document.execCommand("copy");
  }
  copied.replaceChildren(icon("check"), "Copied to the clipboard");
}
