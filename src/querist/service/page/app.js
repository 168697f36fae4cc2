// The frame: header, navigation by the address, the key where one is needed.

import { render } from "./vendor/preact.js";
import { useEffect, useState } from "./vendor/hooks.js";
import { get, hasKey, setKey } from "./api.js";
import { Campaign, Campaigns, keyOf as runOf } from "./campaign.js";
import { PoolPage, keyOf as poolOf } from "./pool.js";
import { Pools } from "./pools.js";
import { focusOn, keepFocus } from "./focus.js";
import { onTrouble } from "./patience.js";
import { setTheme, theme } from "./theme.js";
import { html, useBusy } from "./view.js";

const PAGES = [
  { name: "campaigns", title: "Campaigns", list: Campaigns, one: Campaign, key: runOf },
  { name: "pools", title: "Pools", list: Pools, one: PoolPage, key: poolOf },
];

function place() {
  const [, page, ...rest] = location.hash.split("/").map(decodeURIComponent);
  return { page: page || "", id: rest.join("/") };
}

function usePlace() {
  const [found, setFound] = useState(place());
  useEffect(() => {
    const look = () => setFound(place());
    addEventListener("hashchange", look);
    return () => removeEventListener("hashchange", look);
  }, []);
  return found;
}

function Theme() {
  const [name, setName] = useState(theme());
  const choose = (event) => {
    setTheme(event.target.value);
    setName(event.target.value);
  };
  return html`<label class="theme"
    ><span class="hidden">Colours</span>
    <select value=${name} onChange=${choose}>
      <option value="auto">Auto</option>
      <option value="light">Light</option>
      <option value="dark">Dark</option>
    </select></label
  >`;
}

function KeyForm({ onKey, what }) {
  const [text, setText] = useState("");
  const [busy, doing] = useBusy();
  const send = (event) => {
    event.preventDefault();
    setKey(text.trim());
    doing(onKey);
  };
  return html`<form onSubmit=${send}>
    <label
      >Key
      <input type="password" autocomplete="off" required value=${text} onInput=${(event) =>
        setText(event.target.value)}
    /></label>
    <button class="first" aria-busy=${busy}>${what}</button>
  </form>`;
}

function AskKey({ onKey, wrong }) {
  return html`<main id="main" class="narrow">
    <h1>Who asks?</h1>
    <p>This server wants a key. It stays in this tab, and goes to this server only.</p>
    ${wrong && html`<p class="problem" role="alert">${wrong}</p>`}
    <${KeyForm} onKey=${onKey} what="Open" />
  </main>`;
}

function AskAgain({ onKey }) {
  return html`<section class="again" aria-label="Another key">
    <p class="problem" role="alert">
      This key is not valid any more: it is unknown, expired or revoked. What you said is kept in this browser; give
      another key to go on.
    </p>
    <${KeyForm} onKey=${onKey} what="Go on" />
  </section>`;
}

// Always there, since only what changes is read out.
function Trouble() {
  const [problem, setProblem] = useState(null);
  useEffect(() => onTrouble(setProblem), []);
  return html`<div role="status">${problem && html`<p class="problem trouble">${problem.message} It is asked again by itself; what is shown may be old.</p>`}</div>`;
}

// Whether the server refused the key since it last took it.
function useRefused() {
  const [refused, setRefused] = useState(false);
  useEffect(() => {
    const note = () => setRefused(true);
    addEventListener("querist-refused", note);
    return () => removeEventListener("querist-refused", note);
  }, []);
  return [refused, () => setRefused(false)];
}

function Body({ found, about }) {
  const page = PAGES.find((one) => one.name === found.page && about.shows.includes(one.name));
  if (!page) return html`<main id="main"><h1>There is no such page.</h1></main>`;
  const Shown = found.id ? page.one : page.list;
  const key = page.key?.(found.id) ?? found.id; // what is the same page, in another state
  return html`<main id="main"><${Shown} key=${key} id=${found.id} about=${about} /></main>`;
}

function App() {
  const asked = usePlace();
  const [about, setAbout] = useState(null);
  const found = { ...asked, page: asked.page || about?.shows[0] };
  const [wrong, setWrong] = useState(null);
  const [turn, setTurn] = useState(0); // of keys: with another one all is asked for anew
  const [refused, accept] = useRefused();
  const known = (found) => {
    setAbout(found);
    setTurn((before) => before + 1);
    accept();
  };
  const look = () => get("/v1").then(known, setWrong);
  useEffect(() => void look(), []);
  const leave = () => {
    setKey("");
    location.reload();
  };
  const asks = !about && wrong?.status === 401;
  return html`<a class="skip" href="#main" onClick=${toMain}>To the content</a>
    <header>
      <a class="home" href="#/">Querist</a>
      <nav aria-label="Pages">
        ${PAGES.filter((one) => about?.shows.includes(one.name)).map(
          (one) =>
            html`<a href=${`#/${one.name}`} aria-current=${one.name === found.page ? "page" : null}
              >${one.title}</a
            >`,
        )}
      </nav>
      <span class="rest">
        ${about && html`<span class="who">${about.user}</span>`}
        ${hasKey() && about && html`<button onClick=${leave}>Leave</button>`} <${Theme} />
      </span>
    </header>
    ${about && refused && html`<${AskAgain} onKey=${look} />`}
    <${Trouble} />
    ${!about && !wrong && html`<main id="main"><h1>Querist</h1><p class="note">Opening …</p></main>`}
    ${about && html`<${Body} key=${turn} found=${found} about=${about} />`}
    ${asks && html`<${AskKey} onKey=${look} wrong=${hasKey() && wrong.message} />`}
    ${wrong &&
    !about &&
    !asks &&
    html`<main id="main"><h1>The server cannot be reached.</h1><p role="alert">${wrong.message}</p></main>`}`;
}

function toMain(event) {
  event.preventDefault(); // the address is the place in the application
  focusOn(document.getElementById("main"));
}

const shown = document.getElementById("app");
keepFocus(shown, document.getElementById("told"));
render(html`<${App} />`, shown);
