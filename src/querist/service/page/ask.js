// What a run asks people: one question after the other, by keyboard; nothing typed is lost.

import { useEffect, useRef, useState } from "./vendor/hooks.js";
import { useAsked } from "./asked.js";
import { You, isPlain, keysOf, useKeys, useName } from "./desk.js";
import { Inputs } from "./inputs.js";
import { numbersIn, range, value, wrong } from "./said.js";
import { Keys, keyed, useShortcuts } from "./shortcuts.js";
import { Facts, count, html, quantity } from "./view.js";

const WHY = { initial: "to begin with", uncertain: "the model is uncertain", holdout: "to judge the model", audit: "to check what the model was trusted with" };

export function Ask({ id, about }) {
  const may = about.scopes.includes("label") || about.scopes.includes("admin");
  return html`<h1>Questions of ${id === "run" ? "the run" : id}</h1>
    <nav class="tabs" aria-label="Parts of the run">
      <a href=${`#/campaigns/${encodeURIComponent(id)}`}>The run</a>
      <a href=${`#/campaigns/${encodeURIComponent(id)}/questions`} aria-current="page">Questions</a>
    </nav>
    ${may ? html`<${Desk} id=${id} about=${about} />` : html`<p class="problem">Your key may not answer: it needs the scope “label”.</p>`}`;
}

function Desk({ id, about }) {
  const [by, who, rename] = useName(about);
  const work = useAsked(id, by);
  const [zoom, setZoom] = useState(false);
  const [at, setAt] = useState(0); // which output the keys choose for
  useShortcuts(); // what buttons say of their keys
  const item = work.items[0];
  const outputs = item?.form?.outputs ?? [];
  useEffect(() => setAt(0), [item?.id]);
  const missing = outputs.filter((one) => wrong(one, work.draft[one.name]) !== "");

  const save = (draft = work.draft) => {
    if (!item || !outputs.length || outputs.some((one) => wrong(one, draft[one.name]) !== "")) return false;
    const said = Object.fromEntries(outputs.map((one) => [one.name, value(one, draft[one.name])]));
    work.say(who.current, { kind: "answer", outputs: said });
    return true;
  };
  // A class is chosen; it is the answer where nothing else is asked for.
  const choose = (place, name) => {
    const output = outputs[place];
    work.change(output.name, name);
    if (outputs.length === 1) save(work.draft);
    else onward(place);
  };
  const onward = (place) => {
    const next = (place + 1) % outputs.length;
    setAt(next);
    document.getElementById(`output-${next}`)?.focus();
  };
  const actions = {
    Enter: () => save(),
    u: () => work.undo(),
    Backspace: () => work.undo(),
    s: () => work.skip(),
    n: () => item && work.say(who.current, { kind: "not-sure", why: "not sure" }),
    z: () => setZoom((before) => !before),
    ArrowDown: () => outputs.length > 1 && onward(at),
  };
  useKeys((event) => {
    if (!isPlain(event)) return null;
    const name = outputs[at]?.classes[keysOf(outputs[at].classes).indexOf(event.key)];
    return name !== undefined ? () => choose(at, name) : actions[event.key];
  });
  const named = (text) => {
    work.by = rename(text);
  };
  const unsent = work.outbox.waiting().length;
  return html`<div class="desk">
      <section class="item" aria-label="Question" aria-live="polite">
        ${work.gone && html`<p class="note" role="status">${work.gone}</p>`}
        ${item && html`${item.form.instructions && html`<h2>${item.form.instructions}</h2>`}
          <${Inputs} key=${item.id} work=${work} item=${item} zoom=${zoom} />
          <p class="note about">${item.oracle} is asked ${WHY[item.why] ? `because: ${WHY[item.why]}` : `(${item.why})`}${item.score !== null && `; uncertainty ${quantity(item.score)}`}.</p>`}
        ${!item && html`<p class="note">${work.looked ? "Nothing is asked now. Questions come here by themselves." : "Fetching questions …"}</p>`}
      </section>
      <section class="answers" aria-label="Answers">
        ${outputs.map((one, place) => html`<${Output} key=${one.name} question=${item.id} output=${one} place=${place} chosen=${place === at} several=${outputs.length > 1}
          text=${work.draft[one.name]} change=${(text) => work.change(one.name, text)} choose=${(name) => choose(place, name)}
          done=${() => save() || onward(place)} here=${() => setAt(place)} />`)}
        ${item && !outputs.length && html`<p class="note">The campaign does not say how this is answered: a program does it.</p>`}
        ${outputs.length > 0 && !(outputs.length === 1 && outputs[0].classes.length) && html`<button class="first" aria-disabled=${missing.length > 0} onClick=${() => save()}><kbd>Enter</kbd> Answer</button>`}
        <div class="more">
          <button aria-disabled=${!work.said.length} onClick=${actions.u}>${keyed("u")}Undo</button>
          <button aria-disabled=${!item} onClick=${actions.s}>${keyed("s")}Skip</button>
          <button aria-disabled=${!item} onClick=${actions.n}>${keyed("n")}Not sure</button>
          <button aria-pressed=${zoom} onClick=${actions.z}>${keyed("z")}Zoom</button>
        </div>
        <p class="note">A skipped question waits for somebody else; of one that cannot be told, say “not sure”. Escape leaves a field.</p>
        <${Keys} />
        <${You} by=${by} rename=${named} />
        <${Facts} rows=${[["said here", count(work.said.length)], ["not yet sent", count(unsent)]]} />
        ${unsent > 0 && !work.trouble && html`<p class="note">An answer goes to the run after some seconds: until then it can be taken back. <button onClick=${() => work.outbox.flush()}>Send now</button></p>`}
        ${work.trouble && html`<p role="alert" class="problem">${work.trouble.message} What you said is kept here and sent again.</p>`}
        <${Refused} work=${work} />
      </section>
    </div>`;
}

function Output({ question, output, place, chosen, several, text, change, choose, done, here }) {
  const field = useRef(null);
  // The next question begins in its first field; what somebody writes elsewhere (a name) goes on.
  useEffect(() => {
    const elsewhere = document.activeElement?.closest("input, select") && !document.activeElement.closest(".output");
    if (place === 0 && !elsewhere) field.current?.focus();
  }, [question]);
  const title = html`<span>${output.title}${output.unit && html` <span class="note">in ${output.unit}</span>`}</span>`;
  if (output.classes.length) {
    const keys = keysOf(output.classes);
    const classes = output.classes.slice(0, keys.length);
    return html`<fieldset class=${chosen && several ? "output chosen" : "output"}><legend>${title}</legend>
      ${classes.map((name, number) => html`<button key=${name} class="answer" aria-pressed=${text === name} onClick=${() => choose(name)}>
        ${chosen && keyed(keys[number])}${name}</button>`)}
      ${classes.length < output.classes.length && html`<select aria-label=${`Other ${output.title}`} value=${text ?? ""} onChange=${(event) => event.target.value && choose(event.target.value)}>
        <option value="">more …</option>${output.classes.slice(keys.length).map((name) => html`<option key=${name}>${name}</option>`)}</select>`}
    </fieldset>`;
  }
  const many = numbersIn(output);
  const problem = wrong(output, text);
  const bounded = output.low !== undefined || output.high !== undefined;
  const send = (event) => {
    event.preventDefault();
    if (problem === "") done();
  };
  return html`<form class="output" onSubmit=${send}><label>${title}
      <input id=${`output-${place}`} ref=${field} inputmode=${many === 1 ? "decimal" : "text"} autocomplete="off" value=${text ?? ""}
        aria-invalid=${Boolean(problem)} aria-describedby=${`about-${place}`} onFocus=${here} onInput=${(event) => change(event.target.value)} />
    </label><p id=${`about-${place}`} class=${problem ? "problem" : "note"} role=${problem ? "alert" : null}>
      ${problem || [many > 1 && `${output.shape.join(" × ")} numbers, row by row`, bounded && range(output)].filter(Boolean).join(", ")}</p></form>`;
}

function Refused({ work }) {
  const refused = work.outbox.refused();
  if (!refused.length) return null;
  return html`<section class="problem" aria-label="Refused"><h2>Came to nothing</h2>
    <ul class="parts">${refused.map((one) => html`<li key=${one.key}>
      <b>${one.name}</b> ${one.statement.kind === "answer" ? JSON.stringify(one.statement.outputs) : one.statement.why} <span class="note">${one.refused}</span>
      <button onClick=${() => work.give_up(one)}>Drop it</button></li>`)}</ul></section>`;
}
