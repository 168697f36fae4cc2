// What a query picked, the most useful first.

import { get } from "./api.js";

export const MOST = 10_000; // of a query, the most useful ones

export async function picksOf(query, signal) {
  const found = [];
  for (let after = ""; after !== null && found.length < MOST; ) {
    const page = await get(`/v1/queries/${query}/picks?after=${after}`, signal);
    found.push(...page.items);
    after = page.next;
  }
  return found;
}
