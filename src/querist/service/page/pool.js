// One pool: its items, queries of it, its map, two queries compared.

import { useEffect, useMemo, useReducer, useState } from "./vendor/hooks.js";
import { get } from "./api.js";
import { Compare } from "./compare.js";
import { Download } from "./download.js";
import { Forget, Notice, hush, onForgotten, useForgotten } from "./forget.js";
import { Detail, Grid, factsOf, labelText } from "./grid.js";
import { KINDS, Label, MODES } from "./label.js";
import { PoolMap } from "./map.js";
import { may } from "./pools.js";
import { Queries } from "./queries.js";
import { Rounds } from "./rounds.js";
import { Facts, count, html } from "./view.js";

const VIEWS = [["items", "Items", Items], ["queries", "Queries", Queries], ["map", "Map", PoolMap], ["compare", "Compare", Compare],
  ["rounds", "Train", Rounds]];
const STATES = ["unlabelled", "labelled", "empty", "skipped", "disputed", "duplicate"];
const PAGE = 1000;
const MOST = 100_000; // items in one list

export function keyOf(id) {
  return id.split("/")[0];
}

export function PoolPage({ id, about }) {
  const [pool, view, part] = id.split("/");
  if ((view ?? "") in MODES) return html`<${Label} id=${pool} mode=${view ?? ""} about=${about} />`;
  if (view === "picks") return html`<${Label} id=${pool} query=${part} about=${about} />`;
  return html`<${Views} id=${pool} view=${view} part=${part} about=${about} />`;
}

function Views({ id, view, part, about }) {
  const [pool, setPool] = useState(null);
  const [problem, setProblem] = useState(null);
  const [choice, setChoice] = useState({ one: "", two: "" }); // queries that are compared
  const turn = useForgotten();
  useEffect(() => hush(id), [id, view]);
  useEffect(() => {
    get(`/v1/pools/${encodeURIComponent(id)}`).then(setPool, setProblem);
  }, [id, view, turn]);
  if (problem) return html`<h1>Pool</h1><p class="problem" role="alert">${problem.message}</p>`;
  if (!pool) return html`<h1>Pool</h1><p class="note">Opening the pool …</p>`;
  const [, , Shown] = VIEWS.find(([name]) => name === view) ?? VIEWS[0];
  return html`<h1>${pool.name}</h1>
    <nav class="tabs" aria-label="Parts of the pool">
      ${VIEWS.map(([name, title]) => html`<a key=${name} href=${`#/pools/${id}/${name}`} aria-current=${name === view ? "page" : null}>${title}</a>`)}
      ${KINDS.includes(pool.task) && html`<a href=${`#/pools/${id}`}>Label</a>`}
    </nav>
    <${Notice} pool=${id} />
    <${Shown} pool=${pool} part=${part} about=${about} choice=${choice} setChoice=${setChoice} />`;
}

// Pages of items, asked for as far as somebody scrolls.
class Listing {
  constructor(pool, where, draw) {
    this.path = `/v1/pools/${pool}/items?limit=${PAGE}&where=${where}`;
    this.draw = draw;
    this.items = [];
    this.after = "";
    this.over = this.asking = this.closed = false;
    this.wanted = 0;
  }

  async need(until) {
    this.wanted = Math.max(this.wanted, until);
    if (this.asking) return;
    this.asking = true;
    while (!this.over && !this.closed && this.items.length < this.wanted) {
      try {
        const page = await get(`${this.path}&after=${this.after}`);
        this.items.push(...page.items);
        this.after = page.next;
        this.over = page.next === null;
        this.draw(null);
      } catch (problem) {
        this.draw(problem); // it was refused; who scrolls on asks again
        break;
      }
    }
    this.asking = false;
  }

  // These are gone. Pages go on after the last item that came, whether that is gone or not.
  drop(ids) {
    const set = new Set(ids);
    this.items = this.items.filter((one) => !set.has(one.id));
    this.draw(null);
  }
}

function useListing(pool, where) {
  const [problem, draw] = useReducer((_, found) => ({ found }), { found: null });
  const listing = useMemo(() => new Listing(pool, where, draw), [pool, where]);
  useEffect(() => {
    const leave = onForgotten((one) => one.pool === pool && listing.drop(one.ids));
    return () => {
      leave();
      listing.closed = true;
    };
  }, [listing]);
  return [listing, problem.found];
}

function Items({ pool, about }) {
  const [where, setWhere] = useState("all");
  const [chosen, setChosen] = useState(null); // the item that is shown
  const [marked, setMarked] = useState(null); // ids of those that are chosen, while some are being chosen
  const erasable = may(about, "label");
  useEffect(() => onForgotten(({ ids }) => setMarked((before) => before && new Set([...before].filter((id) => !ids.includes(id))))), []);
  const [listing, problem] = useListing(pool.id, where);
  const stated = where === "all" ? pool.items : (pool.states[where] ?? 0) + (where === "labelled" ? (pool.states.empty ?? 0) : 0);
  const total = Math.min(MOST, listing.over ? listing.items.length : Math.max(stated, listing.items.length));
  return html`<${Facts} rows=${[["items", count(pool.items)], ...STATES.filter((one) => pool.states[one]).map((one) => [one, count(pool.states[one])])]} />
    <div class="tools">
      <label>Show <select value=${where} onChange=${(event) => { setWhere(event.target.value); setMarked(null); }}>
        ${["all", ...STATES].map((one) => html`<option key=${one}>${one}</option>`)}</select></label>
      <${Download} path=${(format) => `/v1/pools/${pool.id}/export?format=${format}&which=${where}`} name=${pool.name} what="Download these" />
      ${erasable && html`<button aria-pressed=${marked !== null} onClick=${() => setMarked(marked ? null : new Set())}>Choose items</button>`}
    </div>
    ${marked && html`<section class="chosen-items" aria-label="Chosen items"><p role="status">${marked.size ? `${count(marked.size)} chosen.` : "Press items to choose them."}</p>
      <${Forget} pool=${pool.id} ids=${[...marked]} what="Forget them" /></section>`}
    ${problem && html`<p class="problem" role="alert">${problem.message}</p>`}
    <${Grid} key=${where} pool=${pool.id} total=${total} label="Items" at=${(place) => listing.items[place] ?? null}
      need=${(_, until) => listing.need(until)} open=${(item) => (marked ? setMarked(toggled(marked, item.id)) : setChosen(item))} marked=${marked}
      note=${(item) => (item.label === null ? item.state : labelText(item.label) || "nothing found")} />
    ${stated > MOST && html`<p class="note">The first ${count(MOST)} are shown.</p>`}
    ${chosen && html`<${Detail} pool=${pool.id} item=${chosen} facts=${factsOf(chosen)} erasable=${erasable} close=${() => setChosen(null)} />`}`;
}

function toggled(set, one) {
  const found = new Set(set);
  if (!found.delete(one)) found.add(one);
  return found;
}
