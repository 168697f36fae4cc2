// What all pages share: the template function, numbers as people read them, small parts.

import { h } from "./vendor/preact.js";
import htm from "./vendor/htm.js";
import { useRef, useState } from "./vendor/hooks.js";

export const html = htm.bind(h);

export function quantity(value, digits = 3) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e7 || size < 1e-3)) return value.toExponential(2);
  return value.toLocaleString("en", { maximumSignificantDigits: size >= 1000 ? 7 : digits });
}

export function count(value) {
  return value === null || value === undefined ? "–" : Math.round(value).toLocaleString("en");
}

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 120) return `${quantity(seconds)} s`;
  if (seconds < 7200) return `${quantity(seconds / 60)} min`;
  if (seconds < 172800) return `${quantity(seconds / 3600)} h`;
  return `${quantity(seconds / 86400)} days`;
}

// One format for all: making one takes far longer than using it, and lists have thousands.
const INSTANTS = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric" });

export function instant(text) {
  return INSTANTS.format(new Date(text));
}

export function percent(share) {
  return share === null || share === undefined ? "–" : `${Math.round(share * 100)} %`;
}

// One thing at a time: what is asked for again while it goes on is passed over. The button that begins it is
// not disabled meanwhile, as it would lose the focus.
export function useBusy() {
  const now = useRef(false);
  const [busy, setBusy] = useState(false);
  const doing = async (action) => {
    if (now.current) return;
    setBusy((now.current = true));
    try {
      await action();
    } finally {
      setBusy((now.current = false));
    }
  };
  return [busy, doing];
}

// An item's file name as people write it, not as an address has it; else its id.
export function nameOf(item) {
  const name = (item.uri ?? "").split("/").at(-1);
  if (!name) return item.id;
  try {
    return decodeURIComponent(name);
  } catch {
    return name; // a % that is no code
  }
}

export function Card({ title, note, wide, children }) {
  return html`<section class=${wide ? "card wide" : "card"}>
    <h2>${title}</h2>
    ${note && html`<p class="note">${note}</p>`} ${children}
  </section>`;
}

export function Facts({ rows }) {
  return html`<dl class="facts">
    ${rows.map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}
  </dl>`;
}

export function Table({ caption, columns, rows }) {
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${caption}>
    <table>
      <caption class="hidden">${caption}</caption>
      <thead><tr>${columns.map((one) => html`<th scope="col">${one}</th>`)}</tr></thead>
      <tbody>
        ${rows.map((row) => html`<tr>${row.map((cell) => html`<td>${cell}</td>`)}</tr>`)}
      </tbody>
    </table>
  </div>`;
}

export function Bars({ rows, label }) {
  const most = Math.max(1, ...rows.map(([, value]) => value));
  if (!rows.length) return html`<p class="note">Nothing yet.</p>`;
  return html`<ul class="bars" aria-label=${label}>
    ${rows.map(
      ([name, value]) => html`<li key=${name}>
        <span class="name">${name}</span>
        <span class="bar" aria-hidden="true"
          ><span style=${{ width: `${(100 * value) / most}%` }}></span
        ></span>
        <span class="number">${count(value)}</span>
      </li>`,
    )}
  </ul>`;
}
