// Boxes on a picture: a class's key places one, arrows move it, shift and arrows size it; or the mouse.

import { useEffect, useRef, useState } from "./vendor/hooks.js";
import { Parts } from "./spans.js";
import { html } from "./view.js";

const CORNERS = ["nw", "ne", "sw", "se"];
const clamp = (value, low, high) => Math.max(low, Math.min(high, value));

export class BoxKeys {
  constructor(draft) {
    this.draft = draft;
    this.size = null; // of the picture: [width, height]
    this.name = null; // class of boxes that are drawn with the mouse
  }

  get chosen() {
    return this.draft.at;
  }

  // Whole pixels within the picture; what counts in fractions is turned into pixels.
  fit(box) {
    const [width, height] = this.size;
    const w = clamp(Math.round(box[2]), 1, width);
    const h = clamp(Math.round(box[3]), 1, height);
    return [clamp(Math.round(box[0]), 0, width - w), clamp(Math.round(box[1]), 0, height - h), w, h];
  }

  // Parts that have no box (polygons) stand as they are.
  pixels(part) {
    if (!part.box || part.unit !== "fraction") return part.box;
    const [w, h] = this.size;
    return part.box.map((one, place) => one * (place % 2 ? h : w));
  }

  change(place, more) {
    const { unit, ...part } = this.draft.value[place];
    const kept = more.box || unit === undefined ? part : { ...part, unit };
    this.draft.set(this.draft.value.map((one, at) => (at === place ? { ...kept, ...more } : one)));
  }

  add(name, box) {
    this.draft.set([...this.draft.value, { class: name, box: this.fit(box) }]);
    this.draft.select(this.draft.value.length - 1);
  }

  label(name) {
    if (!this.size) return;
    this.name = name;
    if (this.chosen !== null) {
      this.change(this.chosen, { class: name });
      return;
    }
    const [width, height] = this.size;
    this.add(name, [width / 3, height / 3, width / 3, height / 3]);
  }

  remove() {
    if (this.chosen === null) return;
    const gone = this.chosen;
    this.draft.at = null;
    this.draft.set(this.draft.value.filter((_, place) => place !== gone));
  }

  turn(by) {
    const { length } = this.draft.value;
    if (length) this.draft.select(this.chosen === null ? (by > 0 ? 0 : length - 1) : (this.chosen + by + length) % length);
  }

  arrow(x, y, event) {
    const box = this.chosen !== null && this.pixels(this.draft.value[this.chosen]);
    if (!box || !this.size) return false;
    const step = event.altKey ? 1 : Math.max(1, Math.round(Math.max(...this.size) / 50));
    const by = [x * step, y * step];
    const to = event.shiftKey ? [box[0], box[1], box[2] + by[0], box[3] + by[1]] : [box[0] + by[0], box[1] + by[1], box[2], box[3]];
    if (event.shiftKey) {
      to[2] = Math.min(to[2], this.size[0] - box[0]); // it stays where it begins
      to[3] = Math.min(to[3], this.size[1] - box[1]);
    }
    this.change(this.chosen, { box: this.fit(to) });
    return true;
  }

  pressed(event) {
    if (event.ctrlKey || event.metaKey) return false;
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (arrows[event.key]) return this.arrow(...arrows[event.key], event);
    const keys = { ".": () => this.turn(1), ",": () => this.turn(-1), Escape: () => this.draft.select(null), Delete: () => this.remove() };
    if (!keys[event.key]) return false;
    keys[event.key]();
    return true;
  }
}

// A drag with the pointer: a new box, a box that moves, a corner that is pulled.
function dragged(drag, x, y) {
  const [left, top, width, height] = drag.box;
  if (drag.kind === "move") return [left + x - drag.x, top + y - drag.y, width, height];
  const fixed = [drag.kind.endsWith("w") ? left + width : left, drag.kind.startsWith("n") ? top + height : top];
  return [Math.min(fixed[0], x), Math.min(fixed[1], y), Math.abs(x - fixed[0]), Math.abs(y - fixed[1])];
}

export function Boxes({ keys, url, name, classes, zoom }) {
  const canvas = useRef(null);
  const [drag, setDrag] = useState(null);
  const [, setSize] = useState(null);
  const { value } = keys.draft;
  useEffect(() => canvas.current?.querySelector(".box.chosen")?.scrollIntoView({ block: "nearest", inline: "nearest" }), [keys.chosen, zoom]);
  const loaded = ({ target }) => {
    keys.size = [target.naturalWidth, target.naturalHeight];
    setSize(keys.size);
  };
  const at = (event) => {
    const frame = canvas.current.getBoundingClientRect();
    return [((event.clientX - frame.left) / frame.width) * keys.size[0], ((event.clientY - frame.top) / frame.height) * keys.size[1]];
  };
  const down = (event) => {
    if (!keys.size || event.button !== 0) return;
    event.preventDefault();
    canvas.current.setPointerCapture(event.pointerId);
    const [x, y] = at(event);
    const place = event.target.closest("[data-box]")?.dataset.box;
    const kind = event.target.dataset.corner ?? (place === undefined ? "new" : "move");
    if (place !== undefined) keys.draft.select(Number(place));
    const box = place === undefined ? [x, y, 0, 0] : keys.pixels(value[place]);
    setDrag({ kind: kind === "new" ? "se" : kind, fresh: kind === "new", place: Number(place), x, y, box, now: box });
  };
  const move = (event) => drag && setDrag({ ...drag, now: dragged(drag, ...at(event)) });
  const up = () => {
    if (!drag) return;
    const [, , w, h] = drag.now;
    const big = Math.max(w / keys.size[0], h / keys.size[1]) > 0.005;
    const shape = [...clamped(drag.now, keys.size)];
    if (drag.fresh && big && w && h) keys.add(keys.name ?? classes[0] ?? "object", shape);
    else if (drag.fresh) keys.draft.select(null);
    else if (drag.now !== drag.box) keys.change(drag.place, { box: drag.kind === "move" ? keys.fit(drag.now) : keys.fit(shape) });
    setDrag(null);
  };
  const boxes = keys.size ? value.map((part, place) => [part, drag && !drag.fresh && drag.place === place ? drag.now : keys.pixels(part), place]) : [];
  return html`<div class="scroll canvas" tabindex="0" role="group" aria-label="Picture">
      <div ref=${canvas} class=${`frame zoom-${zoom}${keys.size ? " ready" : ""}`} onPointerDown=${down} onPointerMove=${move} onPointerUp=${up} onPointerCancel=${() => setDrag(null)}>
        <img src=${url} alt=${`Item ${name}`} draggable=${false} onLoad=${loaded} />
        ${boxes.filter(([, box]) => box).map(([part, box, place]) => html`<${Box} key=${place} part=${part} box=${box} size=${keys.size} place=${place} classes=${classes} chosen=${keys.chosen === place} />`)}
        ${drag?.fresh && html`<div class="box drawn" style=${placed(drag.now, keys.size)}></div>`}
      </div>
    </div>
    <${Parts} rows=${value.map((part) => [part.class, part.box && keys.size ? keys.pixels(part).map(Math.round).join(", ") : "polygon"])}
      none="No boxes yet." chosen=${keys.chosen} pick=${(place) => keys.draft.select(place)} />`;
}

function clamped([left, top, width, height], [w, h]) {
  const [x, y] = [clamp(left, 0, w), clamp(top, 0, h)];
  return [x, y, clamp(left + width, 0, w) - x, clamp(top + height, 0, h) - y];
}

function placed([left, top, width, height], [w, h]) {
  return { left: `${(100 * left) / w}%`, top: `${(100 * top) / h}%`, width: `${(100 * width) / w}%`, height: `${(100 * height) / h}%` };
}

function Box({ part, box, size, place, classes, chosen }) {
  const tint = Math.max(0, classes.indexOf(part.class)) % 6;
  return html`<div class=${`box tint-${tint}${chosen ? " chosen" : ""}`} data-box=${place} style=${placed(box, size)}>
    <span class="tag">${part.class}</span>
    ${chosen && CORNERS.map((one) => html`<span key=${one} class=${`corner ${one}`} data-corner=${one}></span>`)}
  </div>`;
}
