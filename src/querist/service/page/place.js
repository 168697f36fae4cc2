// Where the page is: at its host's root, or below a path of a proxy's, which this file's address tells.

const BASE = new URL("..", import.meta.url).pathname; // "/", "/querist/"

// A path of the interface as the browser has to ask for it.
export function at(path) {
  return BASE + path.slice(1);
}

// A name in the browser's storage, which other services below other paths of this host share.
export function own(name) {
  return `querist${BASE.slice(0, -1)}-${name}`;
}
