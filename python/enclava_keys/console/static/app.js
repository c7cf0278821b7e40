// Signing in, finding the way, and keeping what is shown up to date.

import { api, session } from "./api.js";
import { detail } from "./detail.js";
import { explain } from "./dialogs.js";
import { button, h, icon, tell } from "./dom.js";
import { createKey } from "./form.js";
import { until } from "./format.js";
import { list } from "./list.js";

const EVERY = 4000;
const PAGE = 200;

const main = document.getElementById("main");
const offline = document.getElementById("offline");
let pages = 1;
let view = null;
let timer = 0;
let turn = 0;

addEventListener("hashchange", () => route());
addEventListener("signed-out", () => signIn("Your session has ended, or this token is not valid. Sign in to go on."));
addEventListener("online", () => refresh());
document.addEventListener("visibilitychange", () => document.hidden || refresh());
if (session.token) route();
else signIn();

function route() {
  if (!session.token) return;
  closeDialogs();
  showSession();
  // Ids need no escapes, so what a stranger's link holds is passed on as it is.
  const id = location.hash.match(/^#\/keys\/(.+)$/)?.[1];
  view = id ? keyView(id) : listView();
  main.replaceChildren(view.element);
  document.title = "API Keys · Enclava";
  view.element.querySelector("h1")?.focus({ preventScroll: true });
  scrollTo(0, 0);
  refresh();
}

function listView() {
  const shown = list({
    create: () => createKey(() => refresh()),
    loadMore: () => {
      pages += 1;
      refresh();
    },
  });
  return {
    element: shown.element,
    async refresh(current) {
      const found = new Map();
      let after = null;
      for (let page = 0; page < pages && (page === 0 || after); page += 1) {
        const answer = await api.page(after, PAGE);
        for (const key of answer.keys) found.set(key.id, key);
        after = answer.next;
      }
      if (!current()) return;
      shown.update(found.values(), after !== null);
    },
  };
}

function keyView(id) {
  const shown = detail({
    changed: () => refresh(),
    gone: (key) => {
      tell(`${key.name} deleted`);
      location.hash = "#/";
    },
  });
  let first = true;
  return {
    element: shown.element,
    async refresh(current) {
      const [key, usage] = await Promise.all([api.key(id), api.usage(id)]);
      if (!current()) return;
      shown.update(key, usage);
      document.title = `${key.name} · API Keys · Enclava`;
      if (first) shown.element.querySelector("h1").focus({ preventScroll: true });
      first = false;
    },
  };
}

// One refresh after the other; what an older one learns late is not shown.
async function refresh() {
  clearTimeout(timer);
  turn += 1;
  const [mine, shown] = [turn, view];
  if (!shown) return;
  try {
    await shown.refresh(() => mine === turn);
    if (mine === turn) offline.hidden = true;
    showTimeLeft();
  } catch (failure) {
    if (mine === turn) trouble(failure, shown);
  }
  if (mine === turn && view === shown && !document.hidden) timer = setTimeout(refresh, EVERY);
}

function trouble(failure, shown) {
  if (failure.status === 401) return;
  if (failure.status === 404) {
    shown.element.replaceChildren(message(
      "There is no such key",
      "It may have been deleted.",
      h("a", { class: "button", href: "#/" }, "Back to API Keys"),
    ));
    view = null;
    return;
  }
  if (shown.element.querySelector(".skeleton")) {
    shown.element.querySelector(".skeleton").replaceWith(message(
      "The keys cannot be shown",
      explain(failure),
      button("Try again", () => route()),
    ));
  }
  offline.textContent = failure.status === 0
    ? "No connection to the server. Trying again…"
    : `Not up to date: ${failure.message}. Trying again…`;
  offline.hidden = false;
}

function message(title, text, action) {
  return h(
    "div",
    { class: "empty" },
    h("div", { class: "disc" }, icon("alert")),
    h("h2", {}, title),
    h("p", {}, text),
    action,
  );
}

function signIn(reason = "") {
  clearTimeout(timer);
  turn += 1;
  view = null;
  session.end();
  closeDialogs();
  showSession();
  offline.hidden = true;
  const fault = h("p", { class: "fault", role: "alert", id: "sign-in-fault" }, reason);
  const input = h(
    "input",
    { id: "token", type: "password", autocomplete: "off", "aria-describedby": "token-help sign-in-fault" },
  );
  main.replaceChildren(
    h(
      "form",
      {
        class: "sign-in card",
        novalidate: true,
        onsubmit: async (event) => {
          event.preventDefault();
          const token = input.value.trim();
          // What is no token cannot even be sent.
          if (!/^[\w-]+\.[\w-]+\.[\w-]+$/.test(token)) {
            fault.textContent = token
              ? "This is not a token: it looks like eyJ….eyJ….…, in three parts."
              : "Paste your admin token.";
            input.focus();
            return;
          }
          session.begin(token);
          try {
            await api.page(null, 1);
            route();
          } catch (failure) {
            if (failure.status === 401) return;
            session.end();
            fault.textContent = explain(failure);
          }
        },
      },
      h("div", { class: "disc" }, icon("key")),
      h("h1", { tabindex: "-1" }, "Sign in to API Keys"),
      h(
        "div",
        { class: "field" },
        h("label", { for: "token" }, "Admin token"),
        input,
        h(
          "p",
          { class: "help", id: "token-help" },
          "The JWT that your gateway gives its admins. It stays in this tab and is forgotten when you close it.",
        ),
      ),
      fault,
      button("Sign in", null, { kind: "primary", type: "submit" }),
    ),
  );
  input.focus();
}

function showSession() {
  const place = document.getElementById("session");
  document.querySelector(".shell").classList.toggle("out", !session.token);
  place.hidden = !session.token;
  if (!session.token) return;
  const who = h("p", {}, h("span", {}, session.claims.sub ?? "admin"), h("span", { class: "help", id: "time-left" }));
  place.replaceChildren(who, button("Sign out", () => signOut(), { kind: "quiet" }));
  showTimeLeft();
}

function showTimeLeft() {
  const { exp } = session.claims;
  const place = document.getElementById("time-left");
  if (place && exp) place.textContent = `${until(exp * 1000)} left`;
}

function signOut() {
  signIn();
  tell("Signed out");
}

function closeDialogs() {
  // A secret that was not copied yet stays, whatever else happens.
  for (const dialog of document.querySelectorAll("dialog:not([data-stubborn])")) dialog.close();
}
