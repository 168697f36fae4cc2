// Light or dark: what the system says, unless somebody chose. Kept in this browser only.

const KEY = "querist-theme";

export function theme() {
  return localStorage.getItem(KEY) ?? "auto";
}

export function setTheme(name) {
  if (name === "auto") localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, name);
  apply();
}

export function onTheme(listener) {
  const media = matchMedia("(prefers-color-scheme: dark)");
  media.addEventListener("change", listener);
  addEventListener("querist-theme", listener);
  return () => {
    media.removeEventListener("change", listener);
    removeEventListener("querist-theme", listener);
  };
}

function apply() {
  const name = theme();
  if (name === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  dispatchEvent(new Event("querist-theme"));
}

apply();
