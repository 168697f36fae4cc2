// A job, as it goes on.

import { useEffect, useState } from "./vendor/hooks.js";
import { follow, post } from "./api.js";
import { Older, useList } from "./lists.js";
import { count, duration, html, quantity, useBusy } from "./view.js";

export const FINAL = ["done", "failed", "cancelled"];

// The job by its event stream, null before the first event; and why there is none to be had.
export function useJob(id, onEnd) {
  const [job, setJob] = useState(null);
  const [problem, setProblem] = useState(null);
  useEffect(() => {
    setJob(null);
    setProblem(null);
    if (!id) return undefined;
    const ending = new AbortController();
    const heard = (event, found) => {
      setJob(found);
      if (event !== "end") return;
      ending.abort();
      onEnd?.(found);
    };
    follow(`/v1/jobs/${id}/events`, heard, setProblem, ending.signal);
    return () => ending.abort();
  }, [id]);
  return [job, problem];
}

// Only the state is read out: numbers change all the time, and stand in the bar for those who ask.
export function Progress({ job, problem, what }) {
  const [said, setSaid] = useState("");
  const [busy, doing] = useBusy();
  if (!job && problem) return html`<p class="problem" role="alert">${problem.message}</p>`;
  if (!job) return html`<p class="note" role="status">${what} …</p>`;
  const { done, total, failed, rate, seconds_left: left, stage } = job.progress;
  const cancel = () => doing(() => post(`/v1/jobs/${job.id}/cancel`, {}).catch((found) => setSaid(found.message)));
  const words = [stage, total ? `${count(done)} of ${count(total)}` : done ? count(done) : "",
    failed ? `${count(failed)} failed` : "", rate ? `${quantity(rate)} a second` : "",
    left ? `${duration(left)} left` : ""].filter(Boolean);
  const over = FINAL.includes(job.state);
  return html`<div class="progress">
    <p><span role="status"><span class=${`state ${job.state}`}>${job.state}</span> ${what}</span>${words.length > 0 && `: ${words.join(", ")}`}</p>
    ${!over && html`<progress aria-label=${what} max=${total || 1} value=${total ? done : undefined}></progress>
      <button aria-busy=${busy} onClick=${cancel}>Cancel</button>`}
    ${(job.error || said) && html`<p class="problem" role="alert">${job.error || said}</p>`}
    ${over && failed > 0 && html`<${Failures} key=${job.id} job=${job.id} />`}
  </div>`;
}

function Failures({ job }) {
  const list = useList(`/v1/jobs/${job}/failures`, 0, 20);
  const { rows } = list;
  if (!rows?.length) return null;
  return html`<details><summary>What failed, and why</summary>
    <ul>${rows.map((one) => html`<li key=${one.id + one.uri}>${one.uri || one.id}: ${one.message}</li>`)}</ul>
    <${Older} list=${list} what="failures" first="first" /></details>`;
}
