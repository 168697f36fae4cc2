// The service's interface, as any client uses it. The key, where one is needed, stays in this tab.

import { at, own } from "./place.js";

const KEY = own("key");

export function setKey(key) {
  if (key) sessionStorage.setItem(KEY, key);
  else sessionStorage.removeItem(KEY);
}

export function hasKey() {
  return sessionStorage.getItem(KEY) !== null;
}

export class Problem extends Error {
  constructor(status, document) {
    const more = (document.errors ?? []).map((one) => `${one.pointer}: ${one.detail}`);
    super([document.title, document.detail, ...more].filter(Boolean).join(" "));
    this.status = status;
  }
}

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
  throw new Problem(response.status, document);
}

// Whoever draws the frame asks for another key when this one is refused.
async function ask(path, asked) {
  const key = sessionStorage.getItem(KEY);
  const response = await fetch(at(path), asked);
  const refused = response.status === 401 && key === sessionStorage.getItem(KEY);
  if (refused) dispatchEvent(new Event("querist-refused"));
  return answer(response);
}

export async function get(path, signal) {
  return (await ask(path, { headers: headers(), signal })).json();
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

// `again`: what does no harm when it is done twice needs no key, which costs the server two writes.
export async function post(path, body, again = false) {
  const more = { "Content-Type": "application/json", ...(again ? {} : { "Idempotency-Key": newKey() }) };
  const keepalive = document.visibilityState === "hidden"; // the tab may be gone before the answer
  const asked = { method: "POST", headers: headers(more), body: JSON.stringify(body), keepalive };
  return (await ask(path, asked)).json();
}

export async function blob(path, signal) {
  const response = await ask(path, { headers: headers(), signal });
  return response.blob();
}

export function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (n) => n.toString(16)).join("-");
}

// Server-sent events by fetch, since EventSource can send no key. Ends with the signal.
export async function follow(path, onEvent, onState, signal) {
  while (!signal.aborted) {
    try {
      const response = await ask(path, { headers: headers(), signal });
      onState(null);
      await read(response.body.getReader(), onEvent);
    } catch (error) {
      if (signal.aborted) return;
      onState(error);
      if (error instanceof Problem && [401, 403, 404].includes(error.status)) return;
    }
    await new Promise((resolve) => setTimeout(resolve, 2000));
  }
}

async function read(reader, onEvent) {
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += decoder.decode(value, { stream: true });
    const parts = text.split("\n\n");
    text = parts.pop();
    for (const part of parts) {
      const lines = part.split("\n");
      const data = lines.filter((line) => line.startsWith("data: "));
      const event = lines.find((line) => line.startsWith("event: "));
      if (data.length) {
        onEvent(event?.slice(7) ?? "", JSON.parse(data.map((line) => line.slice(6)).join("\n")));
      }
    }
  }
}
