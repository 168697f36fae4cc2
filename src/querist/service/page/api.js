// The service's interface, as any client uses it. The key, where one is needed, stays in this tab.

import { note, passes, patiently, pauseOf, wait } from "./patience.js";
import { at, own } from "./place.js";

const KEY = own("key");

export function setKey(key) {
  if (key) sessionStorage.setItem(KEY, key);
  else sessionStorage.removeItem(KEY);
}

export function hasKey() {
  return sessionStorage.getItem(KEY) !== null;
}

// `status` is 0 where there was no answer; `after`: seconds after which the server wants to be asked again.
export class Problem extends Error {
  constructor(status, document, after = 0) {
    const more = (document.errors ?? []).map((one) => `${one.pointer}: ${one.detail}`);
    super([document.title, document.detail, ...more].filter(Boolean).join(" "));
    this.status = status;
    this.after = after;
  }
}

const AWAY = { title: "The server cannot be reached." };
const SILENT = { title: "The server does not answer." };
const PATIENCE = 90_000; // milliseconds without an answer after which a request counts as lost
const QUIET = 45_000; // as long may a stream be silent: the server says every 15 s that it is there
const TRIES = 40_000; // as long is tried to do what somebody asked for

function headers(more = {}) {
  const key = sessionStorage.getItem(KEY);
  return key ? { ...more, Authorization: `Bearer ${key}` } : more;
}

async function answer(response) {
  if (response.ok) return response;
  let document = { title: `The server answered ${response.status}.` };
  try {
    document = await response.json();
  } catch {
    // no problem document: a proxy answered
  }
  throw new Problem(response.status, document, Number(response.headers.get("Retry-After")) || 0);
}

// A signal that ends with another one, and when nothing came for so long; `rest` begins the time anew.
function within(patience, signal) {
  const ending = new AbortController();
  let timer = null;
  const rest = () => {
    clearTimeout(timer);
    timer = setTimeout(() => ending.abort(new Problem(0, SILENT)), patience);
  };
  const over = () => ending.abort(signal.reason);
  signal?.addEventListener("abort", over);
  const free = () => {
    clearTimeout(timer);
    signal?.removeEventListener("abort", over);
  };
  if (signal?.aborted) over();
  rest();
  return { signal: ending.signal, rest, free };
}

// What goes wrong on the way is a TypeError, as any mistake of a program is.
function lost(error) {
  throw error instanceof TypeError ? new Problem(0, AWAY) : error;
}

// One try. Whoever draws the frame asks for another key when this one is refused.
async function ask(path, asked, read, time = within(PATIENCE, asked.signal)) {
  const key = sessionStorage.getItem(KEY);
  try {
    const response = await fetch(at(path), { ...asked, signal: time.signal }).catch(lost);
    time.rest();
    const refused = response.status === 401 && key === sessionStorage.getItem(KEY);
    if (refused) dispatchEvent(new Event("querist-refused"));
    return await read(await answer(response), time).catch(lost);
  } finally {
    time.free();
  }
}

const json = async (response) => response.json();

// All that only reads is asked for until it is there, or refused.
export function get(path, signal) {
  return patiently(() => ask(path, { headers: headers(), signal }, json), { signal });
}

// The items of all pages of a list.
export async function getAll(path) {
  const items = [];
  let after = "";
  while (after !== null) {
    const page = await get(`${path}?limit=1000&after=${after}`);
    items.push(...page.items);
    after = page.next;
  }
  return items;
}

// `again`: what does no harm when it is done twice needs no key, which costs the server two writes;
// whoever says so tries again himself.
export async function post(path, body, again = false) {
  const more = { "Content-Type": "application/json", ...(again ? {} : { "Idempotency-Key": newKey() }) };
  const text = JSON.stringify(body);
  const once = () => {
    const keepalive = document.visibilityState === "hidden"; // the tab may be gone before the answer
    return ask(path, { method: "POST", headers: headers(more), body: text, keepalive }, json);
  };
  return again ? once() : patiently(once, { most: TRIES });
}

// `most`: milliseconds after which it is given up, where somebody waits for it and can ask again.
export function blob(path, signal, most = Infinity) {
  const read = (response, time) => {
    time.free(); // a large file takes as long as it takes
    return response.blob();
  };
  return patiently(() => ask(path, { headers: headers(), signal }, read), { signal, most });
}

export function download(path) {
  return blob(path, undefined, TRIES);
}

export function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (n) => n.toString(16)).join("-");
}

// Server-sent events by fetch, since EventSource can send no key. Ends with the signal, or with a refusal,
// of which `onRefused` is told; a stream that breaks is taken up where it was.
export async function follow(path, onEvent, onRefused, signal) {
  const token = {};
  let last = "";
  const heard = (id, event, data) => {
    last = id || last;
    onEvent(event, data);
  };
  for (let tried = 0; !signal.aborted; tried += 1) {
    try {
      const more = last ? { "Last-Event-ID": last } : {};
      await ask(path, { headers: headers(more), signal }, async (response, time) => {
        note(token, null);
        tried = 0;
        await read(response.body.getReader(), heard, time);
      }, within(QUIET, signal));
    } catch (problem) {
      if (signal.aborted) break;
      if (problem.status >= 400 && problem.status < 500 && !passes(problem)) {
        note(token, null);
        onRefused(problem);
        return;
      }
      note(token, problem);
    }
    await wait(Math.max(2000, pauseOf(tried)), signal);
  }
  note(token, null);
}

async function read(reader, onEvent, time) {
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    time.rest();
    text += decoder.decode(value, { stream: true });
    const parts = text.split("\n\n");
    text = parts.pop();
    for (const part of parts) tell(part.split("\n"), onEvent);
  }
}

function tell(lines, onEvent) {
  const found = (name) => lines.filter((line) => line.startsWith(`${name}: `)).map((line) => line.slice(name.length + 2));
  const data = found("data");
  if (data.length) onEvent(found("id").at(-1) ?? "", found("event")[0] ?? "", JSON.parse(data.join("\n")));
}
