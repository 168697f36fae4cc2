// The questions that wait for this person, and what was said; outside of what is drawn.

import { useEffect, useRef, useState } from "./vendor/hooks.js";
import { blob, post } from "./api.js";
import { shown } from "./content.js";
import { Outbox } from "./outbox.js";
import { own } from "./place.js";
import { holder } from "./work.js";

const AHEAD = 4; // questions that are held
const LOOK_MS = 3000; // how often it is looked whether they still wait
const LENT_MS = 120_000; // how often the run is told that somebody looks at one
const LENT_S = 300;
const BACK_MS = 8000; // as long can an answer be taken back: what a run has read, it learns from
const LONGEST_S = 86_400;

export class Asked {
  constructor(campaign, by, draw) {
    this.path = `/v1/campaigns/${encodeURIComponent(campaign)}`;
    this.kept = own(`asked-${campaign}/`);
    this.skips = own(`skipped-${campaign}/`);
    this.by = by;
    this.draw = draw;
    this.items = [];
    this.said = []; // {item, key, draft}, for undo
    this.skipped = JSON.parse(sessionStorage.getItem(this.skips) ?? "[]");
    this.trouble = null;
    this.gone = ""; // why the question that was here is not any more
    this.looked = false;
    this.asking = false;
    this.pictures = new Map();
    this.outbox = new Outbox({
      name: `asked-${campaign}/`,
      path: `${this.path}/answers`,
      body: ([one]) => ({ ...one.statement, id: undefined, by: one.by }),
      tell: (problem) => this.troubled(problem),
      most: 1,
      delay: BACK_MS,
    });
    this.begin();
    this.outbox.send();
  }

  troubled(problem) {
    this.trouble = problem;
    this.draw();
  }

  without() {
    return this.outbox.all().map((one) => one.statement.id);
  }

  // What this tab holds, and what else waits. What is missing in the answer does not wait any more.
  async look() {
    if (this.asking || this.outbox.closed) return;
    this.asking = true;
    try {
      const first = this.items.map((one) => one.id);
      const without = this.without();
      const asked = { holder: holder(), number: AHEAD, first, without, back: this.skipped };
      const page = await post(`${this.path}/leases`, asked, true);
      const mine = new Set([...this.without(), ...this.skipped]); // something may have been said meanwhile
      const found = page.items.filter((one) => !mine.has(one.id));
      if (!this.looked) found.sort((one, two) => !this.stored(one) - !this.stored(two)); // what a reload interrupted
      this.looked = true;
      this.hold(found);
      this.troubled(null);
    } catch (problem) {
      this.troubled(problem);
    } finally {
      this.asking = false;
    }
  }

  hold(found) {
    const before = this.items[0];
    const kept = before && found.find((one) => one.id === before.id);
    // What is being answered stays as it is.
    this.items = kept ? [before, ...found.filter((one) => one !== kept)] : found;
    if (before && !kept && !this.without().includes(before.id)) {
      this.forget(before);
      this.gone = "The question that was here is answered or withdrawn.";
    }
    if (this.items[0]?.id !== before?.id) this.begin();
  }

  // The first question is shown now.
  begin(draft) {
    const [item] = this.items;
    this.shown = 0; // seconds that it was looked at
    this.since = performance.now();
    this.lent = -Infinity;
    this.draft = draft ?? (item && this.stored(item)) ?? {};
    this.lend();
  }

  // The run is told that somebody looks at it, so that it is not withdrawn meanwhile.
  lend() {
    const [item] = this.items;
    if (!item || document.hidden || performance.now() - this.lent < LENT_MS) return;
    this.lent = performance.now();
    this.tell(item, LENT_S);
  }

  tell(item, seconds) {
    post(`${this.path}/answers`, { question: item.id, kind: "lease", seconds, by: this.by }, true).catch(() => {});
  }

  stored(item) {
    return JSON.parse(localStorage.getItem(this.kept + item.id) ?? "null");
  }

  forget(item) {
    localStorage.removeItem(this.kept + item.id);
  }

  change(name, value) {
    this.draft = { ...this.draft, [name]: value };
    if (value === undefined) delete this.draft[name];
    localStorage.setItem(this.kept + this.items[0].id, JSON.stringify(this.draft));
    this.draw();
  }

  // The time counts only while the tab is seen.
  watch() {
    if (document.hidden) {
      this.shown += (performance.now() - this.since) / 1000;
      this.since = null;
      this.outbox.flush();
    } else if (this.since === null) {
      this.since = performance.now();
      this.lend();
      this.look();
    }
  }

  seconds() {
    const now = this.since === null ? 0 : (performance.now() - this.since) / 1000;
    return Math.min(LONGEST_S, Math.round((this.shown + now) * 10) / 10);
  }

  say(by, statement) {
    const [item, ...rest] = this.items;
    if (!item) return;
    this.gone = "";
    this.outbox.drop(this.outbox.refused().filter((one) => one.statement.id === item.id));
    const whole = { id: item.id, question: item.id, seconds: this.seconds(), ...statement };
    const key = this.outbox.say(by, whole, item.oracle);
    this.said.push({ item, key, draft: this.draft });
    this.next(item, rest);
  }

  // Not for this person: it waits for somebody else.
  skip() {
    const [item, ...rest] = this.items;
    if (!item) return;
    this.gone = "";
    this.skipped.push(item.id);
    this.remember();
    this.said.push({ item, skipped: true, draft: this.draft });
    this.tell(item, 0);
    this.next(item, rest);
  }

  remember() {
    sessionStorage.setItem(this.skips, JSON.stringify(this.skipped));
  }

  next(item, rest) {
    this.forget(item);
    this.items = rest;
    this.begin();
    this.draw();
    this.look();
  }

  undo() {
    const last = this.said.pop();
    if (!last) return;
    const back = last.skipped || this.outbox.recall(last.key);
    if (last.skipped) {
      this.skipped = this.skipped.filter((id) => id !== last.item.id);
      this.remember();
    }
    this.gone = back ? "" : "What was said before lies with the run, and cannot be taken back.";
    if (back) this.first(last.item, last.draft);
    else this.draw();
  }

  first(item, draft) {
    this.items = [item, ...this.items.filter((one) => one.id !== item.id)];
    this.begin(draft);
    localStorage.setItem(this.kept + item.id, JSON.stringify(this.draft));
    this.draw();
  }

  give_up(one) {
    this.outbox.drop([one]);
    this.draw();
    this.look();
  }

  picture(item, name) {
    return this.part(`${encodeURIComponent(item.id)}/inputs/${encodeURIComponent(name)}`);
  }

  // What its address leads to, where the server may read it.
  content(item) {
    return this.part(`${encodeURIComponent(item.id)}/content`);
  }

  part(path) {
    if (!this.pictures.has(path)) this.pictures.set(path, blob(`${this.path}/questions/${path}`).then(shown, (problem) => ({ problem })));
    return this.pictures.get(path);
  }

  // The page is left: others get at once what nothing is written of yet.
  leave() {
    const back = this.items.filter((one) => !this.stored(one));
    const held = { holder: holder(), number: 1, without: this.items.map((one) => one.id), back: back.map((one) => one.id) };
    if (back.length) post(`${this.path}/leases`, held, true).catch(() => {});
    if (back.includes(this.items[0])) this.tell(this.items[0], 0);
  }

  close() {
    this.leave();
    this.outbox.flush();
    setTimeout(() => (this.outbox.closed = true), 1500); // what was not sent is kept
    for (const one of this.pictures.values()) one.then(({ url }) => url && URL.revokeObjectURL(url));
  }
}

export function useAsked(campaign, by) {
  const [, setDrawn] = useState(0);
  const work = useRef(null);
  work.current ??= new Asked(campaign, by, () => setDrawn((before) => before + 1));
  useEffect(() => {
    const asked = work.current;
    asked.look();
    const looking = setInterval(() => {
      if (document.hidden) return;
      asked.look();
      asked.lend();
    }, LOOK_MS);
    const seen = () => asked.watch();
    const left = () => asked.leave();
    document.addEventListener("visibilitychange", seen);
    addEventListener("pagehide", left);
    return () => {
      clearInterval(looking);
      document.removeEventListener("visibilitychange", seen);
      removeEventListener("pagehide", left);
      asked.close();
    };
  }, []);
  return work.current;
}
