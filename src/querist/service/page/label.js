// Labelling by keyboard: one item after the other, saved at once, nothing typed is lost.

import { useEffect, useRef, useState } from "./vendor/hooks.js";
import { blob, get, newKey, post } from "./api.js";
import { Outbox } from "./outbox.js";
import { Facts, count, html } from "./view.js";

const KEYS = [..."123456789abcdefghijklmopqrtvwxy"]; // n, s, u and z mean something else
const AHEAD = 8; // items that are held
export const KINDS = ["classification", "multi-label", "regression"];

function holder() {
  const found = sessionStorage.getItem("querist-holder") ?? newKey();
  sessionStorage.setItem("querist-holder", found);
  return found;
}

// The items that wait for this person, and what was said; outside of what is drawn.
class Work {
  constructor(pool, draw) {
    this.pool = pool;
    this.draw = draw;
    this.items = [];
    this.said = [];
    this.chosen = []; // classes of the first item, not yet saved
    this.trouble = null;
    this.asking = false;
    this.empty = false;
    this.outbox = new Outbox(pool, (problem) => this.troubled(problem));
    this.done = new Set(this.outbox.waiting().map((one) => one.statement.id));
    this.pictures = new Map();
    this.outbox.send();
  }

  troubled(problem) {
    this.trouble = problem;
    this.draw();
  }

  async fill() {
    if (this.asking || this.outbox.closed) return;
    this.asking = true;
    try {
      const asked = { holder: holder(), number: AHEAD + this.outbox.waiting().length };
      const page = await post(`/v1/pools/${this.pool}/leases`, asked);
      const known = new Set(this.items.map((one) => one.id));
      const fresh = page.items.filter((one) => !known.has(one.id) && !this.done.has(one.id));
      this.items.push(...fresh);
      this.empty = this.items.length === 0;
      this.items.slice(0, 4).forEach((one) => this.look(one));
      this.troubled(null);
    } catch (problem) {
      this.troubled(problem);
    }
    this.asking = false;
  }

  look(item) {
    if (!this.pictures.has(item.id)) {
      const path = `/v1/pools/${this.pool}/content/${encodeURIComponent(item.id)}`;
      this.pictures.set(item.id, blob(path).then(shown, (problem) => ({ text: problem.message })));
    }
    return this.pictures.get(item.id);
  }

  say(by, kind, value) {
    const [item, ...rest] = this.items;
    if (!item) return;
    this.outbox.say(by, { id: item.id, kind, value });
    this.done.add(item.id);
    this.said.push(item);
    this.chosen = [];
    this.items = rest;
    this.draw();
    if (rest.length < AHEAD / 2) this.fill();
  }

  toggle(name) {
    if (!this.items.length) return;
    const without = this.chosen.filter((one) => one !== name);
    this.chosen = without.length < this.chosen.length ? without : [...without, name];
    this.draw();
  }

  undo(by) {
    const item = this.said.pop();
    if (!item) return;
    this.outbox.say(by, { id: item.id, kind: "withdraw" });
    this.done.delete(item.id);
    this.chosen = [];
    this.items.unshift(item);
    this.draw();
  }

  close() {
    this.outbox.closed = true;
    for (const one of this.pictures.values()) one.then(({ url }) => url && URL.revokeObjectURL(url));
  }
}

async function shown(found) {
  if (found.type.startsWith("image/")) return { url: URL.createObjectURL(found) };
  return { text: await found.text() };
}

function useWork(pool) {
  const [, setDrawn] = useState(0);
  const work = useRef(null);
  work.current ??= new Work(pool, () => setDrawn((before) => before + 1));
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

export function Label({ id, about }) {
  const [pool, setPool] = useState(null);
  const [problem, setProblem] = useState(null);
  useEffect(() => {
    get(`/v1/pools/${encodeURIComponent(id)}`).then(setPool, setProblem);
  }, [id]);
  if (problem) return html`<h1>Label</h1><p class="problem" role="alert">${problem.message}</p>`;
  if (!pool) return html`<h1>Label</h1><p class="note">Opening the pool …</p>`;
  return html`<${Desk} pool=${pool} about=${about} />`;
}

function Desk({ pool, about }) {
  const work = useWork(pool.id);
  const [by, setBy] = useState(localStorage.getItem("querist-by") ?? about.user);
  const who = useRef(by); // a key may come before the new name is drawn
  const [zoom, setZoom] = useState(false);
  const item = work.items[0];
  const classes = (pool.classes ?? []).slice(0, KEYS.length);
  const many = pool.task === "multi-label";
  const { chosen } = work;

  const pick = (name) => {
    if (many) work.toggle(name);
    else work.say(who.current, "label", name);
  };
  const actions = {
    u: () => work.undo(who.current),
    s: () => work.say(who.current, "skip", "skipped"),
    n: () => work.say(who.current, "skip", "not sure"),
    z: () => setZoom(!zoom),
    Backspace: () => work.undo(who.current),
    Enter: () => many && work.say(who.current, "label", work.chosen),
  };
  const pressed = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select")) return;
    if (event.key === "Enter" && event.target.closest("button, a")) return;
    const name = classes[KEYS.indexOf(event.key)];
    const action = name !== undefined && KEYS.includes(event.key) ? () => pick(name) : actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  };
  useEffect(() => {
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  });
  const named = (event) => {
    who.current = event.target.value || about.user;
    setBy(who.current);
    localStorage.setItem("querist-by", event.target.value);
  };
  return html`<h1>Label ${pool.name}</h1>
    <div class="desk">
      <section class="item" aria-label="Item" aria-live="polite">
        ${item && html`<${Shown} key=${item.id} work=${work} item=${item} zoom=${zoom} />`}
        ${!item && html`<p class="note">${work.empty ? "Nothing waits for a label now." : "Fetching items …"}</p>`}
      </section>
      <section class="answers" aria-label="Answers">
        ${pool.task === "regression"
          ? html`<${Value} key=${item?.id} disabled=${!item} say=${(value) => work.say(who.current, "label", value)} />`
          : classes.map((name, place) => html`<button key=${name} class="answer" disabled=${!item}
              aria-pressed=${many ? chosen.includes(name) : null} onClick=${() => pick(name)}>
              <kbd>${KEYS[place]}</kbd> ${name}</button>`)}
        ${(pool.classes?.length ?? 0) > classes.length && html`<p class="note">Only the first ${classes.length} classes have keys.</p>`}
        ${pool.task !== "regression" && classes.length === 0 && html`<p class="note">The pool has no classes yet.</p>`}
        ${many && html`<button class="first" disabled=${!item} onClick=${actions.Enter}><kbd>Enter</kbd> Save${chosen.length ? "" : ": none of these"}</button>`}
        <div class="more">
          <button disabled=${!work.said.length} onClick=${actions.u}><kbd>u</kbd> Undo</button>
          <button disabled=${!item} onClick=${actions.s}><kbd>s</kbd> Skip</button>
          <button disabled=${!item} onClick=${actions.n}><kbd>n</kbd> Not sure</button>
          <button aria-pressed=${zoom} onClick=${actions.z}><kbd>z</kbd> Zoom</button>
        </div>
        <label class="by">You are <input value=${by} maxlength="100" onInput=${named} /></label>
        <${Facts} rows=${[["said here", count(work.said.length)], ["not yet saved", count(work.outbox.waiting().length)]]} />
        <p role="status" class=${work.trouble ? "problem" : "note"}>
          ${work.trouble ? `${work.trouble.message} What you said is kept here and sent again.` : "Everything is saved as you go."}
        </p>
      </section>
    </div>`;
}

function Shown({ work, item, zoom }) {
  const [found, setFound] = useState(null);
  useEffect(() => void work.look(item).then(setFound), [item.id]);
  const name = item.uri.split("/").at(-1) || item.id;
  return html`<figure class=${zoom ? "zoomed" : ""}>
    ${found?.url && html`<div class="scroll" tabindex="0" role="region" aria-label="Picture"><img src=${found.url} alt=${`Item ${name}`} /></div>`}
    ${found?.text !== undefined && html`<pre tabindex="0">${found.text}</pre>`}
    <figcaption>${name}</figcaption>
  </figure>`;
}

function Value({ say, disabled }) {
  const [text, setText] = useState("");
  const place = useRef(null);
  useEffect(() => place.current?.focus(), []);
  const send = (event) => {
    event.preventDefault();
    if (text.trim() !== "" && Number.isFinite(Number(text))) say(Number(text));
  };
  return html`<form onSubmit=${send}><label>Value
    <input ref=${place} type="number" step="any" required disabled=${disabled} value=${text} onInput=${(event) => setText(event.target.value)} />
  </label><button class="first" disabled=${disabled}><kbd>Enter</kbd> Save</button></form>`;
}
