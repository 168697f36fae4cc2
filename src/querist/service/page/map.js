// The map of a pool: where its items lie by what a model sees, which are labelled, which were picked.

import { useEffect, useMemo, useState } from "./vendor/hooks.js";
import { get, post } from "./api.js";
import { Choose } from "./compare.js";
import { isForgotten, onForgotten } from "./forget.js";
import { Detail, factsOf, labelText } from "./grid.js";
import { Progress, useJob } from "./job.js";
import { OlderOnes, useWith } from "./lists.js";
import { may } from "./pools.js";
import { useAll, useDone, useModels, usePicks } from "./queries.js";
import { Scatter } from "./scatter.js";
import { count, html, percent, useBusy } from "./view.js";

const POOL = { name: "not labelled", colour: "--line-6", size: 2.2 };
const LABELLED = { name: "labelled", colour: "--line-1", size: 3.2 };
const PICKED = [
  { name: "picked by the first", colour: "--line-2", shape: "diamond", size: 5 },
  { name: "picked by the second", colour: "--line-3", shape: "square", size: 4.5 },
  { name: "picked by both", colour: "--line-5", shape: "triangle", size: 6 },
];
const CLASSES = 10; // that have a colour of their own

export function PoolMap({ pool, part, about, choice, setChoice }) {
  const [maps] = useAll(`/v1/jobs?pool=${pool.id}&kind=map&limit=20`);
  const list = useDone(pool.id);
  const rows = useWith(list.rows, "/v1/queries", [choice.one, choice.two]) ?? [];
  const [asked, setAsked] = useState(null); // the job that was begun here
  const [problem, setProblem] = useState(null);
  const known = asked ?? maps?.find((one) => ["done", "running", "queued"].includes(one.state))?.id ?? "";
  const [job, lost] = useJob(known);
  const [busy, doing] = useBusy();
  const begin = (body) => doing(async () => {
    setProblem(null);
    await post(`/v1/pools/${pool.id}/maps`, body).then((begun) => setAsked(begun.id), setProblem);
  });
  useEffect(() => void (part && setChoice({ ...choice, one: part })), [part]);
  useEffect(() => {
    if (maps && !known && pool.items > 1 && may(about, "query")) begin({ queries: part ? [part] : [] });
  }, [maps]);
  return html`${problem && html`<p class="problem" role="alert">${problem.message}</p>`}
    ${maps && may(about, "query") && html`<${Draw} pool=${pool} begin=${begin} busy=${busy} choice=${choice} about=${about} />`}
    <div class="tools"><${Choose} rows=${rows} choice=${choice} setChoice=${setChoice} optional /><${OlderOnes} list=${list} what="queries" /></div>
    ${maps && !known && !problem && html`<p>There is no map yet.</p>`}
    ${known && job?.state !== "done" && html`<${Progress} job=${job} problem=${lost} what="Drawing the map" />`}
    ${job?.state === "done" && html`<${Drawn} key=${job.id} pool=${pool} job=${job} choice=${choice} about=${about} />`}`;
}

function Draw({ pool, begin, busy, choice, about }) {
  const models = useModels(pool.id);
  const [asked, setAsked] = useState({ method: "pca", model: "", limit: "10000" });
  const set = (name) => (event) => setAsked({ ...asked, [name]: event.target.value });
  const send = (event) => {
    event.preventDefault();
    const queries = [...new Set([choice.one, choice.two].filter(Boolean))];
    begin({ method: asked.method, model: asked.model || null, limit: Number(asked.limit), queries });
  };
  return html`<details class="card draw"><summary>Draw another map</summary><form class="tools" onSubmit=${send}>
    <label>By <select value=${asked.method} onChange=${set("method")}><option value="pca">principal components</option><option value="umap" disabled=${!about.maps.includes("umap")}>UMAP</option></select></label>
    <label>of <select value=${asked.model} onChange=${set("model")}><option value="">built-in features</option>
      ${(models.rows ?? []).map((one) => html`<option key=${one.id} value=${one.id}>${one.title}</option>`)}</select></label>
    <${OlderOnes} list=${models} what="models" />
    <label>Items, at most <input type="number" min="2" max="20000" required value=${asked.limit} onInput=${set("limit")} /></label>
    <button class="first" aria-busy=${busy}>Draw</button></form>
    ${!about.maps.includes("umap") && html`<p class="note">UMAP is not installed on this server: <code>pip install "querist[umap]"</code> adds it.</p>`}</details>`;
}

function layersOf(points, first, second, byClass) {
  const groups = [[], [], [], []]; // by neither, the first, the second, both
  points.ids.forEach((id, place) => groups[(first.has(id) ? 1 : 0) + (second.has(id) ? 2 : 0)].push(place));
  const labelled = groups[0].filter((place) => ["labelled", "empty"].includes(points.states[place]));
  const rest = groups[0].filter((place) => !["labelled", "empty"].includes(points.states[place]));
  return [{ ...POOL, colour: byClass ? "--edge" : POOL.colour, places: rest }, ...(byClass ? classesOf(points, labelled) : [{ ...LABELLED, places: labelled }]),
    ...PICKED.map((one, place) => ({ ...one, places: groups[place + 1] }))].filter((one) => one.places.length);
}

function classesOf(points, places) {
  const found = new Map();
  for (const place of places) {
    const name = labelText(points.labels[place]) || "nothing found";
    found.set(name, [...(found.get(name) ?? []), place]);
  }
  const sorted = [...found].sort((one, two) => two[1].length - one[1].length);
  const shown = sorted.slice(0, CLASSES).sort(([one], [two]) => one.localeCompare(two, "en", { numeric: true }));
  const others = sorted.slice(CLASSES).flatMap(([, some]) => some);
  return [...shown.map(([name, some], place) => ({ ...LABELLED, name, colour: `--class-${place}`, places: some })),
    { ...LABELLED, name: "other classes", colour: "--ink", places: others }];
}

// The points of items that were not forgotten since.
function kept(points, pool) {
  const there = points.ids.map((id) => !isForgotten(pool, id));
  return Object.fromEntries(Object.entries(points).map(([name, values]) => [name, values.filter((_, place) => there[place])]));
}

function Drawn({ pool, job, choice, about }) {
  const [points, setPoints] = useState(null);
  const [problem, setProblem] = useState(null);
  const [hidden, setHidden] = useState([]);
  const [byClass, setByClass] = useState(false);
  const [chosen, setChosen] = useState(null);
  const [first, one] = usePicks(pool.id, choice.one);
  const [second, two] = usePicks(pool.id, choice.two);
  useEffect(() => void get(`/v1/maps/${job.id}/points`).then(setPoints, setProblem), [job.id]);
  useEffect(() => onForgotten((one) => one.pool === pool.id && setPoints((before) => before && kept(before, pool.id))), [pool.id]);
  const picked = useMemo(() => [first, second].map((some) => new Map((some ?? []).map((one) => [one.id, one]))), [first, second]);
  const layers = useMemo(() => (points ? layersOf(points, ...picked, byClass) : []), [points, picked, byClass]);
  const shown = useMemo(() => layers.filter((one) => !hidden.includes(one.name)), [layers, hidden]);
  if (problem) return html`<p class="problem" role="alert">${problem.message}</p>`;
  if (!points) return html`<p class="note">Reading the map …</p>`;
  const there = new Set(points.ids);
  const missing = picked.map((some) => [...some.keys()].filter((id) => !there.has(id)).length);
  const { method } = job.asked;
  const [along, across] = job.made.shares;
  const words = layers.map((one) => `${count(one.places.length)} ${one.name}`).join(", ");
  const tell = (place) => {
    const why = picked.map((some) => some.get(points.ids[place])).filter(Boolean).map((one) => `picked ${one.rank + 1}.: ${one.why}`);
    return [points.ids[place], points.states[place], labelText(points.labels[place]), ...why].filter(Boolean).join(" · ");
  };
  const toggle = (name) => () => setHidden(hidden.includes(name) ? hidden.filter((one) => one !== name) : [...hidden, name]);
  const open = (place) => get(`/v1/pools/${pool.id}/items/${encodeURIComponent(points.ids[place])}`).then((item) => setChosen({ item, place }), setProblem);
  return html`<section class="card" aria-label="Map">
    ${[one, two].map((lost) => lost && html`<p class="problem" role="alert">${lost.message}</p>`)}
    <fieldset class="legend"><legend class="hidden">What is shown</legend>
      ${layers.map((one) => html`<label key=${one.name}><input type="checkbox" checked=${!hidden.includes(one.name)} onChange=${toggle(one.name)} />
        <span class=${`mark ${one.shape ?? "dot"} ${one.colour.slice(2)}`} aria-hidden="true"></span>${one.name} (${count(one.places.length)})</label>`)}
      <label><input type="checkbox" checked=${byClass} onChange=${() => setByClass(!byClass)} /> Colours tell the classes</label>
    </fieldset>
    <${Scatter} pool=${pool.id} points=${points} layers=${shown} tell=${tell} open=${open} said=${`Map of ${count(points.ids.length)} items: ${words}.`} />
    <p class="note">${method === "pca" ? `Principal components: ${percent(along)} of the variance from left to right, ${percent(across)} from bottom to top.` : "UMAP: neighbours lie together; distances between groups mean little."}
      ${job.made.left_out > 0 && ` ${count(job.made.left_out)} items could not be read.`}
      ${pool.items > points.ids.length + job.made.left_out && ` ${count(points.ids.length)} of ${count(pool.items)} items are on it.`}
      ${missing.map((number, place) => number > 0 && ` ${count(number)} picks of the ${place ? "second" : "first"} query are not on it; draw it again to have them.`)}</p>
    ${chosen && html`<${Detail} pool=${pool.id} item=${chosen.item} erasable=${may(about, "label")} close=${() => setChosen(null)}
      facts=${[["of the picks", tell(chosen.place).split(" · ").filter((one) => one.startsWith("picked")).join("; ")], ...factsOf(chosen.item)]} />`}
  </section>`;
}
