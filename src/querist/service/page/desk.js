// What all desks have: answers by keyboard, and who gives them.

import { useEffect, useRef, useState } from "./vendor/hooks.js";
import { isOff } from "./shortcuts.js";
import { html } from "./view.js";

const KEYS = [..."123456789abcdefghijklmoqrtvwxy"]; // n, p, s, u and z mean something else
const NAME = "querist-by";

// A class that is a digit or letter is its own key, where all are.
export function keysOf(classes) {
  const own = classes.every((one) => one === "0" || KEYS.includes(one));
  return own ? classes : KEYS.slice(0, classes.length);
}

// Whether a key is not for the browser, nor for the button or player that has the focus. One that is held down too long
// says a thing once: it would say it of the next ones, too.
export function isPlain(event) {
  if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return false;
  return !(event.key === "Enter" && event.target.closest("button, a, summary, audio"));
}

// Of each key outside of fields `actionOf` says what it does, or nothing; single characters only while these
// are not switched off. Escape leaves a field.
export function useKeys(actionOf) {
  useEffect(() => {
    const pressed = (event) => {
      const field = event.target.closest("input, select, textarea");
      if (field && event.key === "Escape") field.blur();
      const action = field || isOff(event) ? null : actionOf(event);
      if (!action) return;
      event.preventDefault();
      action();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  });
}

// Who answers: the name as drawn, the same as a ref (a key may come before the new name is drawn), and what renames.
export function useName(about) {
  const [by, setBy] = useState(localStorage.getItem(NAME) || about.user);
  const who = useRef(by);
  const rename = (text) => {
    who.current = text || about.user;
    setBy(who.current);
    localStorage.setItem(NAME, text);
    return who.current;
  };
  return [by, who, rename];
}

export function You({ by, rename }) {
  return html`<label class="by">You are <input value=${by} maxlength="100" onInput=${(event) => rename(event.target.value)} /></label>`;
}
