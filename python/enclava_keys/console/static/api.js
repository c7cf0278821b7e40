// The calls. The token is kept in this tab alone, and forgotten with it.

const KEYS = new URL("../api-internal/v1/api-keys", document.baseURI);
const TOKEN = "enclava.admin-token";

/** What a call was refused with. A status of 0 is a server that cannot be reached. */
export class Failure extends Error {
  constructor(status, { code = "unreachable", message = "the server cannot be reached", faults = [] } = {}) {
    super(message);
    Object.assign(this, { status, code, faults });
  }
}

export const session = {
  get token() {
    return sessionStorage.getItem(TOKEN);
  },
  begin(token) {
    sessionStorage.setItem(TOKEN, token);
  },
  end() {
    sessionStorage.removeItem(TOKEN);
  },
  /** What the token says about itself; the server alone judges it. */
  get claims() {
    try {
      const bytes = Uint8Array.from(atob(this.token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/")), (char) =>
        char.charCodeAt(0),
      );
      return JSON.parse(new TextDecoder().decode(bytes));
    } catch {
      return {};
    }
  },
};

export const api = {
  page: (after, limit) => call("GET", "", { query: { usage: true, limit, ...(after ? { after } : {}) } }),
  create: (fields) => call("POST", "", { body: fields }),
  key: (id) => call("GET", path(id)),
  usage: (id) => call("GET", path(id, "usage")),
  update: (key, changes, widen) =>
    call("PATCH", path(key.id), { body: changes, query: { widen }, headers: { "If-Match": `"${key.revision}"` } }),
  rotate: (id, overlap) => call("POST", path(id, "rotate"), { body: { overlap } }),
  turn: (id, verb) => call("POST", path(id, verb)),
  remove: (id) => call("DELETE", path(id)),
};

function path(id, verb) {
  return `/${encodeURIComponent(id)}${verb ? `/${verb}` : ""}`;
}

async function call(method, place, { query = {}, body, headers = {} } = {}) {
  const url = new URL(KEYS.href + place);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, String(value));
  const request = { method, cache: "no-store", credentials: "omit", redirect: "error" };
  request.headers = { ...headers, Authorization: `Bearer ${session.token}` };
  if (body !== undefined) {
    request.body = JSON.stringify(body);
    request.headers["Content-Type"] = "application/json";
  }
  let answer;
  try {
    answer = await fetch(url, request);
  } catch {
    throw new Failure(0);
  }
  const told = await answer.json().catch(() => ({}));
  if (answer.ok) return told;
  const failure = new Failure(answer.status, told.error ?? { code: "unknown", message: `status ${answer.status}` });
  if (answer.status === 401) dispatchEvent(new Event("signed-out"));
  throw failure;
}
