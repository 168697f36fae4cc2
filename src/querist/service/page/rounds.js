// Rounds: train on the labels that there are, judge it on what was set aside, pick with the result.

import { useState } from "./vendor/hooks.js";
import { post } from "./api.js";
import { FINAL, Progress, useJob } from "./job.js";
import { Older, OlderOnes, useList, useWith } from "./lists.js";
import { may } from "./pools.js";
import { timedTitleOf, useDone, useModels } from "./queries.js";
import { Table, count, html, percent, quantity, useBusy } from "./view.js";

export function Rounds({ pool, about }) {
  const [turn, setTurn] = useState(0);
  const list = useList(`/v1/pools/${pool.id}/rounds`, turn, 100);
  const { rows, problem } = list;
  const models = useModels(pool.id, turn);
  const again = () => setTurn((before) => before + 1);
  const running = rows?.find((one) => !FINAL.includes(one.state));
  return html`${problem && !rows && html`<p class="problem" role="alert">${problem.message}</p>`}
    ${rows && may(about, "query") && html`<${Begin} pool=${pool} rows=${rows} models=${models} begun=${again} />`}
    ${running && html`<${Going} key=${running.job} round=${running} over=${again} />`}
    <h2 class="after">Rounds so far</h2>
    ${!rows && !problem && html`<p class="note">Reading …</p>`}
    ${rows?.length === 0 && html`<p class="note">None yet.</p>`}
    ${rows?.length > 0 && html`<${Table} caption="Rounds" columns=${["round", "state", "learned from", "how good it is", "picked", "of these labelled", "model"]}
      rows=${rows.map((one) => told(pool, one))} /><${Older} list=${list} what="rounds" />`}
    ${rows?.filter((one) => one.waiting && one.labelled < one.picked).map((one) => html`<${Waiting} key=${one.id} round=${one} allowed=${may(about, "query")} over=${again} />`)}
    ${rows?.filter((one) => one.error).map((one) => html`<p key=${one.id} class="problem">Round ${one.number}: ${one.error}</p>`)}`;
}

function told(pool, one) {
  const { labels, ...metrics } = one.metrics;
  return [
    html`<a href=${`#/pools/${pool.id}/queries/${one.query}`}>${one.number}</a>`,
    html`<span class=${`state ${one.state}`}>${one.state}</span>`,
    labels === undefined ? "–" : `${count(labels)} labels`,
    judged(metrics),
    count(one.picked), count(one.labelled),
    one.trained ? `trained in round ${one.number}` : "–",
  ];
}

// By the hold-out; without one, by labels that the training set aside.
function judged(metrics) {
  for (const [prefix, by] of [["holdout.", "on the hold-out"], ["validation.", "on labels set aside"]]) {
    const found = Object.entries(metrics).filter(([name]) => name.startsWith(prefix) && !name.endsWith(".rows"));
    const said = found.map(([name, value]) => `${name.slice(prefix.length).replaceAll("_", " ")} ${name.endsWith("accuracy") ? percent(value) : quantity(value)}`);
    if (said.length) return `${said.join(", ")} (${by})`;
  }
  return "–";
}

function Going({ round, over }) {
  const [job, problem] = useJob(round.job, over);
  return html`<section class="card"><${Progress} job=${job} problem=${problem} what=${`Round ${round.number}`} /></section>`;
}

function Waiting({ round, allowed, over }) {
  const [job, setJob] = useState(null);
  const [problem, setProblem] = useState(null);
  const [busy, doing] = useBusy();
  const ask = () => doing(() => post(`/v1/rounds/${round.id}/answers`).then((begun) => setJob(begun.id), setProblem));
  return html`<section class="card"><p>Round ${round.number}: ${round.waiting}</p>
    ${job ? html`<${Asking} id=${job} what=${`The oracle of round ${round.number}`} over=${() => { setJob(null); over(); }} />`
      : allowed && html`<p class="buttons"><button aria-busy=${busy} onClick=${ask}>Ask the oracle again</button></p>`}
    ${problem && html`<p class="problem" role="alert">${problem.message}</p>`}
  </section>`;
}

function Asking({ id, what, over }) {
  const [job, problem] = useJob(id, over);
  return html`<${Progress} job=${job} problem=${problem} what=${what} />`;
}

function Begin({ pool, rows, models, begun }) {
  const done = useDone(pool.id);
  const [changed, setChanged] = useState({}); // what was typed stays when a round that ends draws all anew
  const [problem, setProblem] = useState(null);
  const [busy, doing] = useBusy();
  const last = rows.find((one) => one.trained);
  const usual = { budget: "20", model: last?.model ?? "", holdout: last?.holdout ?? "" };
  const asked = { ...usual, ...changed };
  const queries = useWith(done.rows, "/v1/queries", [asked.holdout]);
  const offered = useWith(models.rows, "/v1/models", [asked.model]);
  const set = (name) => (event) => setChanged({ ...changed, [name]: event.target.value });
  const send = (event) => {
    event.preventDefault();
    doing(begin);
  };
  const begin = async () => {
    setProblem(null);
    const body = { query: { budget: Number(asked.budget), model: asked.model || null }, trainer: { use: "linear_head" }, after: rows[0]?.id ?? null, holdout: asked.holdout || null };
    try {
      await post(`/v1/pools/${pool.id}/rounds`, body);
      begun();
    } catch (found) {
      setProblem(found);
    }
  };
  const labelled = pool.states.labelled ?? 0;
  return html`<section class="card"><h2>Train, then pick with what was trained</h2>
    <p class="note">A linear model learns from the labels (this pool has ${count(labelled)}) on the features of the model named here. Those of the hold-out judge it and are never learned from: a good hold-out is a query with the strategy random whose picks were labelled.</p>
    <form class="ask" onSubmit=${send}>
      <label>Features of <select value=${asked.model} onChange=${set("model")}><option value="">built-in features</option>
        ${(offered ?? []).map((one) => html`<option key=${one.id} value=${one.id}>${one.title ?? one.name}</option>`)}</select></label>
      <${OlderOnes} list=${models} what="models" />
      <label>Hold-out <select value=${asked.holdout} onChange=${set("holdout")}><option value="">none</option>
        ${(queries ?? []).filter((one) => one.kind === "query").map((one) => html`<option key=${one.id} value=${one.id}>${timedTitleOf(one)}</option>`)}</select></label>
      <${OlderOnes} list=${done} what="queries" />
      <label>Then pick <input type="number" min="0" step="any" required value=${asked.budget} onInput=${set("budget")} /></label>
      <p class="buttons"><button class="first" aria-busy=${busy}>Train</button></p>
    </form>
    ${problem && html`<p class="problem" role="alert">${problem.message}</p>`}
  </section>`;
}
