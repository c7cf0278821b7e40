// Elements without markup: text given here is always text, whatever it looks like.

const SVG = "http://www.w3.org/2000/svg";

const ICONS = {
  alert: "M12 9v4m0 3.5v.01M10.3 3.9 2.4 17.6a2 2 0 0 0 1.7 3h15.8a2 2 0 0 0 1.7-3L13.7 3.9a2 2 0 0 0-3.4 0Z",
  back: "m15 5-7 7 7 7",
  check: "m5 12.5 4.5 4.5L19 7.5",
  close: "M6 6l12 12M18 6 6 18",
  copy: "M9 9h10v11H9zM5 15V4h10",
  forward: "m9 5 7 7-7 7",
  key: "M8.5 17a4.5 4.5 0 1 1 0-9 4.5 4.5 0 0 1 0 9Zm4.5-4.5h8m-3 0v3.5",
  plus: "M12 5v14M5 12h14",
  search: "M11 18a7 7 0 1 1 0-14 7 7 0 0 1 0 14Zm5-2 4.5 4.5",
};

/** An element with attributes, listeners (`onclick`), properties (`.value`) and children. */
export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same for drawings. */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

/** A small drawing that says nothing by itself. */
export function icon(name) {
  return svg("svg", { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true" }, svg("path", { d: ICONS[name] }));
}

/** A button; `kind` is "primary", "danger", "quiet" or nothing. */
export function button(label, onclick, { kind = "", symbol, ...attributes } = {}) {
  const picture = symbol ? icon(symbol) : null;
  return h("button", { type: "button", class: `button ${kind}`, onclick, ...attributes }, picture, label);
}

/** Tells people something in passing, also those who do not see it. */
export function tell(message) {
  const toast = document.getElementById("toast");
  toast.textContent = message;
  toast.classList.add("shown");
  clearTimeout(tell.timer);
  tell.timer = setTimeout(() => toast.classList.remove("shown"), 4000);
}

let last = 0;

/** A new id for a label to point at. */
export function newId() {
  last += 1;
  return `e${last}`;
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name.startsWith(".")) element[name.slice(1)] = value;
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat(9).filter((child) => child != null && child !== false));
  return element;
}
