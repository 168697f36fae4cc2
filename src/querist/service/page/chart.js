// Curves by uPlot, and the picture of what workers did on a canvas. Colours come from the style.

import { useEffect, useRef, useState } from "./vendor/hooks.js";
import uPlot from "./vendor/uplot.js";
import { onTheme } from "./theme.js";
import { html, quantity } from "./view.js";

const COLOURS = ["--line-1", "--line-2", "--line-3", "--line-4", "--line-5", "--line-6"];

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function useThemeCount() {
  const [number, setNumber] = useState(0);
  useEffect(() => onTheme(() => setNumber((before) => before + 1)), []);
  return number;
}

function axis(label, size) {
  return {
    label,
    size,
    stroke: colour("--soft"),
    grid: { stroke: colour("--grid"), width: 1 },
    ticks: { stroke: colour("--grid"), width: 1 },
    labelSize: 18,
    font: "12px system-ui, sans-serif",
    labelFont: "12px system-ui, sans-serif",
    values: (_, ticks) => ticks.map((one) => (one === null ? "" : quantity(one))),
  };
}

function options(props, width) {
  const scale = (log) => (log ? { time: false, distr: 3 } : { time: false });
  return {
    width,
    height: props.height ?? 230,
    cursor: { drag: { x: false, y: false } },
    scales: { x: scale(props.logX), y: scale(props.logY) },
    axes: [axis(props.x, 40), axis(props.y, 64)],
    series: [
      { label: props.x, value: (_, one) => quantity(one) },
      ...props.series.map((one, place) => ({
        label: one.label,
        stroke: colour(one.colour ?? COLOURS[place % COLOURS.length]),
        width: one.points ? 0 : 2,
        dash: one.dash,
        paths: one.points ? () => null : undefined,
        points: { show: Boolean(one.points || props.dots), size: one.points ? 4 : 6 },
        spanGaps: true,
        value: (_, value) => quantity(value),
      })),
    ],
  };
}

// data: [x values, y values of each series]. `said` tells the same to those who see no picture.
export function Chart(props) {
  const place = useRef(null);
  const plot = useRef(null);
  const themes = useThemeCount();
  const shape = JSON.stringify([props.series, props.x, props.y, props.logX, props.logY, themes]);
  useEffect(() => {
    const made = new uPlot(options(props, place.current.clientWidth || 300), props.data, place.current);
    plot.current = made;
    const sizes = new ResizeObserver(([entry]) => {
      const width = Math.floor(entry.contentRect.width);
      if (width > 0) made.setSize({ width, height: props.height ?? 230 });
    });
    sizes.observe(place.current);
    return () => {
      sizes.disconnect();
      made.destroy();
    };
  }, [shape]);
  useEffect(() => plot.current?.setData(props.data), [props.data, shape]);
  return html`<div class="chart" role="img" aria-label=${props.said} ref=${place}></div>`;
}

// Busy shares over time: a row a worker, or a group of them.
export function Busy({ picture }) {
  const canvas = useRef(null);
  const themes = useThemeCount();
  const { bands, until } = picture;
  useEffect(() => {
    const bins = bands[0]?.busy.length ?? 0;
    const context = canvas.current.getContext("2d");
    canvas.current.width = bins;
    canvas.current.height = bands.length;
    context.clearRect(0, 0, bins, bands.length);
    context.fillStyle = colour("--line-1");
    bands.forEach((band, row) =>
      band.busy.forEach((share, bin) => {
        context.globalAlpha = share / 100;
        if (share) context.fillRect(bin, row, 1, 1);
      }),
    );
  }, [picture, themes]);
  const height = Math.max(24, Math.min(18, 560 / Math.max(bands.length, 1)) * bands.length);
  const words = bands.map((band) => {
    const mean = band.busy.reduce((sum, one) => sum + one, 0) / Math.max(band.busy.length, 1);
    return `${band.name}: ${Math.round(mean)} %`;
  });
  return html`<div class="busy">
    <div class="names" style=${{ height: `${height}px` }} aria-hidden="true">
      ${bands.length <= 16 && bands.map((band) => html`<span title=${band.name}>${band.name}</span>`)}
      ${bands.length > 16 &&
      html`<span title=${bands[0].name}>${bands[0].name}</span>
        <span title=${bands.at(-1).name}>${bands.at(-1).name}</span>`}
    </div>
    <canvas
      ref=${canvas}
      style=${{ height: `${height}px` }}
      role="img"
      aria-label=${`Busy shares over ${quantity(until)} seconds. ${words.slice(0, 50).join(", ")}`}
    ></canvas>
    <div class="ends" aria-hidden="true"><span>0</span><span>${quantity(until)} s</span></div>
  </div>`;
}
