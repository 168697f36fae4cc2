// Thousands of items in a list of which only what is seen exists; each with its thumbnail.

import { useEffect, useRef, useState } from "./vendor/hooks.js";
import { blob } from "./api.js";
import { Sound, shown } from "./content.js";
import { Forget, onForgotten } from "./forget.js";
import { html, nameOf } from "./view.js";

const CELL = 150; // pixels: the narrowest cell
const ROW = 206;
const GAP = 8;
const KEPT = 600; // thumbnails in memory
const AT_ONCE = 6; // requests

// Thumbnails by item: those asked for last come first, since they are looked at now.
class Thumbnails {
  constructor() {
    this.kept = new Map();
    this.waiting = [];
    this.running = 0;
  }

  get(pool, id) {
    const key = `${pool}/${id}`;
    const found = this.kept.get(key);
    if (found) {
      this.kept.delete(key);
      this.kept.set(key, found);
      return found;
    }
    const asked = {};
    asked.promise = new Promise((resolve) => Object.assign(asked, { resolve }));
    asked.path = `/v1/pools/${pool}/thumbnails/${encodeURIComponent(id)}`;
    asked.key = key;
    this.kept.set(key, asked);
    this.waiting.push(asked);
    this.trim();
    this.next();
    return asked;
  }

  // Nobody looks at it any more before it was asked for.
  leave(asked) {
    const place = this.waiting.indexOf(asked);
    if (place < 0) return;
    this.waiting.splice(place, 1);
    this.kept.delete(asked.key);
  }

  trim() {
    for (const [key] of this.kept) {
      if (this.kept.size <= KEPT) return;
      this.drop(key);
    }
  }

  drop(key) {
    this.kept.get(key)?.promise.then(({ url }) => url && URL.revokeObjectURL(url));
    this.kept.delete(key);
  }

  async next() {
    if (this.running >= AT_ONCE || !this.waiting.length) return;
    this.running += 1;
    const asked = this.waiting.pop();
    try {
      asked.resolve(await shown(await blob(asked.path)));
    } catch (problem) {
      asked.resolve({ problem: problem.message });
    }
    this.running -= 1;
    this.next();
  }
}

const thumbnails = new Thumbnails();
onForgotten(({ pool, ids }) => ids.forEach((id) => thumbnails.drop(`${pool}/${id}`)));

export function Thumbnail({ pool, id }) {
  const [found, setFound] = useState(null);
  useEffect(() => {
    let here = true;
    const asked = thumbnails.get(pool, id);
    asked.promise.then((one) => here && setFound(one));
    return () => {
      here = false;
      thumbnails.leave(asked);
    };
  }, [pool, id]);
  if (found?.url) return html`<img class="thumbnail" src=${found.url} alt="" />`;
  if (found?.text !== undefined) return html`<span class="thumbnail words">${found.text}</span>`;
  return html`<span class="thumbnail none" title=${found?.problem}>${found ? "no picture" : ""}</span>`;
}

function useSize(place) {
  const [size, setSize] = useState({ width: 0, height: 0 });
  useEffect(() => {
    const sizes = new ResizeObserver(([{ contentRect }]) =>
      setSize({ width: contentRect.width, height: contentRect.height }),
    );
    sizes.observe(place.current);
    return () => sizes.disconnect();
  }, []);
  return size;
}

// total: how many; at(place): the item, or null while it is not known; need(places): that they are
// wanted; open(item, place): one was pressed; note(item): what stands below its name; marked: the ids of
// those that are chosen, where some can be.
export function Grid({ pool, total, at, need, open, note, label, short, marked }) {
  const box = useRef(null);
  const size = useSize(box);
  const [top, setTop] = useState(0);
  const [active, setActive] = useState(0);
  const focusing = useRef(null); // the place that is to have the focus once it is drawn
  const columns = Math.max(1, Math.floor((size.width + GAP) / (CELL + GAP)));
  const rows = Math.ceil(total / columns);
  const from = Math.max(0, Math.floor(top / ROW) - 1) * columns;
  const until = Math.min(total, (Math.ceil((top + size.height) / ROW) + 1) * columns);
  const places = [];
  for (let place = from; place < until; place += 1) places.push(place);
  const current = Math.min(active, Math.max(0, total - 1));
  if (total && (current < from || current >= until)) places.push(current); // keeps the focus

  useEffect(() => void (until > from && need?.(from, until)), [from, until]);
  useEffect(() => {
    if (focusing.current !== current) return; // a key came after the drawing that this belongs to
    focusing.current = null;
    box.current.querySelector(`[data-place="${current}"]`)?.focus({ preventScroll: true });
  });

  const go = (place) => {
    const wanted = Math.max(0, Math.min(total - 1, place));
    const its = Math.floor(wanted / columns) * ROW;
    const list = box.current;
    if (its < list.scrollTop) list.scrollTop = its;
    if (its + ROW > list.scrollTop + list.clientHeight) list.scrollTop = its + ROW - list.clientHeight;
    focusing.current = wanted;
    setActive(wanted);
  };
  const page = columns * Math.max(1, Math.floor(size.height / ROW));
  const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns,
    PageDown: page, PageUp: -page, Home: -total, End: total };
  const pressed = (event) => {
    if (!(event.key in steps) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    go(current + steps[event.key]);
  };
  const width = (size.width - GAP * (columns - 1)) / columns;
  return html`<div class=${short ? "grid short" : "grid"} ref=${box}
      onScroll=${(event) => setTop(event.currentTarget.scrollTop)} onKeyDown=${pressed}>
    ${total === 0 && html`<p class="note">There is none.</p>`}
    ${total > 0 && html`<ul role="list" aria-label=${label} style=${{ height: `${rows * ROW}px` }}>
      ${size.width > 0 && places.map((place) => {
        const item = at(place);
        const style = { width: `${width}px`, left: `${(place % columns) * (width + GAP)}px`, top: `${Math.floor(place / columns) * ROW}px` };
        return html`<li key=${place} style=${style} aria-setsize=${total} aria-posinset=${place + 1}>
          <button class="cell" aria-pressed=${marked && item ? marked.has(item.id) : null} data-place=${place} tabindex=${place === current ? 0 : -1} aria-disabled=${item ? null : "true"}
              onFocus=${() => setActive(place)} onClick=${() => item && open(item, place)}>
            ${item && html`<${Thumbnail} key=${item.id} pool=${pool} id=${item.id} />
              <span class="name">${nameOf(item)}</span><span class="what">${note(item)}</span>`}
            ${!item && html`<span class="thumbnail none"></span><span class="name">…</span>`}
          </button>
        </li>`;
      })}
    </ul>`}
  </div>`;
}

// One item, large, with all that is known of it. `erasable`: whether it may be forgotten.
export function Detail({ pool, item, facts, close, erasable }) {
  const place = useRef(null);
  const player = useRef(null);
  const [found, setFound] = useState(null);
  useEffect(() => {
    const ending = new AbortController();
    let url = null;
    place.current.showModal();
    const id = encodeURIComponent(item.id);
    const look = async () => {
      try {
        return await blob(`/v1/pools/${pool}/content/${id}`, ending.signal);
      } catch {
        return blob(`/v1/pools/${pool}/thumbnails/${id}?side=512`, ending.signal);
      }
    };
    look().then(shown, (problem) => ({ problem: problem.message })).then((one) => {
      if (ending.signal.aborted) one.url && URL.revokeObjectURL(one.url);
      else {
        url = one.url;
        setFound(one);
      }
    });
    return () => {
      ending.abort();
      if (url) URL.revokeObjectURL(url);
    };
  }, [item.id]);
  return html`<dialog ref=${place} class="detail" aria-label=${`Item ${nameOf(item)}`} onClose=${close}>
    <button class="close" onClick=${() => place.current.close()}>Close</button>
    <h2>${nameOf(item)}</h2>
    ${found?.sound && html`<${Sound} url=${found.url} name=${nameOf(item)} player=${player} />`}
    ${found?.url && !found.sound && html`<img src=${found.url} alt=${`Item ${nameOf(item)}`} />`}
    ${found?.text !== undefined && html`<pre tabindex="0">${found.text}</pre>`}
    ${found?.problem && html`<p class="note">${found.problem}</p>`}
    <dl class="plain">
      ${facts.filter(([, value]) => value !== "" && value !== null && value !== undefined)
        .map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}
    </dl>
    ${erasable && html`<${Forget} pool=${pool} ids=${[item.id]} what="Forget" done=${() => place.current.close()} />`}
  </dialog>`;
}

export function labelText(label) {
  if (label === null || label === undefined) return "";
  return typeof label === "string" ? label : JSON.stringify(label);
}

export function factsOf(item) {
  const known = Object.keys(item.metadata ?? {}).length > 0;
  return [["state", item.state], ["label", labelText(item.label)], ["id", item.id], ["at", item.uri],
    ["metadata", known ? JSON.stringify(item.metadata) : ""]];
}
