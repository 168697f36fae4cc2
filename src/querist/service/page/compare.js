// Two queries' picks: how many are the same, and side by side.

import { useEffect } from "./vendor/hooks.js";
import { OlderOnes, useWith } from "./lists.js";
import { Picks, timedTitleOf, titleOf, useDone, usePicks } from "./queries.js";
import { Facts, count, html, percent } from "./view.js";

// Two selects of finished queries; `choice` holds their ids.
export function Choose({ rows, choice, setChoice, optional }) {
  const set = (name) => (event) => setChoice({ ...choice, [name]: event.target.value });
  const options = rows.map((one) => html`<option key=${one.id} value=${one.id}>${timedTitleOf(one)}</option>`);
  return [["one", "First query"], ["two", "Second query"]].map(([name, title]) => html`<label key=${name}>${title}
    <select value=${choice[name]} onChange=${set(name)}>${optional && html`<option value="">none</option>`}${options}</select></label>`);
}

export function Compare({ pool, about, choice, setChoice }) {
  const list = useDone(pool.id);
  const rows = useWith(list.rows, "/v1/queries", [choice.one, choice.two]);
  useEffect(() => {
    if (!rows || rows.length < 2) return;
    const one = choice.one || rows[0].id;
    setChoice({ one, two: choice.two || rows.find(({ id }) => id !== one).id });
  }, [rows]);
  const [first, one] = usePicks(pool.id, choice.one);
  const [second, two] = usePicks(pool.id, choice.two);
  if (!rows && list.problem) return html`<p class="problem" role="alert">${list.problem.message}</p>`;
  if (!rows) return html`<p class="note">Reading …</p>`;
  if (rows.length < 2) return html`<p>Two finished queries can be compared; this pool has ${rows.length}.</p>`;
  return html`<div class="tools"><${Choose} rows=${rows} choice=${choice} setChoice=${setChoice} /><${OlderOnes} list=${list} what="queries" /></div>
    ${[one, two].map((lost) => lost && html`<p class="problem" role="alert">${lost.message}</p>`)}
    ${first && second && html`<${Both} pool=${pool.id} about=${about} picks=${[first, second]} titles=${[choice.one, choice.two].map((id) => rows.find((one) => one.id === id)).map((one) => (one ? titleOf(one) : "…"))} />`}`;
}

function Both({ pool, about, picks: [first, second], titles }) {
  const [ids, others] = [new Set(first.map((one) => one.id)), new Set(second.map((one) => one.id))];
  const same = first.filter((one) => others.has(one.id)).length;
  const all = ids.size + others.size - same;
  return html`<${Facts} rows=${[["picked by both", count(same)], ["by the first only", count(ids.size - same)], ["by the second only", count(others.size - same)],
      ["shared, of all picked", all ? percent(same / all) : "–"]]} />
    <p class="note">● is picked by both.</p>
    <div class="sides"><section class="card"><h2>${titles[0]}</h2><${Picks} pool=${pool} about=${about} picks=${first} label="Picks of the first query" mark=${(one) => others.has(one.id)} short /></section>
      <section class="card"><h2>${titles[1]}</h2><${Picks} pool=${pool} about=${about} picks=${second} label="Picks of the second query" mark=${(one) => ids.has(one.id)} short /></section></div>`;
}
