// Forgetting items: what that erases is said first. What is gone leaves all views of this tab at once.

import { useEffect, useLayoutEffect, useReducer, useRef, useState } from "./vendor/hooks.js";
import { post } from "./api.js";
import { own } from "./place.js";
import { count, html, useBusy } from "./view.js";

const MOST = 1000; // items a request
const CHANGED = "querist-forgotten"; // its detail: {pool, ids}
const gone = new Map(); // by pool the ids
const notices = new Map(); // by pool what there is to say: {number, left}

export function isForgotten(pool, id) {
  return gone.get(pool)?.has(id) ?? false;
}

export function onForgotten(listener) {
  const heard = ({ detail }) => listener(detail);
  addEventListener(CHANGED, heard);
  return () => removeEventListener(CHANGED, heard);
}

// How often something was forgotten; draws anew when it is.
export function useForgotten() {
  const [turn, next] = useReducer((before) => before + 1, 0);
  useEffect(() => onForgotten(next), []);
  return turn;
}

// Another view is opened: what was said is known, unless something is left to do.
export function hush(pool) {
  if (notices.get(pool)?.left.size === 0) notices.delete(pool);
}

// `left`: by id what could not be erased, and why.
function note(pool, ids, left) {
  gone.set(pool, new Set([...(gone.get(pool) ?? []), ...ids]));
  for (const id of ids) localStorage.removeItem(own(`draft-${pool}-`) + id);
  notices.set(pool, { number: ids.length, left });
  dispatchEvent(new CustomEvent(CHANGED, { detail: { pool, ids } }));
}

// In as few requests as may be: each writes the pool's index anew. What is done when one of them fails is told, too.
async function forgetAll(pool, ids, tell) {
  const done = [];
  const left = new Map();
  try {
    while (done.length < ids.length) {
      const items = ids.slice(done.length, done.length + MOST);
      tell(`Forgetting ${count(done.length + items.length)} of ${count(ids.length)} …`);
      const answer = await post(`/v1/pools/${pool}/erasures`, { items });
      done.push(...items);
      if (answer.left.length) for (const id of items) left.set(id, answer.left);
    }
  } finally {
    if (done.length) note(pool, done, left);
  }
}

// A button that asks before it does it. `ids`: of whom; `done`: called when all of them are gone.
export function Forget({ pool, ids, what, done }) {
  const [asking, setAsking] = useState(false);
  const [said, setSaid] = useState("");
  const [problem, setProblem] = useState(null);
  const [busy, doing] = useBusy();
  const first = useRef(null); // what asks whether to forget
  const calm = useRef(null); // what does not: a second click, or Enter, comes upon this
  const asked = useRef(false);
  // With the drawing, not after it: the next key belongs to what is seen.
  useLayoutEffect(() => {
    if (asking !== asked.current) (asking ? calm : first).current?.focus();
    asked.current = asking;
  }, [asking]);
  const begin = () => {
    setProblem(null);
    setAsking(ids.length > 0);
  };
  const forget = () => doing(async () => {
    setProblem(null);
    try {
      await forgetAll(pool, ids, setSaid);
      setAsking(false);
      done?.();
    } catch (found) {
      setProblem(found);
    } finally {
      setSaid("");
    }
  });
  const stay = (event) => {
    if (event.key !== "Escape" || !asking) return;
    event.preventDefault(); // the dialog around it stays open
    event.stopPropagation();
    setAsking(false);
  };
  const one = ids.length === 1;
  return html`<div class="forget" onKeyDown=${stay}>
    ${!asking && html`<button ref=${first} aria-disabled=${!ids.length} onClick=${begin}>${what} …</button>`}
    ${asking && html`<section class="confirm" aria-label="Forget for good">
      <p><b>${one ? "Forget this item for good?" : `Forget these ${count(ids.length)} items for good?`}</b> This cannot be undone.</p>
      <p class="note">Erased is all that the pool has of ${one ? "it" : "them"}: labels and who said them, metadata, texts and rows that it holds, cached bytes, features and outputs of models,
        thumbnails, places on maps and in reviews, and lines of exports that the pool wrote. Files at their own addresses stay where they are. Only the id is kept, so that
        ${one ? " the item does" : " the items do"} not come back when a folder is listed again.</p>
      <p class="buttons"><button ref=${calm} onClick=${() => setAsking(false)}>${one ? "Keep it" : "Keep them"}</button>
        <button class="danger" aria-busy=${busy} onClick=${forget}>${one ? "Forget it for good" : `Forget ${count(ids.length)} for good`}</button></p>
    </section>`}
    <p class="note" role="status">${said}</p>
    ${problem && html`<p class="problem" role="alert">${problem.message}</p>`}
  </div>`;
}

// What was forgotten of a pool last, and what is left of it.
export function Notice({ pool }) {
  useForgotten();
  const [said, setSaid] = useState("");
  const [problem, setProblem] = useState(null);
  const [busy, doing] = useBusy();
  const notice = notices.get(pool);
  const again = () => doing(() => forgetAll(pool, [...notice.left.keys()], setSaid).then(() => setProblem(null), setProblem).finally(() => setSaid("")));
  const words = [...new Set([...(notice?.left.values() ?? [])].flat())];
  return html`<div role="status">${notice && html`<p class="note">${notice.number === 1 ? "One item is" : `${count(notice.number)} items are`} forgotten. ${said}</p>`}</div>
    ${words.length > 0 && html`<section class="problem" aria-label="What is left"><p>Something is left of what was forgotten:</p>
      <ul>${words.map((one) => html`<li key=${one}>${one}</li>`)}</ul><button aria-busy=${busy} onClick=${again}>Erase what is left</button></section>`}
    ${problem && html`<p class="problem" role="alert">${problem.message}</p>`}`;
}
