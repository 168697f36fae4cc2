// The items that wait for this person, and what was said; outside of what is drawn.

import { useEffect, useRef, useState } from "./vendor/hooks.js";
import { blob, get, newKey, post } from "./api.js";
import { BoxKeys } from "./boxes.js";
import { shown } from "./content.js";
import { Draft } from "./draft.js";
import { Outbox } from "./outbox.js";
import { passes } from "./patience.js";
import { picksOf } from "./picks.js";
import { SpanKeys } from "./spans.js";
import { nameOf } from "./view.js";

const AHEAD = 8; // items that are held
const AGAIN_MS = 2000; // until items are asked for again where they did not come

export function holder() {
  const found = sessionStorage.getItem("querist-holder") ?? newKey();
  sessionStorage.setItem("querist-holder", found);
  return found;
}

export class Work {
  constructor(pool, which, by, query, draw) {
    this.pool = pool.id;
    this.which = which; // which items: unlabelled, second (opinions), disputed
    this.by = by;
    this.query = query; // whose picks alone are wanted, the most useful first; "" for all items
    this.picks = null; // their ids
    this.opinions = new Map(); // of disputed items: by annotator his label
    this.draw = draw;
    this.items = [];
    this.said = []; // {item, value}, for undo
    this.trouble = null;
    this.asking = false;
    this.empty = false;
    this.outbox = new Outbox({
      name: this.pool,
      path: `/v1/pools/${this.pool}/labels`,
      body: (batch) => ({ by: batch[0].by, labels: batch.map((one) => one.statement) }),
      tell: (problem) => this.troubled(problem),
    });
    this.done = new Set(this.outbox.all().map((one) => one.statement.id));
    this.pictures = new Map();
    this.seen = new Set(); // ids of items whose content is here
    this.draft = new Draft(pool.task, this.pool, draw);
    this.editor = null; // of the first item, once it is there
    this.outbox.send();
  }

  troubled(problem) {
    this.trouble = problem;
    this.draw();
  }

  async fill() {
    if (this.asking || this.outbox.closed) return;
    this.asking = true;
    const { by } = this;
    try {
      const number = Math.min(100, AHEAD + this.outbox.waiting().length);
      const asked = { holder: holder(), number, which: this.which, by, among: await this.among() };
      const none = this.query && !asked.among.length;
      const page = none ? { items: [] } : await post(`/v1/pools/${this.pool}/leases`, asked, true);
      if (by !== this.by) return; // of whom other items are wanted
      const known = new Map(this.items.map((one) => [one.id, one]));
      for (const { id, suggestion, suggestion_score } of page.items) Object.assign(known.get(id) ?? {}, { suggestion, suggestion_score });
      const fresh = page.items.filter((one) => !known.has(one.id) && !this.done.has(one.id));
      // What a reload interrupted comes first.
      if (!this.items.length) fresh.sort((one, two) => !this.draft.kept(one) - !this.draft.kept(two));
      const first = this.items.length === 0;
      this.items.push(...fresh);
      if (this.which === "disputed") await Promise.all(fresh.map((one) => this.listen(one)));
      if (first) this.begin();
      this.empty = this.items.length === 0;
      this.items.slice(0, 4).forEach((one) => this.look(one));
      this.troubled(null);
    } catch (problem) {
      this.troubled(problem);
      clearTimeout(this.timer);
      if (passes(problem)) this.timer = setTimeout(() => this.fill(), AGAIN_MS);
    } finally {
      this.asking = false;
    }
    if (by !== this.by) this.fill();
  }

  // The picks that were not said anything of here; of the others the server knows.
  async among() {
    if (!this.query) return [];
    this.picks ??= (await picksOf(this.query)).map((one) => one.id);
    return this.picks.filter((id) => !this.done.has(id));
  }

  // Another person labels from now on, of whom other items are wanted.
  rename(by) {
    this.by = by;
    if (this.which !== "second") return;
    this.items = [];
    this.begin();
    this.fill();
  }

  // What each annotator says of an item now.
  async listen(item) {
    const path = `/v1/pools/${this.pool}/history/${encodeURIComponent(item.id)}`;
    const standing = new Map();
    for (const one of (await get(path)).items) {
      standing.delete(one.by);
      if (one.kind === "label") standing.set(one.by, one.value);
    }
    this.opinions.set(item.id, standing);
  }

  // Take an annotator's label as the draft: the next one's, or the one's before.
  turn(by) {
    const said = [...(this.opinions.get(this.items[0]?.id)?.values() ?? [])];
    if (!said.length) return;
    const texts = said.map((one) => JSON.stringify(drafted(this.draft.task, one)));
    const now = texts.indexOf(JSON.stringify(this.draft.value));
    const next = now < 0 ? (by > 0 ? 0 : said.length - 1) : (now + by + said.length) % said.length;
    this.take(said[next]);
  }

  take(value) {
    if (this.draft.task === "detection") this.draft.at = null;
    this.draft.set(drafted(this.draft.task, value));
  }

  look(item) {
    if (!this.pictures.has(item.id)) {
      const path = `/v1/pools/${this.pool}/content/${encodeURIComponent(item.id)}`;
      const found = blob(path).then(shown).catch((problem) => ({ problem }));
      this.pictures.set(item.id, found);
      found.then(() => this.seen.add(item.id));
    }
    return this.pictures.get(item.id);
  }

  begin(value) {
    this.editor = null;
    this.draft.begin(this.items[0] ?? null, value);
  }

  // The first item is there: what its keys do to it.
  edit(item, found) {
    if (item !== this.items[0] || this.editor) return;
    if (this.draft.task === "tokens" && found.text !== undefined) this.editor = new SpanKeys(this.draft, found.text);
    if (this.draft.task === "detection" && found.url && !found.sound) this.editor = new BoxKeys(this.draft);
    this.draw();
  }

  say(by, said, value) {
    const kind = said === "label" && this.which === "disputed" ? "decide" : said;
    const [item, ...rest] = this.items;
    // Nobody labels what he has not seen: such a key was meant for the item before.
    if (!item || (said === "label" && !this.seen.has(item.id))) return;
    this.outbox.drop(this.outbox.refused().filter((one) => one.statement.id === item.id));
    this.outbox.say(by, { id: item.id, kind, value }, nameOf(item));
    this.draft.forget();
    this.done.add(item.id);
    this.said.push({ item, value: this.draft.value });
    this.items = rest;
    this.begin();
    this.draw();
    if (rest.length < AHEAD / 2) this.fill();
  }

  undo(by) {
    if (this.draft.back()) return;
    const last = this.said.pop();
    if (!last) return;
    const before = this.opinions.get(last.item.id); // a judge may have labelled it earlier
    const back = before?.has(by) ? { kind: "label", value: before.get(by) } : { kind: "withdraw" };
    this.outbox.say(by, { id: last.item.id, ...back }, nameOf(last.item));
    this.first(last.item, last.value);
  }

  // Show an item now, with what was said of it.
  first(item, value) {
    this.done.delete(item.id);
    this.items = [item, ...this.items.filter((one) => one.id !== item.id)];
    this.begin(value);
    this.look(item).then((found) => this.edit(item, found)); // it may be the one that is shown now
    this.draw();
  }

  // What the server refused: the item again. It stays kept until something else is said of it.
  async correct(one) {
    try {
      const path = `/v1/pools/${this.pool}/items/${encodeURIComponent(one.statement.id)}`;
      const { kind, value } = one.statement;
      this.first(await get(path), ["label", "decide"].includes(kind) ? drafted(this.draft.task, value) : undefined);
    } catch (problem) {
      this.troubled(problem);
    }
  }

  give_up(one) {
    this.outbox.drop([one]);
    this.draw();
  }

  close() {
    this.outbox.closed = true;
    for (const one of this.pictures.values()) one.then(({ url }) => url && URL.revokeObjectURL(url));
  }
}

function drafted(task, value) {
  if (task === "regression") return String(value);
  return Array.isArray(value) ? value : [];
}

export function useWork(pool, which, by, query) {
  const [, setDrawn] = useState(0);
  const work = useRef(null);
  work.current ??= new Work(pool, which, by, query, () => setDrawn((before) => before + 1));
  useEffect(() => {
    work.current.fill();
    const renewing = setInterval(() => work.current.fill(), 20_000);
    return () => {
      clearInterval(renewing);
      work.current.close();
    };
  }, []);
  return work.current;
}
