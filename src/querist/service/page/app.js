// The frame: header, navigation by the address, the key where one is needed.

import { render } from "./vendor/preact.js";
import { useEffect, useState } from "./vendor/hooks.js";
import { get, hasKey, setKey } from "./api.js";
import { Campaign, Campaigns, keyOf as runOf } from "./campaign.js";
import { PoolPage, keyOf as poolOf } from "./pool.js";
import { Pools } from "./pools.js";
import { setTheme, theme } from "./theme.js";
import { html } from "./view.js";

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

function AskKey({ onKey, wrong }) {
  const [text, setText] = useState("");
  const send = (event) => {
    event.preventDefault();
    setKey(text.trim());
    onKey();
  };
  return html`<main id="main" class="narrow">
    <h1>Who asks?</h1>
    <p>This server wants a key. It stays in this tab, and goes to this server only.</p>
    ${wrong && html`<p class="problem" role="alert">${wrong}</p>`}
    <form onSubmit=${send}>
      <label
        >Key
        <input type="password" autocomplete="off" required value=${text} onInput=${(event) =>
          setText(event.target.value)}
      /></label>
      <button class="first">Open</button>
    </form>
  </main>`;
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
  const look = () => get("/v1").then(setAbout, setWrong);
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
    ${about && html`<${Body} found=${found} about=${about} />`}
    ${asks && html`<${AskKey} onKey=${look} wrong=${hasKey() && wrong.message} />`}
    ${wrong &&
    !about &&
    !asks &&
    html`<main id="main"><h1>The server cannot be reached.</h1><p role="alert">${wrong.message}</p></main>`}`;
}

function toMain(event) {
  event.preventDefault(); // the address is the place in the application
  const main = document.getElementById("main");
  main?.setAttribute("tabindex", "-1");
  main?.focus();
}

render(html`<${App} />`, document.getElementById("app"));
