// Campaigns: the list, and one run as it goes on.

import { useEffect, useMemo, useRef, useState } from "./vendor/hooks.js";
import { follow, post } from "./api.js";
import { Ask } from "./ask.js";
import { Busy, Chart } from "./chart.js";
import { Older, useList } from "./lists.js";
import { Bars, Card, Facts, Table, count, duration, html, percent, quantity } from "./view.js";

export function Campaigns() {
  const list = useList("/v1/campaigns", 0, 100);
  const { rows, problem } = list;
  return html`<h1>Campaigns</h1>
    ${problem && !rows && html`<p class="problem" role="alert">${problem.message}</p>`}
    ${!rows && !problem && html`<p class="note">Reading …</p>`}
    ${rows?.length === 0 &&
    html`<p>
      There is none. The administrator names folders of runs in service.yaml (campaigns); a single
      run is shown by <code>querist watch RUN</code>.
    </p>`}
    ${rows?.length > 0 &&
    html`<${Table}
      caption="Campaigns"
      columns=${["run", "state", "labels", "failures", "open", "time"]}
      rows=${rows.map((one) => [
        html`<a href=${`#/campaigns/${encodeURIComponent(one.id)}`}>${one.id}</a>`,
        html`<span class=${`state ${one.state}`}>${one.state}</span>`,
        count(one.labels),
        count(one.failures),
        count(one.open_questions),
        duration(one.seconds),
      ])}
    /><${Older} list=${list} what="runs" first="first" />`}`;
}

export function keyOf(id) {
  return id.split("/")[0];
}

// A run, or what it asks people.
export function Campaign({ id, about }) {
  const [run, part] = id.split("/");
  if (part === "questions") return html`<${Ask} id=${run} about=${about} />`;
  return html`<${Run} id=${run} about=${about} />`;
}

function Run({ id, about }) {
  const [view, setView] = useState(null);
  const [trouble, setTrouble] = useState(null);
  const path = `/v1/campaigns/${encodeURIComponent(id)}`;
  useEffect(() => {
    const ending = new AbortController();
    follow(`${path}/events`, (_, found) => setView(found), setTrouble, ending.signal);
    return () => ending.abort();
  }, [path]);
  const may = about.scopes.includes("query") || about.scopes.includes("admin");
  return html`<h1>${id === "run" ? view?.run?.id || "Run" : id}</h1>
    ${trouble &&
    html`<p class="problem" role="alert">${trouble.message} ${view && "What is shown may be old."}</p>`}
    ${!view && !trouble && html`<p class="note">Reading the journal …</p>`}
    ${view?.status === "unreadable" && html`<p class="problem">The run cannot be read.</p>`}
    ${view?.people?.length > 0 && html`<p><a class="button" href=${`#/campaigns/${encodeURIComponent(id)}/questions`}>Answer its questions</a>
      <span class="note"> ${view.people.join(", ")}: asked here.</span></p>`}
    ${view?.run && html`<${Head} view=${view} /> ${may && html`<${Steer} path=${path} view=${view} />`}
      <div class="cards"><${Learning} view=${view} /><${Calibration} view=${view} />
        <${Queue} view=${view} /><${Reasons} view=${view} /><${Costs} view=${view} />
        <${Effective} view=${view} /><${Workers} view=${view} /><${Failures} view=${view} />
        <${Commands} view=${view} /></div>`}`;
}

function Head({ view }) {
  const { labels, limits, questions, rates, run } = view;
  const left = limits.labels === null ? null : Math.max(0, limits.labels - labels.charged);
  const rate = rates.recent_labels_per_second;
  const running = view.status === "running";
  return html`<p class="head">
      <span role="status"><span class=${`state ${view.status}`}>${view.status}</span> ${view.reason}</span>
    </p>
    <${Facts}
      rows=${[
        ["labels", limits.labels === null ? count(labels.charged) : `${count(labels.charged)} of ${count(limits.labels)}`],
        ["open questions", count(questions.outstanding)],
        ["labels a second", quantity(rate)],
        ["time", duration(run.campaign_seconds)],
        ["left, at this rate", running && left !== null && rate ? duration(left / rate) : "–"],
        ["cost", limits.cost === null ? quantity(view.costs.spent) : `${quantity(view.costs.spent)} of ${quantity(limits.cost)}`],
        ["failures", count(view.failures.total)],
        ["model", view.learning.version.length ? `version ${view.learning.version.at(-1)}` : "none yet"],
      ]}
    />`;
}

function Steer({ path, view }) {
  const [said, setSaid] = useState("");
  const [asking, setAsking] = useState(false);
  const over = !["running", "paused", "unfinished"].includes(view.status);
  const last = useRef(Promise.resolve());
  const first = useRef(null); // what asks whether to stop
  const calm = useRef(null); // what does not: a second click, or Enter, comes upon this
  const asked = useRef(false);
  useEffect(() => {
    if (asking !== asked.current) (asking ? calm : first).current.focus();
    asked.current = asking;
  }, [asking]);
  const send = async (command, values) => {
    setSaid(`“${command}” is being sent …`);
    try {
      await post(`${path}/commands`, { command, values });
      setSaid(`“${command}” lies in the run's inbox; the run reads it within a second.`);
    } catch (problem) {
      setSaid(problem.message);
    }
  };
  // One after the other: two requests under way at once may overtake each other.
  const tell = (command, values = {}) => {
    setAsking(false);
    last.current = last.current.then(() => send(command, values));
  };
  return html`<section class="steer" aria-label="Steer the run" onKeyDown=${(event) => event.key === "Escape" && setAsking(false)}>
    ${view.status === "paused"
      ? html`<button onClick=${() => tell("resume")}>Resume</button>`
      : html`<button disabled=${over} onClick=${() => tell("pause")}>Pause</button>`}
    ${asking
      ? html`<button ref=${calm} onClick=${() => setAsking(false)}>Go on</button>
          <button class="danger" onClick=${() => tell("stop")}>Really stop</button>`
      : html`<button ref=${first} disabled=${over} onClick=${() => setAsking(true)}>Stop …</button>`}
    <${Limit} name="labels" title="Label budget" value=${view.limits.labels} whole tell=${tell} />
    <${Limit} name="cost" title="Cost budget" value=${view.limits.cost} tell=${tell} />
    <${Limit} name="threshold" title="Gate threshold" value=${view.gate.ask} tell=${tell} />
    <p class="said" role="status">${said}</p>
  </section>`;
}

function Limit({ name, title, value, whole, tell }) {
  const [text, setText] = useState(null);
  const send = (event) => {
    event.preventDefault();
    if (text === null || text.trim() === "" || !Number.isFinite(Number(text))) return;
    tell("set", { [name]: Number(text) });
    setText(null);
  };
  return html`<form class="limit" onSubmit=${send}>
    <label
      >${title}
      <input
        type="number"
        min="0"
        step=${whole ? 1 : "any"}
        name=${name}
        value=${text ?? value ?? ""}
        placeholder="no limit"
        onInput=${(event) => setText(event.target.value)}
    /></label>
    <button aria-disabled=${text === null}>Set</button>
  </form>`;
}

function Learning({ view }) {
  const { learning } = view;
  const names = Object.keys(learning.metrics);
  const [chosen, setChosen] = useState(null);
  const name = names.includes(chosen) ? chosen : names[0];
  const [by, setBy] = useState("labels");
  const data = useMemo(() => [learning[by], learning.metrics[name] ?? []], [learning, name, by]);
  if (!names.length || !learning.t.length) {
    return html`<${Card} title="Learning curve"><p class="note">No model was judged yet.</p><//>`;
  }
  const last = learning.metrics[name].at(-1);
  const positive = learning.metrics[name].every((one) => one === null || one > 0);
  return html`<${Card} title="Learning curve" note=${`${name} on ${learning.on}, now ${quantity(last)}`}>
    <div class="choices">
      <label>Metric <select value=${name} onChange=${(event) => setChosen(event.target.value)}>
        ${names.map((one) => html`<option>${one}</option>`)}
      </select></label>
      <label>By <select value=${by} onChange=${(event) => setBy(event.target.value)}>
        <option value="labels">labels</option><option value="t">seconds</option>
        <option value="cost">cost</option>
      </select></label>
    </div>
    <${Chart} x=${by === "t" ? "seconds" : by} y=${name} dots logY=${positive} data=${data}
      series=${[{ label: name }]} said=${`${name} by ${by}: from ${quantity(learning.metrics[name][0])} to ${quantity(last)}`} />
  <//>`;
}

function Calibration({ view }) {
  const { calibration, gate } = view;
  const data = useMemo(() => {
    const points = (calibration?.points ?? []).filter(([score, error]) => score > 0 && error > 0);
    return [points.map(([score]) => score), points.map(([, error]) => error), points.map(([score]) => score)];
  }, [calibration]);
  if (!calibration || !data[0].length) {
    return html`<${Card} title="Error against uncertainty"><p class="note">No evaluation yet.</p><//>`;
  }
  const within = calibration.within.map((one) => `${percent(one.share)} within ${one.times}×`);
  const trusted = calibration.trusted;
  return html`<${Card} title="Error against uncertainty"
    note=${`Rank correlation ${quantity(calibration.spearman)}, mean error ${quantity(calibration.ratio)} times the uncertainty; ${within.join(", ")}.`}>
    <${Chart} x="uncertainty" y="error" logX logY data=${data}
      series=${[{ label: "error", points: true }, { label: "error = uncertainty", dash: [6, 4], colour: "--soft" }]}
      said=${`${calibration.n} evaluated samples; rank correlation ${quantity(calibration.spearman)}`} />
    ${trusted && html`<p class="note">Below the threshold ${quantity(gate.ask ?? trusted.ask)}: ${percent(trusted.share)} of
      the samples, mean error ${quantity(trusted.error_mean)}, largest ${quantity(trusted.error_max)}.</p>`}
  <//>`;
}

function Queue({ view }) {
  const series = view.queue.over_time;
  const data = useMemo(() => [series.t, series.queued ?? [], series.outstanding ?? []], [series]);
  return html`<${Card} title="Queue" note=${`Peak ${count(view.queue.peak)} candidates.`}>
    ${series.t.length
      ? html`<${Chart} x="seconds" y="questions" data=${data}
          series=${[{ label: "waiting" }, { label: "asked" }]}
          said=${`waiting now ${count(series.queued?.at(-1))}, asked now ${count(series.outstanding?.at(-1))}`} />`
      : html`<p class="note">Nothing explored yet.</p>`}
  <//>`;
}

function Reasons({ view }) {
  const { questions } = view;
  return html`<${Card} title="Why questions were asked">
    <${Bars} label="Questions by reason" rows=${Object.entries(questions.by_why)} />
    <${Facts} rows=${[
      ["asked", count(questions.asked)], ["answered", count(questions.answered)],
      ["declined", count(questions.abstained)], ["quarantined", count(questions.quarantined)],
      ["tried again", count(questions.retried)], ["dropped before", count(questions.dropped)],
    ]} />
  <//>`;
}

function Costs({ view }) {
  const { costs, saved } = view;
  const rows = Object.entries(costs.by_outcome).map(([name, one]) => [name, count(one.count), quantity(one.cost), duration(one.seconds)]);
  return html`<${Card} title="Cost so far">
    <${Table} caption="Cost by outcome" columns=${["outcome", "calls", "cost", "time"]} rows=${rows} />
    <${Facts} rows=${[
      ["spent", quantity(costs.spent)], ["reserved for open questions", quantity(costs.reserved)],
      ["fitting", duration(costs.fit_seconds)], ["predicting", duration(costs.predict_seconds)],
      ["saved, at most", duration(saved.oracle_seconds_upper_estimate)],
    ]} />
  <//>`;
}

function Effective({ view }) {
  const found = view.effective;
  const audited = found?.audited?.elapsed;
  const speed = (part) => (part?.speed_up ? `${quantity(part.speed_up)} ×` : "not known yet");
  return html`<${Card} title="Effective speed-up">
    <${Facts} rows=${[
      ["audited, by elapsed time", speed(audited)],
      ["published formula", speed(found?.elapsed)],
      ["trusted look-ups", count(found?.n_lookup)],
      ["simulated for training", count(found?.n_train)],
      ["one simulation", duration(found?.t_seq)],
    ]} />
  <//>`;
}

function Workers({ view }) {
  const { workers } = view;
  const pools = Object.entries(workers.pools).map(([name, one]) => [
    name, count(one.workers), count(one.tasks), percent(one.share),
    Object.entries(one.kinds).map(([kind, seconds]) => `${kind} ${duration(seconds)}`).join(", "),
  ]);
  const shares = useMemo(() => {
    const all = Object.entries(workers.pools);
    return { t: all[0]?.[1].utilisation.t ?? [], names: all.map(([name]) => name),
      shares: all.map(([, one]) => one.utilisation.share.map((share) => 100 * share)) };
  }, [workers]);
  const data = useMemo(() => [shares.t, ...shares.shares], [shares]);
  const states = Object.entries(workers.states).map(([name, number]) => `${count(number)} ${name}`).join(", ");
  const rows = workers.table.map((one) => [
    one.name, html`<span class=${`state ${one.state}`}>${one.state}</span>`,
    one.last ? `${one.last}, until ${duration(one.until)}` : "–", count(one.tasks), percent(one.share), count(one.losses)]);
  return html`<${Card} title="Workers" wide note=${`${count(workers.total)} in all: ${states || "none"}.`}>
    <${Table} caption="Pools of workers" columns=${["pool", "workers", "tasks", "busy", "spent on"]} rows=${pools} />
    ${shares.t.length > 1 && html`<${Chart} x="seconds" y="% busy" data=${data}
      series=${shares.names.map((label) => ({ label }))} said=${`Busy shares: ${pools.map((one) => `${one[0]} ${one[3]}`).join(", ")}`} />`}
    ${workers.picture.bands.length > 0 && html`<h3>Busy over time</h3><${Busy} picture=${workers.picture} />`}
    <details><summary>What each worker did last${workers.total > rows.length ? ` (the first ${rows.length})` : ""}</summary>
      <${Table} caption="Workers" columns=${["worker", "", "last task", "tasks", "busy", "lost"]} rows=${rows} />
    </details>
  <//>`;
}

function Failures({ view }) {
  const { failures } = view;
  const rows = [...failures.table, ...failures.tasks.table].sort((one, two) => two.seq - one.seq);
  return html`<${Card} title="Failures" wide note=${`${count(failures.total)} failed tries, ${count(failures.quarantined)} questions given up.`}>
    ${failures.total > 0 && html`<${Bars} label="Failures by reason" rows=${Object.entries(failures.by_reason)} />`}
    ${rows.map((one) => html`<details key=${one.seq} class="failure">
      <summary><span class="time">${duration(one.t)}</span> <b>${one.oracle || one.kind || one.pool}</b>: ${one.reason}: ${one.message}</summary>
      <pre tabindex="0">${one.traceback || "No traceback was recorded."}</pre>
    </details>`)}
  <//>`;
}

function Commands({ view }) {
  const rows = view.commands.table.toReversed().map((one) => [duration(one.t), one.kind,
    Object.entries(one.data).map(([name, value]) => `${name} ${value}`).join(", ")]);
  return html`<${Card} title="Commands" note="What people told this run; all of it is in its journal.">
    ${rows.length ? html`<${Table} caption="Commands" columns=${["time", "command", "values"]} rows=${rows} />` : html`<p class="note">None.</p>`}
  <//>`;
}
