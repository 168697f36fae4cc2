// Spans of a text: a cursor on words, shift extends it, a class's key labels what is selected.

import { useEffect, useMemo, useRef } from "./vendor/hooks.js";
import { keyed } from "./shortcuts.js";
import { html } from "./view.js";

// Positions are those of the label: characters of the text (code points), not UTF-16 units.
export function tokensOf(text) {
  const tokens = [];
  let at = 0;
  for (const [part] of text.matchAll(/\s+|[\p{L}\p{M}\p{N}_]+|[^\s]/gu)) {
    const end = at + [...part].length;
    tokens.push({ start: at, end, text: part, blank: /^\s/.test(part) });
    at = end;
  }
  return tokens;
}

const OVER = "querist-over-spans"; // marks may lie over each other
const overlaps = (one, two) => one.start < two.end && two.start < one.end;

export class SpanKeys {
  constructor(draft, text) {
    this.draft = draft;
    this.letters = [...text];
    this.tokens = tokensOf(text);
    this.words = this.tokens.filter((one) => !one.blank);
    this.over = localStorage.getItem(OVER) === "yes" || crossing(draft.value);
    this.draft.at ??= { from: 0, to: 0, start: this.words[0]?.start ?? 0, end: this.words[0]?.end ?? 0 };
  }

  // Words by number in `from` (where the selection began) and `to`; characters in start and end.
  select(from, to) {
    if (!this.words.length) return;
    const keep = (one) => Math.max(0, Math.min(this.words.length - 1, one));
    const [a, b] = [keep(from), keep(to)];
    const { start } = this.words[Math.min(a, b)];
    const { end } = this.words[Math.max(a, b)];
    this.draft.select({ from: a, to: b, start, end });
  }

  move(by, extend) {
    const { from, to } = this.draft.at;
    this.select(extend ? from : to + by, to + by);
  }

  // The end of the selection by single characters.
  letter(by) {
    const { at } = this.draft;
    const end = Math.max(at.start + 1, Math.min(this.letters.length, at.end + by));
    this.draft.select({ ...at, end });
  }

  label(name) {
    const { start, end, from, to } = this.draft.at;
    if (end <= start || !this.words.length) return;
    const span = { class: name, start, end };
    const same = this.draft.value.some((one) => one.class === name && one.start === start && one.end === end);
    const replaced = (one) => (this.over ? one.class === name && one.start === start && one.end === end : overlaps(one, span));
    const others = this.draft.value.filter((one) => !replaced(one));
    // Of those that begin together the longer one first, as brackets are written.
    const value = same ? others : [...others, span].sort((one, two) => one.start - two.start || two.end - one.end);
    this.draft.set(value);
    if (!same && !this.over) this.select(Math.max(from, to) + 1, Math.max(from, to) + 1);
  }

  remove() {
    const { at, value } = this.draft;
    const exact = value.some((one) => one.start === at.start && one.end === at.end);
    // Of marks over each other the ones that are selected exactly go; else all that the selection touches.
    const kept = value.filter((one) => (exact ? one.start !== at.start || one.end !== at.end : !overlaps(one, at)));
    if (kept.length < value.length) this.draft.set(kept);
  }

  // Whether a new mark may lie over others, or takes their place.
  lay(over) {
    this.over = over;
    localStorage.setItem(OVER, over ? "yes" : "no");
    this.draft.draw();
  }

  pressed(event) {
    const { from, to } = this.draft.at;
    const moves = {
      ArrowLeft: () => (event.altKey ? this.letter(-1) : this.move(-1, event.shiftKey)),
      ArrowRight: () => (event.altKey ? this.letter(1) : this.move(1, event.shiftKey)),
      ArrowUp: () => this.line(-1, event.shiftKey),
      ArrowDown: () => this.line(1, event.shiftKey),
      Home: () => this.select(event.shiftKey ? from : 0, 0),
      End: () => this.select(event.shiftKey ? from : Infinity, Infinity),
      Escape: () => this.select(to, to),
      Delete: () => this.remove(),
      "+": () => this.lay(!this.over),
    };
    if (!moves[event.key] || event.ctrlKey || event.metaKey) return false;
    moves[event.key]();
    return true;
  }

  // The word above or below: the nearest one of another line, as the text is laid out now.
  line(by, extend) {
    const { from, to } = this.draft.at;
    const box = (place) => document.querySelector(`[data-word="${place}"]`)?.getBoundingClientRect();
    const here = box(to);
    if (!here) return;
    let found = to;
    let row = null;
    for (let place = to + by, other = box(place); other; place += by, other = box(place)) {
      if (Math.abs(other.top - here.top) < 4) continue;
      row ??= other.top;
      if (Math.abs(other.top - row) >= 4) break;
      if (found === to || Math.abs(other.left - here.left) < Math.abs(box(found).left - here.left)) found = place;
    }
    this.select(extend ? from : found, found);
  }
}

function crossing(spans) {
  return spans.some((one, place) => spans.slice(place + 1).some((two) => overlaps(one, two)));
}

// The text as runs between all ends of words, spans and the selection.
function runs(keys) {
  const { value, at } = keys.draft;
  const ends = new Set(keys.tokens.flatMap((one) => [one.start, one.end]));
  for (const one of [...value, at]) ends.add(one.start).add(one.end);
  const places = [...ends].sort((a, b) => a - b);
  let word = 0;
  return places.slice(0, -1).map((start, place) => {
    const end = places[place + 1];
    while (word < keys.words.length && keys.words[word].end <= start) word += 1;
    const own = keys.words[word]?.start <= start ? word : null;
    const spans = value.filter((one) => one.start <= start && end <= one.end).sort((one, two) => one.end - one.start - (two.end - two.start));
    return { start, end, word: own, spans, chosen: at.start <= start && end <= at.end };
  });
}

export function Spans({ keys, classes }) {
  const place = useRef(null);
  const { at } = keys.draft;
  useEffect(() => place.current?.querySelector(".chosen")?.scrollIntoView({ block: "nearest" }), [at]);
  const shown = useMemo(() => runs(keys), [keys, keys.draft.value, at]);
  const word = (event) => event.target.closest?.("[data-word]")?.dataset.word;
  const down = (event) => {
    if (word(event) === undefined) return;
    event.preventDefault();
    keys.select(event.shiftKey ? at.from : Number(word(event)), Number(word(event)));
  };
  const over = (event) => event.buttons === 1 && word(event) !== undefined && keys.select(at.from, Number(word(event)));
  const said = keys.letters.slice(at.start, at.end).join("");
  return html`<div ref=${place} class="text" tabindex="0" role="group" aria-label="Text" onPointerDown=${down} onPointerMove=${over}>
      ${shown.map((one) => {
        // The innermost mark colours the words; those around it are lines below.
        const inner = html`<span data-word=${one.word} class=${one.chosen ? "chosen" : ""}>${keys.letters.slice(one.start, one.end).join("")}</span>`;
        return html`<span key=${one.start}>${one.spans.reduce((within, span, depth) => html`<span
          class=${`span tint-${Math.max(0, classes.indexOf(span.class)) % 6} depth-${Math.min(depth, 4)}`}>${within}${one.end === span.end && html`<b class="tag">${span.class}</b>`}</span>`, inner)}</span>`;
      })}
    </div>
    <p class="note"><label><input type="checkbox" checked=${keys.over} onChange=${(event) => keys.lay(event.target.checked)} /> ${keyed("+")}Marks may lie over each other</label></p>
    <p class="hidden" role="status">${said && `Selected: ${said}`}</p>
    <${Parts} rows=${keys.draft.value.map((one) => [one.class, keys.letters.slice(one.start, one.end).join("")])} none="No spans yet." />`;
}

export function Parts({ rows, none, chosen, pick }) {
  if (!rows.length) return html`<p class="note">${none}</p>`;
  return html`<ul class="parts" aria-label="Marked">
    ${rows.map(([name, what], place) => html`<li key=${place}><b>${name}</b> ${pick
      ? html`<button aria-pressed=${chosen === place} onClick=${() => pick(place)}>${what}</button>`
      : what}</li>`)}
  </ul>`;
}
