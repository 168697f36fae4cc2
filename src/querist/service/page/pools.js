// Pools: the list, and how a new one is made.

import { useEffect, useState } from "./vendor/hooks.js";
import { getAll, post } from "./api.js";
import { Progress, useJob } from "./job.js";
import { KINDS } from "./label.js";
import { Table, count, html, useBusy } from "./view.js";

const TASKS = ["classification", "multi-label", "regression", "detection", "tokens", "free"];
const MODALITIES = ["image", "text", "audio", "table"];

export function may(about, scope) {
  return about.scopes.includes(scope) || about.scopes.includes("admin");
}

export function Pools({ about }) {
  const [rows, setRows] = useState(null);
  const [problem, setProblem] = useState(null);
  useEffect(() => {
    getAll("/v1/pools").then(setRows, setProblem);
  }, []);
  return html`<h1>Pools</h1>
    ${problem && html`<p class="problem" role="alert">${problem.message}</p>`}
    ${!rows && !problem && html`<p class="note">Reading …</p>`}
    ${rows?.length === 0 && html`<p>There is none yet.</p>`}
    ${rows?.length > 0 && html`<${Table} caption="Pools" columns=${["pool", "task", "items", ""]} rows=${rows.map(listed)} />`}
    ${rows && may(about, "query") && html`<${Create} open=${rows.length === 0} />`}`;
}

function listed(one) {
  return [
    html`<a href=${`#/pools/${one.id}/items`}>${one.name}</a>`,
    one.task,
    count(one.items),
    KINDS.includes(one.task)
      ? html`<a href=${`#/pools/${one.id}`} aria-label=${`Label ${one.name}`}>Label</a>`
      : "its labels cannot be given here",
  ];
}

function columnsOf(text) {
  const parts = lines(text).map((one) => one.split("=").map((part) => part.trim()));
  return Object.fromEntries(parts.map(([role, column]) => [role, column ?? ""]));
}

const lines = (text) => text.split(/[\n,]/).map((one) => one.trim()).filter(Boolean);

function Create({ open }) {
  const [asked, setAsked] = useState({ name: "", uris: "", classes: "", columns: "", task: TASKS[0], modality: "" });
  const [problem, setProblem] = useState(null);
  const [made, setMade] = useState(null);
  const [busy, doing] = useBusy();
  const set = (name) => (event) => setAsked({ ...asked, [name]: event.target.value });
  const send = (event) => {
    event.preventDefault();
    doing(make);
  };
  const make = async () => {
    setProblem(null);
    const classes = lines(asked.classes);
    const body = { name: asked.name.trim(), task: asked.task, uris: asked.uris.split("\n").map((one) => one.trim()).filter(Boolean) };
    if (classes.length) body.classes = classes;
    if (asked.columns.trim()) body.columns = columnsOf(asked.columns);
    if (asked.modality) body.transform = { modality: asked.modality };
    try {
      setMade(await post("/v1/pools", body));
    } catch (found) {
      setProblem(found);
    }
  };
  if (made) return html`<${Filling} pool=${made} />`;
  return html`<details class="card create" open=${open}><summary>Make a pool</summary>
    <form onSubmit=${send}>
      <label>Name <input required maxlength="200" value=${asked.name} onInput=${set("name")} /></label>
      <label>Folders, patterns, manifests or addresses, one a line
        <textarea required rows="3" spellcheck=${false} placeholder="/data/pictures" value=${asked.uris} onInput=${set("uris")}></textarea></label>
      <label>What a label is <select value=${asked.task} onChange=${set("task")}>
        ${TASKS.map((one) => html`<option key=${one}>${one}</option>`)}</select></label>
      <label>Classes, with commas between (left empty, they are learned from the labels)
        <input value=${asked.classes} onInput=${set("classes")} /></label>
      <label>Columns of CSV, JSON Lines or Parquet, where they are not uri, text, id, label
        <input placeholder="text=review, label=category" value=${asked.columns} onInput=${set("columns")} /></label>
      <label>Items are <select value=${asked.modality} onChange=${set("modality")}>
        <option value="">what their names say</option>
        ${MODALITIES.map((one) => html`<option key=${one}>${one}</option>`)}</select></label>
      <button class="first" aria-busy=${busy}>Make it</button>
    </form>
    ${problem && html`<p class="problem" role="alert">${problem.message}</p>`}
  </details>`;
}

function Filling({ pool }) {
  const [job, problem] = useJob(pool.addition, (ended) => {
    if (ended.state === "done" && !ended.added.broken) location.hash = `#/pools/${pool.id}/items`;
  });
  return html`<section class="card create"><h2>${pool.name}</h2>
    <${Progress} job=${job} problem=${problem} what="Listing items" />
    ${job?.added?.broken > 0 && html`<p class="note">${count(job.added.broken)} could not be added.</p>`}
    <p><a href=${`#/pools/${pool.id}/items`}>Open the pool</a></p></section>`;
}
