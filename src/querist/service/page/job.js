// A job, as it goes on.

import { useEffect, useState } from "./vendor/hooks.js";
import { follow, get, post } from "./api.js";
import { count, duration, html, quantity } from "./view.js";

export const FINAL = ["done", "failed", "cancelled"];

// The job by its event stream; null before the first event.
export function useJob(id, onEnd) {
  const [job, setJob] = useState(null);
  useEffect(() => {
    setJob(null);
    if (!id) return undefined;
    const ending = new AbortController();
    const heard = (event, found) => {
      setJob(found);
      if (event !== "end") return;
      ending.abort();
      onEnd?.(found);
    };
    follow(`/v1/jobs/${id}/events`, heard, () => {}, ending.signal);
    return () => ending.abort();
  }, [id]);
  return job;
}

export function Progress({ job, what }) {
  const [said, setSaid] = useState("");
  if (!job) return html`<p class="note" role="status">${what} …</p>`;
  const { done, total, failed, rate, seconds_left: left, stage } = job.progress;
  const cancel = () => post(`/v1/jobs/${job.id}/cancel`, {}).catch((problem) => setSaid(problem.message));
  const words = [stage, total ? `${count(done)} of ${count(total)}` : done ? count(done) : "",
    failed ? `${count(failed)} failed` : "", rate ? `${quantity(rate)} a second` : "",
    left ? `${duration(left)} left` : ""].filter(Boolean);
  const over = FINAL.includes(job.state);
  return html`<div class="progress">
    <p role="status"><span class=${`state ${job.state}`}>${job.state}</span> ${what}${words.length > 0 && `: ${words.join(", ")}`}</p>
    ${!over && html`<progress aria-label=${what} max=${total || 1} value=${total ? done : undefined}></progress>
      <button onClick=${cancel}>Cancel</button>`}
    ${(job.error || said) && html`<p class="problem" role="alert">${job.error || said}</p>`}
    ${over && failed > 0 && html`<${Failures} key=${job.id} job=${job.id} />`}
  </div>`;
}

function Failures({ job }) {
  const [rows, setRows] = useState([]);
  useEffect(() => void get(`/v1/jobs/${job}/failures?limit=20`).then((page) => setRows(page.items), () => {}), [job]);
  if (!rows.length) return null;
  return html`<details><summary>What failed, and why</summary>
    <ul>${rows.map((one) => html`<li key=${one.id + one.uri}>${one.uri || one.id}: ${one.message}</li>`)}</ul></details>`;
}
