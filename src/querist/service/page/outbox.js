// What was said of items, until the server has it on disk: kept in this browser, sent in order.

import { Problem, post } from "./api.js";

export class Outbox {
  constructor(pool, tell) {
    this.key = `querist-unsent-${pool}`;
    this.path = `/v1/pools/${pool}/labels`;
    this.tell = tell;
    this.sending = false;
    this.closed = false;
    this.most = 100; // 1 once something was refused, so that only that is given up
  }

  waiting() {
    return JSON.parse(localStorage.getItem(this.key) ?? "[]");
  }

  say(by, statement) {
    this.keep([...this.waiting(), { by, statement }]);
    this.send();
  }

  keep(list) {
    if (list.length) localStorage.setItem(this.key, JSON.stringify(list));
    else localStorage.removeItem(this.key);
  }

  next() {
    return first(this.waiting(), this.most);
  }

  async send() {
    if (this.sending) return;
    this.sending = true;
    for (let batch = this.next(); batch.length && !this.closed; batch = this.next()) {
      try {
        await post(this.path, { by: batch[0].by, labels: batch.map((one) => one.statement) });
        this.keep(this.waiting().slice(batch.length));
        this.tell(null);
      } catch (problem) {
        this.tell(problem);
        const refused = problem instanceof Problem && problem.status === 422;
        if (refused && batch.length === 1) this.keep(this.waiting().slice(1));
        if (refused) this.most = 1;
        await new Promise((resolve) => setTimeout(resolve, 1000));
      }
    }
    this.sending = false;
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
