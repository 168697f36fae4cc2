// Where the keyboard is, for those who have nothing else: kept when what has it is drawn away.

const AROUND = "section, form, fieldset, details, dialog, main";

let path = []; // what has the focus, and all around it, the innermost first
let named = ""; // the title that was told last

// Of a part of the page that is drawn anew all the time; `told` is read out when another page is shown.
export function keepFocus(root, told) {
  addEventListener("focusin", ({ target }) => (path = around(target)));
  addEventListener("focusout", ({ target, relatedTarget }) => {
    // Somebody left it, unless it was taken away.
    setTimeout(() => !relatedTarget && target === path[0] && isThere(target) && document.activeElement !== target && (path = []));
  });
  addEventListener("keydown", once, true);
  const look = () => {
    if (path.length && !isThere(path[0]) && nowhere()) lead();
    name(told);
  };
  new MutationObserver(look).observe(root, { childList: true, subtree: true, characterData: true, attributeFilter: ["disabled", "aria-current"] });
}

function around(element) {
  const found = [];
  for (let one = element; one; one = one.parentElement) found.push(one);
  return found;
}

function isThere(element) {
  return element.isConnected && !element.disabled;
}

function nowhere() {
  const { activeElement: now } = document;
  return !now || now === document.body || now === path[0];
}

// To what was around it: from there Tab goes on. A page as a whole has a heading that says what it is.
function lead() {
  const main = document.getElementById("main");
  const part = path.find((one) => one.isConnected && one.matches(AROUND)) ?? main;
  focusOn(part === main ? main?.querySelector("h1") ?? main : part);
}

export function focusOn(element) {
  if (!element) return;
  if (!element.hasAttribute("tabindex")) element.setAttribute("tabindex", "-1");
  element.focus({ preventScroll: true });
}

// A key that is held down presses a button once.
function once(event) {
  if (event.repeat && event.key === "Enter" && !event.target.closest("textarea")) event.preventDefault();
}

// The title of the window says which page is shown.
function name(told) {
  const parts = [document.querySelector("nav.tabs [aria-current]"), document.querySelector("h1")];
  const words = parts.map((one) => one?.textContent.trim()).filter(Boolean);
  const title = [...words, "Querist"].join(" – ");
  if (title === named) return;
  document.title = named = title;
  if (document.activeElement?.tagName !== "H1") told.textContent = words.join(", ");
}
