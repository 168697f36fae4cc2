// Keys of one character (WCAG 2.1.4): who speaks to the computer, or hits keys by accident, switches them off.
// Kept in this browser only.

import { useEffect, useState } from "./vendor/hooks.js";
import { html } from "./view.js";

const NAME = "querist-keys";
const CHANGED = "querist-keys";

export function shortcuts() {
  return localStorage.getItem(NAME) !== "off";
}

function set(on) {
  if (on) localStorage.removeItem(NAME);
  else localStorage.setItem(NAME, "off");
  dispatchEvent(new Event(CHANGED));
}

// Whether this is such a key, and they are switched off. Enter, Escape, arrows and the like go on working.
export function isOff(event) {
  return [...event.key].length === 1 && !shortcuts();
}

// Whether they work; draws anew when that changes, here or in another tab.
export function useShortcuts() {
  const [on, setOn] = useState(shortcuts());
  useEffect(() => {
    const look = () => setOn(shortcuts());
    addEventListener(CHANGED, look);
    addEventListener("storage", look);
    return () => {
      removeEventListener(CHANGED, look);
      removeEventListener("storage", look);
    };
  }, []);
  return on;
}

// What a button says of its key.
export function keyed(name) {
  return shortcuts() && html`<kbd>${name}</kbd> `;
}

// What the keys of a desk do, and the switch.
export function Keys({ more }) {
  const on = useShortcuts();
  return html`<details class="keys"><summary>${on ? "Keys" : "Keys: single ones are off"}</summary>
    <p class="note"><label><input type="checkbox" checked=${on} onChange=${(event) => set(event.target.checked)} /> Single letters, digits and signs work as keys</label></p>
    <p class="note">${on
      ? "Each button tells its key, which works while no field is written in. Who speaks to the computer, or hits keys by accident, can switch these off."
      : "The buttons do what single keys did. Enter, Escape, Backspace, Delete and the arrows go on working."} ${more?.(on)}</p>
  </details>`;
}
