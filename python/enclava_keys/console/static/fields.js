// The fields of a key: how each is called, explained, read from a record and written into one.

import { percent } from "./format.js";

const TEXT = {
  read: (value) => value ?? "",
  write: (text) => text.trim() || null,
};
// What is no number is sent as it was typed: the core says what is wrong with it.
const AMOUNT = {
  input: { inputmode: "decimal", autocomplete: "off" },
  read: (value) => (value === null ? "" : String(value)),
  write: (text) => text.trim() || null,
};
const COUNT = {
  input: { inputmode: "numeric", autocomplete: "off" },
  read: (value) => (value === null ? "" : String(value)),
  write(text) {
    const digits = text.trim();
    return /^\d+$/.test(digits) && Number.isSafeInteger(Number(digits)) ? Number(digits) : digits || null;
  },
};
const LIST = {
  input: { autocomplete: "off", autocapitalize: "off", spellcheck: "false" },
  list: true,
  read: (value) => (value ?? []).join(", "),
  write: (text) => split(text),
};
const LIST_OR_ALL = { ...LIST, write: (text) => (split(text).length ? split(text) : null) };
const TIME = {
  type: "datetime-local",
  read(value) {
    if (!value) return "";
    const at = new Date(value);
    return new Date(at - at.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
  },
  write: (text) => (text ? new Date(text).toISOString() : null),
};

export const EXAMPLE_NAMES = [
  ["dev-app-v1", "Development environment"],
  ["prod-web-app", "Production web app"],
  ["chatbot-widget-frontend", "Chatbot widget"],
  ["internal-data-processor", "Internal tool"],
  ["test-script-automation", "Testing"],
];

export const GROUPS = [
  {
    title: "Basic Settings",
    fields: [
      {
        ...TEXT,
        name: "name",
        label: "Name",
        help: "Descriptive name (e.g., “Production App”, “Dev Bot”)",
        required: true,
        examples: EXAMPLE_NAMES,
        input: { autocomplete: "off" },
      },
      { ...TEXT, name: "description", label: "Description", help: "Optional additional information", rows: 2 },
      {
        ...TEXT,
        name: "prefix",
        label: "Prefix",
        help: "Auto-generated prefix (default: en_)",
        once: true,
        input: { placeholder: "en_", autocomplete: "off", autocapitalize: "off", spellcheck: "false" },
      },
    ],
  },
  {
    title: "Model Access",
    fields: [
      {
        ...LIST,
        name: "allowed_models",
        label: "Allowed Models",
        help:
          "Leave empty for all models, or specify (e.g., gpt-4,gpt-3.5-turbo). " +
          "Names match exactly, case-sensitive; one * may end a name.",
      },
      {
        ...TEXT,
        name: "purpose",
        label: "Purpose",
        help: "Restrict key to specific use cases",
        input: { autocomplete: "off", autocapitalize: "off" },
      },
    ],
  },
  {
    title: "Budget Limits",
    columns: true,
    fields: [
      {
        ...AMOUNT,
        name: "daily_spend_limit",
        label: "Daily Spend Limit",
        unit: "$",
        help: "Maximum spend per day (e.g., 10.00)",
      },
      {
        ...AMOUNT,
        name: "monthly_spend_limit",
        label: "Monthly Spend Limit",
        unit: "$",
        help: "Maximum spend per month (e.g., 300.00)",
      },
      {
        ...COUNT,
        name: "daily_token_limit",
        label: "Daily Token Limit",
        help: "Maximum tokens per day (e.g., 100000)",
      },
      {
        ...AMOUNT,
        name: "alert_threshold",
        label: "Alert Threshold",
        help: "Percentage at which to send alerts (e.g., 0.8 for 80%)",
        echo: (text) => (text > 0 && text <= 1 ? percent(text) : ""),
      },
    ],
    note: "Leave a limit empty for none. 0 allows nothing.",
  },
  {
    title: "More restrictions",
    folded: true,
    fields: [
      { ...LIST, name: "denied_models", label: "Denied Models", help: "Never these, whatever is allowed" },
      {
        ...LIST_OR_ALL,
        name: "allowed_ips",
        label: "Allowed Addresses",
        help: "Addresses and networks, such as 203.0.113.7, 10.0.0.0/8. Leave empty for all.",
      },
      {
        ...LIST_OR_ALL,
        name: "allowed_endpoints",
        label: "Allowed Endpoints",
        help: "Such as /v1/chat/completions or /v1/*. Leave empty for all.",
      },
      { ...TIME, name: "not_before", label: "Valid From", help: "In your local time. Leave empty for at once." },
      { ...TIME, name: "expires_at", label: "Expires", help: "In your local time. Leave empty for never." },
      {
        ...TEXT,
        name: "timezone",
        label: "Time Zone",
        help: "Whose midnight ends a day, such as Europe/Berlin (default: UTC)",
        zones: true,
        input: { autocomplete: "off" },
      },
      { ...LIST, name: "tags", label: "Tags", help: "Labels of your own" },
    ],
  },
];

export const FIELDS = GROUPS.flatMap((group) => group.fields);

/** The parts of comma-separated text (or lines), without blanks. */
export function split(text) {
  return text
    .split(/[,\n]/)
    .map((part) => part.trim())
    .filter(Boolean);
}
