// What was said of items, until the server has it on disk: kept in this browser, sent in order.
// What the server refuses is kept too, to be corrected.

import { Problem, post } from "./api.js";
import { wait } from "./patience.js";
import { own } from "./place.js";

const REFUSED = [400, 404, 413, 422]; // the same would be refused again
const LATE_MS = 5000; // so long without an answer is said
const LONGEST_MS = 5000; // between two tries
let count = 0;

// `name`: whose statements these are. `body`: what is sent of some that go together, `most` of them.
// `delay`: so many milliseconds a statement can be taken back, before it is sent.
export class Outbox {
  constructor({ name, path, body, tell, most = 100, delay = 0 }) {
    Object.assign(this, { path, body, tell, delay });
    this.key = own(`unsent-${name}-`);
    this.lock = own(`sends-${name}`);
    this.largest = most;
    this.most = most; // 1 while what was refused is looked for
    this.sending = false;
    this.closed = false;
    this.hurry = false;
    this.timer = null;
  }

  // Each statement under a key of its own, so that tabs do not write over each other's.
  all() {
    const keys = Object.keys(localStorage).filter((key) => key.startsWith(this.key));
    return keys.sort().flatMap((key) => {
      const text = localStorage.getItem(key); // null when another tab has just sent it
      return text === null ? [] : [{ ...JSON.parse(text), key }];
    });
  }

  waiting() {
    return this.all().filter((one) => !one.refused);
  }

  refused() {
    return this.all().filter((one) => one.refused);
  }

  say(by, statement, name) {
    const at = [Date.now(), performance.now() * 1000, count++];
    const key = this.key + at.map((one) => String(Math.floor(one)).padStart(14, "0")).join("-");
    localStorage.setItem(key, JSON.stringify({ by, statement, name, at: Date.now() }));
    this.send();
    return key;
  }

  // Nothing of this is taken back any more.
  async flush() {
    this.hurry = true;
    await this.send();
    this.hurry = false;
  }

  // Take back what was not sent yet; whether it could be.
  recall(key) {
    const found = this.waiting().find((one) => one.key === key);
    if (found) this.drop([found]);
    return Boolean(found);
  }

  due() {
    const now = Date.now();
    const age = (one) => Math.abs(now - (one.at ?? 0)); // a clock that was set back delays nothing
    return this.waiting().filter((one) => this.hurry || age(one) >= this.delay);
  }

  drop(list) {
    for (const one of list) localStorage.removeItem(one.key);
  }

  refuse({ key, ...one }, problem) {
    localStorage.setItem(key, JSON.stringify({ ...one, refused: problem.message }));
  }

  async send() {
    if (this.sending) return;
    this.sending = true;
    try {
      // One tab at a time, so that nothing is sent twice or out of order.
      if (navigator.locks) await navigator.locks.request(this.lock, () => this.sendAll());
      else await this.sendAll();
    } finally {
      this.sending = false;
    }
    if (this.closed) return;
    if (this.due().length) this.send();
    else if (this.waiting().length) {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.send(), Math.min(1000, this.delay));
    }
  }

  async sendAll() {
    let failed = 0; // times in a row
    for (let batch = this.next(); batch.length && !this.closed; batch = this.next()) {
      const late = setTimeout(() => this.tell(new Error("The server takes long to answer.")), LATE_MS);
      try {
        await post(this.path, this.body(batch), true).finally(() => clearTimeout(late));
        failed = 0;
        this.drop(batch);
        this.most = Math.min(this.largest, this.most * 2);
        this.tell(null);
      } catch (problem) {
        const refused = problem instanceof Problem && REFUSED.includes(problem.status);
        if (refused && batch.length === 1) this.refuse(batch[0], problem);
        if (refused) this.most = 1;
        this.tell(refused ? null : problem);
        if (!refused) await wait(Math.min(LONGEST_MS, 1000 * 1.5 ** failed++));
      }
    }
  }

  next() {
    return first(this.due(), this.most);
  }
}

// Those from the beginning that can go together: of one person, and no item twice.
function first(list, most) {
  const ids = new Set();
  const batch = [];
  for (const one of list) {
    if (one.by !== list[0].by || ids.has(one.statement.id) || batch.length === most) break;
    ids.add(one.statement.id);
    batch.push(one);
  }
  return batch;
}
