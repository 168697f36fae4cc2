// Points in the plane on a canvas: zoom, drag, and go from point to point by keyboard.

import { useEffect, useRef, useState } from "./vendor/hooks.js";
import { Thumbnail } from "./grid.js";
import { isOff, useShortcuts } from "./shortcuts.js";
import { onTheme } from "./theme.js";
import { html } from "./view.js";

const NEAR = 14; // pixels
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// layers: [{ name, colour, shape, size, places }], drawn in this order.
class Plot {
  constructor(canvas, points) {
    this.canvas = canvas;
    this.points = points;
    const [left, right] = range(points.x);
    const [low, high] = range(points.y);
    this.middle = [(left + right) / 2, (low + high) / 2];
    this.size = Math.max(right - left, high - low) || 1;
    this.reset();
  }

  reset() {
    this.zoom = 1;
    this.shift = [0, 0]; // pixels
  }

  get scale() {
    return (this.zoom * 0.92 * Math.min(this.width, this.height)) / this.size;
  }

  at(place) {
    return [
      this.width / 2 + this.shift[0] + (this.points.x[place] - this.middle[0]) * this.scale,
      this.height / 2 + this.shift[1] - (this.points.y[place] - this.middle[1]) * this.scale,
    ];
  }

  // Zooms so that what is at these pixels stays there.
  nearer(times, x = this.width / 2, y = this.height / 2) {
    const zoom = Math.max(0.5, Math.min(200, this.zoom * times));
    const ratio = zoom / this.zoom;
    this.shift = [x - this.width / 2, y - this.height / 2].map((off, axis) => off - (off - this.shift[axis]) * ratio);
    this.zoom = zoom;
  }

  // The point of the shown layers nearest to these pixels, within so many; -1 for none.
  nearest(layers, x, y, within = NEAR) {
    let [best, found] = [within ** 2, -1];
    for (const { places } of layers) {
      for (const place of places) {
        const [px, py] = this.at(place);
        const apart = (px - x) ** 2 + (py - y) ** 2;
        if (apart <= best) [best, found] = [apart, place];
      }
    }
    return found;
  }

  // The nearest point in a direction, as an arrow key means it; -1 for none.
  beyond(layers, place, [dx, dy]) {
    const [x, y] = this.at(place);
    let [best, found] = [Infinity, -1];
    for (const { places } of layers) {
      for (const other of places) {
        const [px, py] = this.at(other);
        const along = (px - x) * dx + (py - y) * dy;
        const aside = Math.abs((px - x) * dy - (py - y) * dx);
        if (along > 0.5 && along >= aside && along + aside < best) [best, found] = [along + aside, other];
      }
    }
    return found;
  }

  show(place) {
    const [x, y] = this.at(place);
    const [right, bottom] = [this.width - 20, this.height - 20];
    this.shift[0] -= x < 20 ? x - 20 : x > right ? x - right : 0;
    this.shift[1] -= y < 20 ? y - 20 : y > bottom ? y - bottom : 0;
  }

  draw(layers, chosen) {
    const dense = window.devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = this.canvas;
    [this.width, this.height] = [width, height];
    this.canvas.width = Math.round(width * dense);
    this.canvas.height = Math.round(height * dense);
    const context = this.canvas.getContext("2d");
    context.scale(dense, dense);
    for (const layer of layers) this.layer(context, layer, dense);
    if (chosen >= 0) {
      const [x, y] = this.at(chosen);
      context.strokeStyle = colour("--ink");
      context.lineWidth = 2;
      context.beginPath();
      context.arc(x, y, 9, 0, 2 * Math.PI);
      context.stroke();
    }
  }

  // One mark is drawn and then copied, which is several times as fast as drawing each.
  layer(context, layer, dense) {
    const made = mark(layer, dense);
    const side = made.width / dense;
    const edge = side / 2;
    for (const place of layer.places) {
      const [x, y] = this.at(place);
      if (x < -edge || y < -edge || x > this.width + edge || y > this.height + edge) continue;
      context.drawImage(made, x - edge, y - edge, side, side);
    }
  }
}

function mark({ colour: name, shape, size }, dense) {
  const made = document.createElement("canvas");
  made.width = made.height = Math.ceil((2.8 * size + 3) * dense);
  const context = made.getContext("2d");
  const middle = made.width / dense / 2;
  context.scale(dense, dense);
  context.fillStyle = colour(name);
  context.strokeStyle = colour("--card");
  context.beginPath();
  if (shape === "square") context.rect(middle - size, middle - size, 2 * size, 2 * size);
  else if (shape === "diamond") polygon(context, middle, middle, 1.4 * size, 4);
  else if (shape === "triangle") polygon(context, middle, middle, 1.4 * size, 3);
  else context.arc(middle, middle, size, 0, 2 * Math.PI);
  context.fill();
  if (shape) context.stroke();
  return made;
}

function range(values) {
  let [low, high] = [Infinity, -Infinity];
  for (const one of values) [low, high] = [Math.min(low, one), Math.max(high, one)];
  return Number.isFinite(low) ? [low, high] : [0, 1];
}

function polygon(context, x, y, size, corners) {
  for (let corner = 0; corner < corners; corner += 1) {
    const angle = (2 * Math.PI * corner) / corners - Math.PI / 2;
    context.lineTo(x + size * Math.cos(angle), y + size * Math.sin(angle));
  }
  context.closePath();
}

const STEPS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

// said: the same for those who see no picture; tell(place): a sentence about a point.
export function Scatter({ pool, points, layers, said, tell, open }) {
  const canvas = useRef(null);
  const plot = useRef(null);
  const drag = useRef(null);
  const [chosen, setChosen] = useState(-1);
  const [, setDrawn] = useState(0);
  const redraw = () => setDrawn((before) => before + 1);
  useEffect(() => {
    plot.current = new Plot(canvas.current, points);
    setChosen(-1);
    redraw();
  }, [points]);
  useEffect(() => plot.current?.draw(layers, chosen));
  useEffect(() => {
    const place = canvas.current;
    const sizes = new ResizeObserver(redraw);
    sizes.observe(place);
    const wheel = (event) => {
      event.preventDefault();
      plot.current.nearer(event.deltaY < 0 ? 1.25 : 0.8, event.offsetX, event.offsetY);
      redraw();
    };
    place.addEventListener("wheel", wheel, { passive: false });
    const forget = onTheme(redraw);
    return () => {
      sizes.disconnect();
      place.removeEventListener("wheel", wheel);
      forget();
    };
  }, []);

  const zoom = (times) => () => {
    if (times) plot.current.nearer(times);
    else plot.current.reset();
    redraw();
  };
  const moved = (event) => {
    const { offsetX: x, offsetY: y } = event;
    if (drag.current) {
      plot.current.shift[0] += x - drag.current.x;
      plot.current.shift[1] += y - drag.current.y;
      drag.current = { x, y, far: drag.current.far + Math.abs(x - drag.current.x) + Math.abs(y - drag.current.y) };
      redraw();
    } else if (event.pointerType === "mouse") setChosen(plot.current.nearest(layers, x, y));
  };
  const down = (event) => {
    canvas.current.setPointerCapture(event.pointerId);
    drag.current = { x: event.offsetX, y: event.offsetY, far: 0 };
  };
  const up = (event) => {
    const still = drag.current && drag.current.far < 5;
    drag.current = null;
    if (!still) return;
    const found = plot.current.nearest(layers, event.offsetX, event.offsetY, event.pointerType === "mouse" ? NEAR : 2 * NEAR);
    setChosen(found);
    if (found >= 0) open(found);
  };
  const pressed = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isOff(event)) return;
    if (event.key in STEPS) {
      const first = layers.at(-1)?.places[0] ?? -1;
      const next = chosen < 0 ? first : plot.current.beyond(layers, chosen, STEPS[event.key]);
      if (next >= 0) {
        plot.current.show(next);
        setChosen(next);
      }
    } else if (event.key === "Enter" && chosen >= 0) open(chosen);
    else if (event.key === "+") zoom(1.5)();
    else if (event.key === "-") zoom(1 / 1.5)();
    else if (event.key === "0") zoom(0)();
    else return;
    event.preventDefault();
  };
  const signs = useShortcuts() ? ", plus and minus zoom, 0 shows all" : "";
  const there = chosen >= 0 && chosen < points.ids.length;
  return html`<div class="scatter">
    <canvas ref=${canvas} tabindex="0" role="application" aria-label=${`${said} Arrows go from point to point, Enter opens one${signs}.`}
      onPointerMove=${moved} onPointerDown=${down} onPointerUp=${up} onPointerCancel=${() => (drag.current = null)}
      onPointerLeave=${() => drag.current || document.activeElement === canvas.current || setChosen(-1)} onKeyDown=${pressed}></canvas>
    <div class="zoom"><button aria-label="Nearer" onClick=${zoom(1.5)}>+</button><button aria-label="Farther" onClick=${zoom(1 / 1.5)}>−</button>
      <button aria-label="Show all" onClick=${zoom(0)}>⤢</button></div>
    <div class="pointed">
      ${there && html`<${Thumbnail} key=${points.ids[chosen]} pool=${pool} id=${points.ids[chosen]} />`}
      <p role="status">${there ? tell(chosen) : "Point at an item, or go to one by the arrow keys."}</p>
    </div>
  </div>`;
}
