// What a question is about: pictures, texts, numbers, curves, links.

import { useEffect, useMemo, useRef, useState } from "./vendor/hooks.js";
import { Chart } from "./chart.js";
import { Sound } from "./content.js";
import { html, quantity } from "./view.js";

const FEW = 24; // numbers that are written out
const ROWS = 60;
const COLUMNS = 12;

export function Inputs({ work, item, zoom }) {
  const names = Object.keys(item.shapes ?? {});
  const seen = names.filter((name) => item.shown[name] !== "hidden");
  const short = seen.filter((name) => item.shown[name] === "numbers" && size(item.shapes[name]) <= FEW && item.shapes[name].length < 2);
  return html`<div class=${zoom ? "inputs zoomed" : "inputs"}>
    ${item.uri && html`<figure>${item.content && html`<${Shown} load=${() => work.content(item)} name=${item.uri} />`}<figcaption><${Link} text=${item.uri} /></figcaption></figure>`}
    ${seen.filter((name) => !short.includes(name)).map((name) => html`<figure key=${name}><${Input} work=${work} item=${item} name=${name} />
      <figcaption>${name}</figcaption></figure>`)}
    ${short.length > 0 && html`<dl class="facts">${short.map((name) => html`<div key=${name}><dt>${name}</dt><dd>${written(item.inputs[name])}</dd></div>`)}</dl>`}
  </div>`;
}

function Input({ work, item, name }) {
  const how = item.shown[name];
  if (how === "image") return html`<${Shown} load=${() => work.picture(item, name)} name=${name} />`;
  const found = item.inputs[name];
  if (found === undefined) return html`<p class="note">${item.shapes[name].join(" × ")} numbers: too many to be shown here.</p>`;
  if (how === "link") return html`<p>${[found].flat(9).map((one) => html`<${Link} key=${one} text=${String(one)} /> `)}</p>`;
  if (how === "text") return html`<pre tabindex="0">${[found].flat(9).join("\n")}</pre>`;
  return html`<${Numbers} name=${name} found=${found} shape=${item.shapes[name]} />`;
}

// A picture, sound or text of the server.
function Shown({ load, name }) {
  const [found, setFound] = useState(null);
  const player = useRef(null);
  useEffect(() => {
    let here = true;
    load().then((one) => here && setFound(one));
    return () => void (here = false);
  }, []);
  if (!found) return null;
  if (found.text !== undefined) return html`<pre tabindex="0">${found.text}</pre>`;
  if (found.problem) return html`<p class="problem" role="alert">${found.problem.message}</p>`;
  if (found.sound) return html`<${Sound} url=${found.url} name=${name} player=${player} />`;
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${`Picture ${name}`}><img src=${found.url} alt=${`${name} of the question`} /></div>`;
}

// Only what leads to a page of the web is a link.
function Link({ text }) {
  if (!/^https?:\/\//.test(text)) return html`<code>${text}</code>`;
  return html`<a href=${text} target="_blank" rel="noopener noreferrer">${text}</a>`;
}

function Numbers({ name, found, shape }) {
  const flat = useMemo(() => [found].flat(9), [found]);
  const curve = useMemo(() => [flat.map((_, place) => place), flat.map(Number)], [flat]);
  if (shape.length < 2 && flat.length <= FEW) return html`<p class="numbers">${written(flat)}</p>`;
  if (shape.length === 1) {
    return html`<${Chart} x="place" y=${name} data=${curve} series=${[{ label: name }]}
      said=${`${flat.length} numbers, from ${quantity(Math.min(...flat))} to ${quantity(Math.max(...flat))}`} />`;
  }
  if (shape.length === 2 && shape[1] <= COLUMNS) {
    const rows = found.slice(0, ROWS);
    return html`<div class="scroll" tabindex="0" role="region" aria-label=${name}><table><tbody>
      ${rows.map((row, place) => html`<tr key=${place}><th scope="row">${place}</th>${row.map((one) => html`<td>${one_(one)}</td>`)}</tr>`)}
    </tbody></table></div>${found.length > rows.length && html`<p class="note">The first ${ROWS} of ${found.length} rows.</p>`}`;
  }
  return html`<p class="note">${shape.join(" × ")} numbers, from ${quantity(Math.min(...flat))} to ${quantity(Math.max(...flat))}</p>`;
}

function size(shape) {
  return shape.reduce((one, two) => one * two, 1);
}

function written(found) {
  if (found === undefined) return "–";
  return [found].flat(9).map(one_).join("  ");
}

function one_(value) {
  return typeof value === "number" ? quantity(value, 5) : value === null ? "not finite" : String(value);
}
