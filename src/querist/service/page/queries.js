// Queries of a pool: ask one, watch it, see what it picked and why.

import { useEffect, useMemo, useState } from "./vendor/hooks.js";
import { get, post } from "./api.js";
import { Download } from "./download.js";
import { isForgotten, useForgotten } from "./forget.js";
import { Detail, Grid, factsOf } from "./grid.js";
import { FINAL, Progress, useJob } from "./job.js";
import { KINDS } from "./label.js";
import { Older, OlderOnes, useList } from "./lists.js";
import { MOST, picksOf } from "./picks.js";
import { may } from "./pools.js";
import { Facts, Table, count, html, instant, quantity, useBusy } from "./view.js";

// What built-in features and the pool itself give; strategies that need more want a model.
const GIVEN = ["embeddings", "items", "labelled_embeddings", "labels", "labelled_classes"];

export function titleOf(query) {
  const asked = query.asked;
  return `${asked.strategy ?? "usual strategy"}, ${asked.budget}${asked.note ? `: ${asked.note}` : ""}`;
}

// Among others of the same title it is told by its time.
export function timedTitleOf(query) {
  return `${titleOf(query)} (${instant(query.created)})`;
}

export function useAll(path, turn = 0) {
  const [rows, setRows] = useState(null);
  const [problem, setProblem] = useState(null);
  useEffect(() => {
    get(path).then((page) => setRows(page.items), setProblem);
  }, [path, turn]);
  return [rows, problem];
}

// The list of models; those that rounds of this pool trained have a title that says so.
export function useModels(pool, turn = 0) {
  const list = useList("/v1/models", turn, 1000);
  const rounds = useList(`/v1/pools/${pool}/rounds`, turn, 1000);
  const rows = useMemo(() => {
    const trained = new Map(rounds.rows?.map((one) => [one.trained, `trained in round ${one.number}`]));
    return list.rows?.map((one) => ({ ...one, title: trained.get(one.id) ?? one.name }));
  }, [list.rows, rounds.rows]);
  return { ...list, rows };
}

// The list of queries that are done.
export function useDone(pool) {
  return useList(`/v1/queries?pool=${pool}&state=done`, 0, 1000);
}

// All picks of a query that is done, those aside that were forgotten; and why they cannot be had.
export function usePicks(pool, query) {
  const [picks, setPicks] = useState(null);
  const [problem, setProblem] = useState(null);
  useEffect(() => {
    const ending = new AbortController();
    setPicks(null);
    setProblem(null);
    if (query) picksOf(query, ending.signal).then(setPicks, (found) => ending.signal.aborted || setProblem(found));
    return () => ending.abort();
  }, [query]);
  const turn = useForgotten();
  const there = useMemo(() => picks?.filter((one) => !isForgotten(pool, one.id)) ?? null, [picks, turn]);
  return [there, problem];
}

export function Queries({ pool, part, about }) {
  const [turn, setTurn] = useState(0);
  const list = useList(`/v1/queries?pool=${pool.id}`, turn);
  if (part) return html`<${Query} key=${part} pool=${pool} id=${part} about=${about} />`;
  const begun = (query) => {
    setTurn(turn + 1);
    location.hash = `#/pools/${pool.id}/queries/${query.id}`;
  };
  const { rows, problem } = list;
  return html`${problem && !rows && html`<p class="problem" role="alert">${problem.message}</p>`}
    ${may(about, "query") && html`<${Ask} pool=${pool} begun=${begun} />`}
    <h2 class="after">Queries so far</h2>
    ${!rows && !problem && html`<p class="note">Reading …</p>`}
    ${rows?.length === 0 && html`<p class="note">None yet.</p>`}
    ${rows?.length > 0 && html`<${Table} caption="Queries" columns=${["query", "state", "picked", "of", "begun"]} rows=${rows.map((one) => [
      html`<a href=${`#/pools/${pool.id}/queries/${one.id}`}>${titleOf(one)}</a>`,
      html`<span class=${`state ${one.state}`}>${one.state}</span>`,
      count(one.counts.picked), count(one.counts.candidates), instant(one.created)])} />
      <${Older} list=${list} what="queries" />`}`;
}

function value(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function Ask({ pool, begun }) {
  const [strategies] = useAll("/v1/strategies");
  const models = useModels(pool.id);
  const [asked, setAsked] = useState({ strategy: "", model: "", budget: "20", seed: "0", where: "unlabelled", note: "" });
  const [options, setOptions] = useState({});
  const [said, setSaid] = useState(null);
  const set = (name) => (event) => setAsked({ ...asked, [name]: event.target.value });
  const chosen = strategies?.find((one) => one.name === asked.strategy);
  const body = () => ({
    strategy: asked.strategy || null, model: asked.model || null, budget: Number(asked.budget), seed: Number(asked.seed),
    where: asked.where, note: asked.note,
    options: Object.fromEntries(Object.entries(options).filter(([name, text]) => text !== "" && name in (chosen?.options ?? {})).map(([name, text]) => [name, value(text)])),
  });
  const [busy, doing] = useBusy();
  const [counting, estimating] = useBusy();
  const tell = (one, ask, then) => (event) => {
    event.preventDefault();
    one(async () => {
      setSaid(null);
      await ask().then(then, (problem) => setSaid({ problem: problem.message }));
    });
  };
  const send = tell(doing, () => post(`/v1/pools/${pool.id}/queries`, body()), begun);
  const cost = tell(estimating, () => post(`/v1/pools/${pool.id}/estimates`, body()), (found) => setSaid({ found }));
  return html`<section class="card"><h2>Which items next?</h2>
    <form class="ask" onSubmit=${send}>
      <label>Strategy <select value=${asked.strategy} onChange=${set("strategy")}>
        <option value="">usual strategy of the model</option>
        ${families(strategies ?? []).map(([family, some]) => html`<optgroup key=${family} label=${family}>
          ${some.map((one) => html`<option key=${one.name} value=${one.name}>${one.name}${wantsModel(one) ? " (needs a model)" : ""}</option>`)}</optgroup>`)}
      </select></label>
      <label>Model <select value=${asked.model} onChange=${set("model")}>
        <option value="">built-in features</option>
        ${(models.rows ?? []).map((one) => html`<option key=${one.id} value=${one.id}>${one.title}</option>`)}
      </select></label><${OlderOnes} list=${models} what="models" />
      <label>Items to pick, or a share below 1 <input type="number" min="0" step="any" required value=${asked.budget} onInput=${set("budget")} /></label>
      <label>Of <select value=${asked.where} onChange=${set("where")}><option>unlabelled</option><option>all</option></select></label>
      <label>Seed <input type="number" min="0" step="1" required value=${asked.seed} onInput=${set("seed")} /></label>
      <label>Note <input maxlength="1000" value=${asked.note} onInput=${set("note")} /></label>
      ${chosen && html`<div class="about"><p class="note">${chosen.summary} ${chosen.needs.length > 0 && `Needs ${chosen.needs.join(", ")}.`}</p>
        ${Object.entries(chosen.options).map(([name, usual]) => html`<label key=${name}>${name}
          <input placeholder=${String(usual)} value=${options[name] ?? ""} onInput=${(event) => setOptions({ ...options, [name]: event.target.value })} /></label>`)}</div>`}
      <p class="buttons"><button class="first" aria-busy=${busy}>Pick</button> <button type="button" aria-busy=${counting} onClick=${cost}>What will it cost?</button></p>
    </form>
    <div role="status">${said?.found && html`<${Cost} found=${said.found} />`}</div>
    ${said?.problem && html`<p class="problem" role="alert">${said.problem}</p>`}
  </section>`;
}

function wantsModel(strategy) {
  return strategy.needs.some((need) => !GIVEN.includes(need));
}

function families(strategies) {
  const found = new Map();
  for (const one of strategies) found.set(one.family, [...(found.get(one.family) ?? []), one]);
  return [...found];
}

function lasting(seconds) {
  if (seconds === null) return "an unknown time";
  return seconds < 1 ? "less than a second" : `about ${quantity(seconds)} s`;
}

function Cost({ found }) {
  return html`<p>${count(found.items)} items are looked at, ${count(found.requests)} requests, ${found.bytes === null ? "an unknown number of" : count(found.bytes)} bytes, ${lasting(found.seconds)}; ${count(found.labels)} labels are then asked for. ${found.notes.join(" ")}</p>`;
}

function Query({ pool, id, about }) {
  const [job, problem] = useJob(id);
  const done = job?.state === "done";
  const [picks, lost] = usePicks(pool.id, done ? id : "");
  return html`<p><a href=${`#/pools/${pool.id}/queries`}>All queries</a></p>
    <h2>${job ? titleOf(job) : "Query"}</h2>
    <p class="hidden" role="status">${done && picks && `${count(picks.length)} picks are here.`}</p>
    ${lost && html`<p class="problem" role="alert">${lost.message}</p>`}
    ${!(done && picks) && html`<${Progress} job=${job} problem=${problem} what=${job && FINAL.includes(job.state) ? "The query has ended" : "The query goes on"} />`}
    ${done && html`<${Facts} rows=${[["picked", count(job.counts.picked)], ["of candidates", count(job.counts.candidates)], ["failed", count(job.counts.failed)], ["seed", job.asked.seed]]} />`}
    ${done && job.counts.failed > 0 && html`<${Progress} job=${job} what="Some items could not be used" />`}
    ${done && picks && html`<div class="tools"><a href=${`#/pools/${pool.id}/map/${id}`}>On the map</a>
        ${KINDS.includes(pool.task) && html`<a href=${`#/pools/${pool.id}/picks/${id}`}>Label these</a>`}
        <${Download} path=${(format) => `/v1/queries/${id}/manifest?format=${format}`} name=${`${pool.name}-${job.asked.strategy ?? "query"}`} what="Download the picks" /></div>
      ${job.counts.picked > MOST && html`<p class="note">The first ${count(MOST)} are shown.</p>`}
      <${Picks} pool=${pool.id} picks=${picks} label="Picks" about=${about} />`}`;
}

export function Picks({ pool, picks, label, about, mark, short }) {
  const [chosen, setChosen] = useState(null);
  const [item, setItem] = useState(null);
  useEffect(() => {
    setItem(null);
    if (chosen) get(`/v1/pools/${pool}/items/${encodeURIComponent(chosen.id)}`).then(setItem, () => {});
  }, [chosen]);
  const why = (pick) => [["rank", pick.rank + 1], ["score", pick.score === null ? "" : quantity(pick.score, 4)], ["why", pick.why]];
  return html`<${Grid} pool=${pool} total=${picks.length} label=${label} at=${(place) => picks[place]} open=${setChosen} short=${short}
      note=${(pick) => `${mark?.(pick) ? "● " : ""}${pick.rank + 1}. ${pick.why || quantity(pick.score)}`} />
    ${chosen && html`<${Detail} pool=${pool} item=${chosen} facts=${[...why(chosen), ...(item ? factsOf(item) : [["id", chosen.id], ["at", chosen.uri]])]}
      erasable=${may(about, "label")} close=${() => setChosen(null)} />`}`;
}
