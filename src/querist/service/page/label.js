// Labelling by keyboard: one item after the other, saved at once, nothing typed is lost.

import { useEffect, useRef, useState } from "./vendor/hooks.js";
import { get, post } from "./api.js";
import { Boxes } from "./boxes.js";
import { Sound, toggle } from "./content.js";
import { You, isPlain, keysOf, useKeys, useName } from "./desk.js";
import { Progress, useJob } from "./job.js";
import { OlderOnes } from "./lists.js";
import { may } from "./pools.js";
import { useModels } from "./queries.js";
import { Keys, keyed, shortcuts, useShortcuts } from "./shortcuts.js";
import { Spans } from "./spans.js";
import { Facts, Table, count, html, nameOf, percent, quantity, useBusy } from "./view.js";
import { useWork } from "./work.js";

export const KINDS = ["classification", "multi-label", "regression", "tokens", "detection"];
const PARTS = ["tokens", "detection"];
const SUGGESTED = ["classification", "multi-label", "regression"]; // that models give labels for
const ZOOMS = 3;
const HELP = {
  tokens: (on) => `Arrows go from word to word, Shift and arrows select more, Alt and arrows single characters; a class's ${on ? "key" : "button"} marks the selection, Delete removes the mark${on ? ", + lets marks lie over each other" : ""}. Or drag with the mouse.`,
  detection: (on) => `A class's ${on ? "key" : "button"} places a box, arrows move it, Shift and arrows size it, Alt makes steps of one pixel. ${on ? ". and , go" : "The list below the picture goes"} from box to box, Escape to none, Delete removes it. Or drag with the mouse.`,
};

// Which items, by the last part of the address.
export const MODES = { "": "unlabelled", second: "second", decide: "disputed" };
const TITLES = { "": "Unlabelled items", second: "Second opinions", decide: "Disagreements" };
const NONE = {
  unlabelled: "Nothing waits for a label now.",
  second: "Nothing waits for your second opinion now.",
  disputed: "Nothing waits for a decision now.",
};

export function Label({ id, mode = "", query = "", about }) {
  const [pool, setPool] = useState(null);
  const [problem, setProblem] = useState(null);
  useEffect(() => {
    get(`/v1/pools/${encodeURIComponent(id)}`).then(setPool, setProblem);
  }, [id]);
  if (problem) return html`<h1>Label</h1><p class="problem" role="alert">${problem.message}</p>`;
  if (!pool) return html`<h1>Label</h1><p class="note">Opening the pool …</p>`;
  return html`<h1>Label ${pool.name}</h1>
    <nav class="tabs" aria-label="Which items">
      ${Object.entries(TITLES).map(([name, title]) => html`<a key=${name} href=${`#/pools/${id}${name && `/${name}`}`} aria-current=${name === mode && !query ? "page" : null}>${title}</a>`)}
      ${query && html`<a href=${`#/pools/${id}/picks/${query}`} aria-current="page">Picks of a query</a>`}
      <a href=${`#/pools/${id}/items`}>The pool</a>
    </nav>
    <${Desk} key=${mode + query} pool=${pool} which=${MODES[mode]} query=${query} about=${about} />
    ${mode === "decide" && html`<${Accord} pool=${id} />`}`;
}

function Desk({ pool, which, query, about }) {
  const [by, who, rename] = useName(about);
  const work = useWork(pool, which, by, query);
  const [zoom, setZoom] = useState(0);
  const [added, setAdded] = useState([]);
  const [hints, setHints] = useState(false); // a suggestion biases: it is asked for
  const player = useRef(null); // of a sound
  useShortcuts(); // what buttons say of their keys
  const item = work.items[0];
  const hint = item?.suggestion ?? item?.metadata?.suggestion;
  const all = [...(pool.classes ?? []), ...added];
  const keys = keysOf(all);
  const classes = all.slice(0, keys.length);
  const several = pool.task === "multi-label" || PARTS.includes(pool.task);

  const pick = (name) => {
    if (PARTS.includes(pool.task)) work.editor?.label(name);
    else if (!several) work.say(who.current, "label", name);
    else if (work.items.length) work.draft.toggle(name);
  };
  const accept = () => (several || pool.task === "regression" ? work.take(hint) : work.say(who.current, "label", String(hint)));
  // Boxes and spans are said of what could be seen.
  const save = () => several && (work.editor || !PARTS.includes(pool.task)) && work.say(who.current, "label", work.draft.value);
  const actions = {
    u: () => work.undo(who.current),
    s: () => work.say(who.current, "skip", "skipped"),
    n: () => work.say(who.current, "skip", "not sure"),
    p: () => toggle(player.current),
    z: () => setZoom((before) => (before + 1) % (pool.task === "detection" ? ZOOMS : 2)),
    "?": () => setHints((before) => !before),
    "=": () => hints && hint !== undefined && accept(),
    "]": () => work.turn(1),
    "[": () => work.turn(-1),
    Backspace: () => work.undo(who.current),
    Enter: save,
  };
  useKeys((event) => {
    if (work.items.length && work.editor?.pressed(event)) return () => {};
    if (!isPlain(event)) return null;
    const name = classes[keys.indexOf(event.key)];
    return name !== undefined ? () => pick(name) : actions[event.key];
  });
  const marked = (name) => (pool.task === "multi-label" ? work.draft.value.includes(name) : null);
  const none = several && !work.draft.value.length;
  const opinions = [...(work.opinions.get(item?.id) ?? [])];
  const says = (name) => opinions.filter(([, value]) => [].concat(value).includes(name)).map(([one]) => one).join(", ");
  return html`<div class="desk">
      <section class="item" aria-label="Item" aria-live=${PARTS.includes(pool.task) ? null : "polite"}>
        ${item && html`<${Shown} key=${item.id} work=${work} item=${item} zoom=${zoom} classes=${all} player=${player} playKey=${keys.includes("p") ? null : "p"} />`}
        ${!item && html`<p class="note">${work.empty ? NONE[which] : "Fetching items …"}</p>`}
      </section>
      <section class="answers" aria-label="Answers">
        ${which === "disputed" && item && html`<${Opinions} work=${work} rows=${opinions} decide=${several || pool.task === "regression" ? null : (value) => work.say(who.current, "label", value)} />`}
        ${pool.task === "regression"
          ? html`<${Value} key=${item?.id} disabled=${!item} draft=${work.draft} say=${(value) => work.say(who.current, "label", value)} />`
          : [...classes, ...all.slice(classes.length).filter(marked)].map((name, place) => html`<button key=${name} class=${`answer${PARTS.includes(pool.task) ? ` tint-${place % 6}` : ""}`} aria-disabled=${!item}
              aria-pressed=${marked(name)} onClick=${() => pick(name)}>
              ${keys[place] && keyed(keys[place])}${name}${says(name) && html` <span class="note">${says(name)}</span>`}</button>`)}
        ${all.length > classes.length && pool.task !== "regression" && html`<${OtherClass} names=${all.slice(classes.length)} pick=${pick} />`}
        ${pool.task !== "regression" && pool.learns_classes && html`<${NewClass} add=${(name) => all.includes(name) || setAdded([...added, name])} />`}
        ${several && html`<button class="first" aria-disabled=${!item} onClick=${save}><kbd>Enter</kbd> ${which === "disputed" ? "Decide" : "Save"}${none ? ": none of these" : ""}</button>`}
        <div class="more">
          <button aria-disabled=${!work.said.length && !work.draft.past.length} onClick=${actions.u}>${keyed("u")}Undo</button>
          <button aria-disabled=${!item} onClick=${actions.s}>${keyed("s")}Skip</button>
          <button aria-disabled=${!item} onClick=${actions.n}>${keyed("n")}Not sure</button>
          ${pool.transform?.modality !== "audio" && html`<button aria-pressed=${zoom > 0} onClick=${actions.z}>${keyed("z")}Zoom</button>`}
          <button aria-pressed=${hints} onClick=${actions["?"]}>${keyed("?")}Suggestion</button>
        </div>
        ${hints && item && html`<p class="note" role="status">${hint === undefined ? "There is no suggestion for this item." : html`Suggested: <b>${worded(hint)}</b>${item.suggestion != null && item.suggestion_score !== null && ` (${percent(item.suggestion_score)} sure)`} <button onClick=${actions["="]}>${keyed("=")}Take it</button>`}</p>`}
        ${hints && SUGGESTED.includes(pool.task) && may(about, "query") && html`<${AskModel} pool=${pool} done=${() => work.fill()} />`}
        <${Keys} more=${HELP[pool.task]} />
        <${You} by=${by} rename=${(text) => work.rename(rename(text))} />
        <${Facts} rows=${[...waiting(pool, which, work), ["said here", count(work.said.length)], ["not yet saved", count(work.outbox.waiting().length)]]} />
        <p role="status" class=${work.trouble ? "problem" : "note"}>
          ${work.trouble ? `${work.trouble.message} What you said is kept here and sent again.` : "Everything is saved as you go."}
        </p>
        <${Refused} work=${work} />
      </section>
    </div>`;
}

// How many there are to label; others may label as well, so of all items it is what is known here.
function waiting(pool, which, work) {
  if (work.query) return work.picks ? [["picks", count(work.picks.length)]] : [];
  if (which !== "unlabelled" || !pool.states) return [];
  return [["without a label", count(Math.max(0, pool.states.unlabelled - work.said.length))]];
}

// Lets a model suggest labels for what is unlabelled.
function AskModel({ pool, done }) {
  const models = useModels(pool.id);
  const [chosen, setChosen] = useState(null);
  const [asked, setAsked] = useState("");
  const [problem, setProblem] = useState(null);
  const [job, lost] = useJob(asked, done);
  const [busy, doing] = useBusy();
  const model = chosen ?? models.rows?.[0]?.id; // the newest
  if (!models.rows) return null;
  if (!models.rows.length) return html`<p class="note">A model that is trained or registered here can suggest labels.</p>`;
  const send = (event) => {
    event.preventDefault();
    setProblem(null);
    doing(() => post(`/v1/pools/${pool.id}/suggestions`, { model }).then((found) => setAsked(found.id), setProblem));
  };
  return html`<form class="hints" onSubmit=${send}><label>Suggestions by <select value=${model} onChange=${(event) => setChosen(event.target.value)}>
      ${models.rows.map((one) => html`<option key=${one.id} value=${one.id}>${one.title}</option>`)}</select></label>
    <${OlderOnes} list=${models} what="models" />
    <button aria-busy=${busy}>Ask it</button>
    ${asked && job?.state !== "done" && html`<${Progress} job=${job} problem=${lost} what="Asking the model" />`}
    ${job?.state === "done" && html`<p class="note" role="status">${count(job.suggested)} suggestions.</p>`}
    ${problem && html`<p class="problem" role="alert">${problem.message}</p>`}</form>`;
}

// Who said what. A label of several parts is taken over with a button, or with [ and ].
function Opinions({ work, rows, decide }) {
  return html`<section aria-label="Opinions"><h2>Who said what</h2>
    <ul class="parts">${rows.map(([by, value]) => html`<li key=${by}><b>${by || "nobody named"}</b> ${worded(value)}
      ${decide ? null : html` <button aria-label=${`Take what ${by} said`} aria-pressed=${JSON.stringify(work.draft.value) === JSON.stringify(value)} onClick=${() => work.take(value)}>Take</button>`}</li>`)}
    </ul>${!decide && shortcuts() && html`<p class="note">${keyed("[")}${keyed("]")}take one after the other</p>`}</section>`;
}

function worded(value) {
  if (!Array.isArray(value)) return String(value);
  if (!value.length) return "nothing there";
  return value.map((one) => (typeof one === "object" && one ? `${one.class} ${(one.box ?? [one.start, one.end]).join(" ")}` : String(one))).join("; ");
}

function Accord({ pool }) {
  const [found, setFound] = useState(null);
  useEffect(() => {
    get(`/v1/pools/${encodeURIComponent(pool)}/accord`).then(setFound, () => {});
  }, [pool]);
  if (!found) return null;
  return html`<section class="card" aria-label="Agreement"><h2>How far those who label agree</h2>
    <${Facts} rows=${[["labelled by several", count(found.items)], ["alike", percent(found.agreement)], ["Krippendorff's alpha", quantity(found.alpha)], ["to be decided", count(found.contested)]]} />
    ${found.pairs.length > 0 && html`<${Table} caption="By pairs" columns=${["one", "other", "items", "alike", "kappa"]}
      rows=${found.pairs.map((one) => [one.one, one.two, count(one.items), percent(one.agreement), quantity(one.kappa)])} />`}
  </section>`;
}

function Refused({ work }) {
  const refused = work.outbox.refused();
  if (!refused.length) return null;
  return html`<section class="problem" aria-label="Refused"><h2>Refused by the server</h2>
    <ul class="parts">${refused.map((one) => html`<li key=${one.key}>
      <b>${one.name}</b> ${said(one.statement)} <span class="note">${one.refused}</span>
      <button onClick=${() => work.correct(one)}>Correct ${one.name}</button>
      <button onClick=${() => work.give_up(one)}>Drop what was said of ${one.name}</button>
    </li>`)}</ul></section>`;
}

function said({ kind, value }) {
  return ["label", "decide"].includes(kind) ? JSON.stringify(value) : kind;
}

// Of the classes that have no key: typed, or chosen of a list. A select would choose with each arrow.
function OtherClass({ names, pick }) {
  const [text, setText] = useState("");
  const send = (event) => {
    event.preventDefault();
    if (!names.includes(text)) return;
    pick(text);
    setText("");
  };
  return html`<form onSubmit=${send}><label>Another class, of ${count(names.length)}
    <input list="classes" autocomplete="off" value=${text} onInput=${(event) => setText(event.target.value)} /></label>
    <button>Choose it</button><datalist id="classes">${names.map((name) => html`<option key=${name} value=${name} />`)}</datalist></form>`;
}

function NewClass({ add }) {
  const [text, setText] = useState("");
  const send = (event) => {
    event.preventDefault();
    if (text.trim()) add(text.trim());
    setText("");
    document.activeElement?.blur(); // so that its key works at once
  };
  return html`<form onSubmit=${send}><label>A new class
    <input maxlength="200" value=${text} onInput=${(event) => setText(event.target.value)} /></label></form>`;
}

function Shown({ work, item, ...how }) {
  const [found, setFound] = useState(null);
  useEffect(() => {
    let here = true;
    work.look(item).then((one) => {
      if (!here) return;
      setFound(one);
      work.edit(item, one);
    });
    return () => void (here = false);
  }, [item.id]);
  const name = nameOf(item);
  return html`<figure class=${how.zoom ? "zoomed" : ""} aria-busy=${!found}><${Content} work=${work} item=${item} found=${found} name=${name} ...${how} />
    <figcaption>${name}</figcaption></figure>`;
}

function Content({ work, item, found, name, zoom, classes, player, playKey }) {
  const { task } = work.draft;
  if (!found) return html`<p class="note late">Fetching the item …</p>`;
  if (found.problem) return html`<p class="problem" role="alert">${found.problem.message}</p>`;
  if (PARTS.includes(task)) {
    if (work.editor && task === "tokens") return html`<${Spans} keys=${work.editor} classes=${classes} />`;
    if (work.editor) return html`<${Boxes} keys=${work.editor} url=${found.url} name=${name} classes=${classes} zoom=${zoom} />`;
    if (task === "tokens" ? found.url : found.sound || found.text !== undefined)
      return html`<p class="problem" role="alert">${task === "tokens" ? "This item is no text." : "This item is no picture."} Skip it.</p>`;
  }
  if (found.sound) return html`<${Sound} url=${found.url} name=${name} player=${player} playKey=${playKey} />`;
  if (found.url) return html`<div class="scroll" tabindex="0" role="region" aria-label="Picture"><img src=${found.url} alt=${`Item ${name}`} /></div>`;
  const row = item.inline !== null && typeof item.inline === "object" && !Array.isArray(item.inline);
  if (row) return html`<div class="scroll row" tabindex="0" role="region" aria-label="Row"><${Facts} rows=${Object.entries(item.inline).map(([column, value]) => [column, typeof value === "string" ? value : JSON.stringify(value)])} /></div>`;
  return html`<pre tabindex="0">${found.text}</pre>`;
}

function Value({ say, draft, disabled }) {
  const place = useRef(null);
  useEffect(() => place.current?.focus(), []);
  const send = (event) => {
    event.preventDefault();
    if (draft.value.trim() !== "" && Number.isFinite(Number(draft.value))) say(Number(draft.value));
  };
  return html`<form onSubmit=${send}><label>Value
    <input ref=${place} type="number" step="any" required disabled=${disabled} value=${draft.value} onInput=${(event) => draft.change(event.target.value)} />
  </label><button class="first" disabled=${disabled}><kbd>Enter</kbd> Save</button></form>`;
}
