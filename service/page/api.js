// Calls of this server. A key is asked for after a 401 alone; it is kept in this module's memory and nowhere else.

/** Where the API is: beside the page, also below a proxy's prefix. */
export const BASE = new URL("./", document.baseURI);

let key = null;
let keyWasWrong = false;
let asking = null;
let askForKey = async () => null;

/** `ask(wasWrong)` resolves to a key, or to null where none is given. */
export function onKeyNeeded(ask) {
  askForKey = ask;
}

/** Whether calls bring a key. */
export const hasKey = () => key !== null;

/** Headers that a call needs for the key. */
export const keyHeaders = () => (key ? { Authorization: `Bearer ${key}` } : {});

/** A problem+json answer as an error. */
export class ApiError extends Error {
  constructor(problem) {
    super(problem.detail || problem.title || "The server refused.");
    this.code = problem.code;
    this.status = problem.status;
    this.retryAfterMs = problem.retry_after_ms;
  }
}

/** The server was not reached. */
export class Unreachable extends Error {
  constructor() {
    super("The server does not answer.");
    this.code = "unreachable";
  }
}

/** A response that is ok; asks for a key where one is wanted. Raises ApiError, Unreachable. */
export async function call(path, options = {}) {
  for (;;) {
    const sent = key;
    const response = await reach(path, options);
    if (response.ok) return response;
    if (response.status !== 401) throw await problemOf(response);
    await refused(sent);
  }
}

/** What to do after a 401: ask for a key, once for all calls that wait. Raises ApiError where none is given. */
export async function refused(sent) {
  if (sent !== key) return; // another call has got one meanwhile
  keyWasWrong = key !== null;
  asking ??= askForKey(keyWasWrong).finally(() => (asking = null));
  const given = await asking;
  if (!given) throw new ApiError({ code: "unauthenticated", status: 401, detail: "This server wants an API key." });
  key = given;
}

export const currentKey = () => key;

async function reach(path, options) {
  const headers = { ...options.headers, ...keyHeaders() };
  try {
    return await fetch(new URL(path, BASE), { ...options, headers, cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Unreachable();
  }
}

export async function problemOf(response) {
  try {
    return new ApiError(await response.json());
  } catch {
    return new ApiError({ status: response.status, code: "http_error", detail: `The server answered ${response.status}.` });
  }
}

/** A JSON answer. */
export const json = async (path, options) => (await call(path, options)).json();

/** Options of a POST with a JSON body. */
export const posted = (body) => ({
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify(body),
});

/** Parameters that are set, as a query. */
export function query(parameters) {
  const set = Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return set.length ? `?${new URLSearchParams(set)}` : "";
}
