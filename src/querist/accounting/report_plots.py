"""Figures of the report: inline SVG whose colours follow the page, light or dark.

Matplotlib is imported when a figure is drawn. Colours are placeholders that become CSS variables;
text stays text. Every function returns "" where there is nothing to draw.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from querist.accounting.report_html import escape
from querist.accounting.spans import Floats, coalesce, fair_limits

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Placeholder -> CSS variable of report_style.css.
INK, MUTED, GRID = "#0a0b0c", "#6a6b6c", "#dadbdc"
SERIES = ("#c10001", "#c20002", "#c30003", "#c40004", "#c50005", "#c60006")
_VARIABLES = {INK: "ink", MUTED: "muted", GRID: "grid"} | {
    colour: f"c{index}" for index, colour in enumerate(SERIES, 1)
}
KINDS = ("label", "explore", "fit", "evaluate", "score")  # these keep their colour in every run
WIDE, HALF = 9.0, 4.3  # inches; 72 SVG units each
GANTT_INTERVALS = 4000
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # a "$" in a user's name is a dollar
    "font.size": 8,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": GRID,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "figure.facecolor": "none",
    "lines.linewidth": 1.6,
    "lines.markersize": 4,
}


class Canvas:
    """One figure with one pair of axes, in the report's style.

    Use it as a context; then :meth:`svg` gives the drawing.
    """

    def __init__(self, name: str, title: str, width: float = HALF, height: float = 2.7) -> None:
        self.name, self.title = name, title
        self._size = (width, height)
        self._svg = ""

    def __enter__(self) -> Axes:
        import matplotlib as mpl
        from matplotlib.figure import Figure

        style = _STYLE | {"svg.hashsalt": self.name}
        self._context = mpl.rc_context(style)
        self._context.__enter__()
        self._figure: Figure = Figure(figsize=self._size, layout="constrained")
        return self._figure.add_subplot()

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        try:
            if error is None:
                self._svg = _draw(self._figure)
        finally:
            self._context.__exit__(kind, error, trace)

    def svg(self) -> str:
        """The figure as an ``<svg>`` element."""
        return themed(self._svg, self.name, self.title)


def _draw(figure: Figure) -> str:
    buffer = io.StringIO()
    with warnings.catch_warnings():
        # Text is set by the reader's browser, which has the glyphs that Matplotlib's font lacks.
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def themed(svg: str, name: str, title: str) -> str:
    """Make Matplotlib's SVG fit for a page: unique ids, CSS colours, a title, no fixed size."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.S)
    body = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', body)
    body = re.sub(r'href="#([^"]+)"', rf'href="#{name}-\1"', body)
    body = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", body)
    body = re.sub(r"<style[^>]*>.*?</style>", "", body, flags=re.S)  # applies to the whole page
    for colour, variable in _VARIABLES.items():
        body = body.replace(colour, f"var(--{variable})")
    view = re.search(r'viewBox="[^"]+"', body)
    inner = body[body.index(">") + 1 :]
    label = f'role="img" aria-labelledby="{name}-title"'
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f"{view.group() if view else ''} {label}>"
    )
    return f'{opening}<title id="{name}-title">{escape(title)}</title>{inner}'


# -- time ----------------------------------------------------------------------------------------


def time_unit(seconds: float) -> tuple[float, str]:
    """Divisor and name of the unit in which a run of this length is drawn."""
    for size, name in ((2 * 86400, "d"), (2 * 3600, "h"), (180, "min")):
        if seconds >= size:
            return {"d": 86400.0, "h": 3600.0, "min": 60.0}[name], name
    return 1.0, "s"


def _time_axis(axes: Axes, seconds: float) -> float:
    unit, name = time_unit(seconds)
    axes.set_xlabel(f"campaign time / {name}")
    axes.set_xlim(0, max(seconds, 1e-9) / unit)
    return unit


def _count_axis(axes: Axes) -> None:
    """A vertical axis of whole numbers from zero."""
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=7, integer=True))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def _numbers(values: Sequence[Any]) -> Floats:
    """A list with None in it, as floats with NaN."""
    return np.array([np.nan if value is None else value for value in values], np.float64)


def _log_if_wide(axes: Axes, values: Floats, axis: str, factor: float = 4.0) -> None:
    """A logarithmic axis where positive values span more than a factor."""
    good = values[np.isfinite(values)]
    if len(good) and good.min() > 0 and good.max() / good.min() > factor:
        getattr(axes, f"set_{axis}scale")("log")
        plain_ticks(axes, axis, good)


def plain_ticks(axes: Axes, axis: str, values: Floats) -> None:
    """Ticks at 1, 2, 5 times powers of ten, written as plain numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    target = getattr(axes, f"{axis}axis")
    decades = np.log10(values.max() / values.min())
    target.set_major_locator(LogLocator(subs=(1, 2, 5) if decades < 2.5 else (1,)))
    target.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    target.set_minor_formatter(NullFormatter())


# -- learning ------------------------------------------------------------------------------------


def learning(curve: Mapping[str, Any], metric: str, by: str, unit: str, cost_unit: str) -> str:
    """Error on the hold-out against labels that were trained on, or cost (``by``)."""
    x, y = _numbers(curve[by]), _numbers(curve["metrics"].get(metric, []))
    if not len(y) or not np.isfinite(y).any():
        return ""
    across = "labels that the model was fitted to" if by == "train" else f"cost / {cost_unit}"
    canvas = Canvas(f"learning-{by}-{_slug(metric)}", f"{metric} on the hold-out against {by}")
    with canvas as axes:
        axes.plot(x, y, marker="o", color=SERIES[0], clip_on=False)
        _log_if_wide(axes, y, "y")
        if axes.get_yscale() == "linear":
            axes.set_ylim(bottom=min(0.0, float(np.nanmin(y))))
        axes.set_xlim(left=0)
        axes.set_xlabel(across)
        axes.set_ylabel(f"{metric} / {unit}" if unit else metric)
    return canvas.svg()


def calibration(found: Mapping[str, Any], unit: str) -> str:
    """True error against predicted uncertainty, pair by pair and in bins."""
    points = np.array(found["points"], np.float64).reshape(-1, 2)
    positive = points[(points > 0).all(axis=1)]
    if len(positive) < 2:
        return ""
    limits = np.exp(np.quantile(np.log(positive), [0.0, 1.0])) * [0.8, 1.25]
    canvas = Canvas("calibration", "True error against predicted uncertainty", HALF, 3.4)
    with canvas as axes:
        axes.scatter(positive[:, 0], positive[:, 1], s=9, color=SERIES[0], alpha=0.55, linewidths=0)
        axes.plot(limits, limits, "--", color=MUTED, linewidth=1, label="error = uncertainty")
        _bin_line(axes, found["bins"])
        _threshold(axes, found.get("trusted"))
        for axis in "xy":
            getattr(axes, f"set_{axis}scale")("log")
            plain_ticks(axes, axis, positive)
        low, high = np.quantile(positive, [0.005, 1.0], axis=0)
        axes.set_xlim(low[0] * 0.8, high[0] * 1.25)
        axes.set_ylim(low[1] * 0.8, high[1] * 1.25)
        suffix = f" / {unit}" if unit else ""
        axes.set_xlabel(f"predicted uncertainty{suffix}")
        axes.set_ylabel(f"true error{suffix}")
        axes.legend(loc="upper left")
    return canvas.svg()


def _bin_line(axes: Axes, bins: Sequence[Mapping[str, float]]) -> None:
    if len(bins) > 1:
        score, error = [b["score"] for b in bins], [b["error_rms"] for b in bins]
        axes.plot(score, error, marker="o", color=SERIES[1], label="root mean square of a bin")


def _threshold(axes: Axes, trusted: Mapping[str, Any] | None) -> None:
    if trusted and trusted["ask"]:
        axes.axvline(trusted["ask"], color=SERIES[2], linestyle=":", label="asked beyond")


# -- over time -----------------------------------------------------------------------------------


def scores(series: Mapping[str, Any], seconds: float, unit: str) -> str:
    """Uncertainty along the exploration, with the threshold that was in force."""
    if len(series["t"]) < 2:
        return ""
    canvas = Canvas("scores", "Uncertainty along the exploration over time")
    lines = (("p95", "95 % of predictions below", SERIES[0]), ("p50", "half below", SERIES[1]))
    with canvas as axes:
        t = _numbers(series["t"]) / _time_axis(axes, seconds)
        for name, label, colour in lines:
            axes.plot(t, _numbers(series[name]), color=colour, label=label, linewidth=1)
        limit = _numbers(series["limit"])
        axes.step(t, limit, where="post", color=SERIES[2], label="asked beyond", linewidth=1.2)
        _log_if_wide(axes, np.concatenate([_numbers(series[n]) for n in ("p50", "p95")]), "y")
        axes.set_ylabel(f"uncertainty / {unit}" if unit else "uncertainty")
        axes.legend()
    return canvas.svg()


def queue(series: Mapping[str, Any], seconds: float) -> str:
    """Questions that wait, and those that are being answered."""
    if len(series["t"]) < 2:
        return ""
    canvas = Canvas("queue", "Questions waiting and being answered over time")
    with canvas as axes:
        t = _numbers(series["t"]) / _time_axis(axes, seconds)
        queued = _numbers(series["queued"])
        axes.fill_between(t, queued, step="post", color=SERIES[0], alpha=0.25, linewidth=0)
        axes.step(t, queued, where="post", color=SERIES[0], linewidth=1, label="waiting")
        out = _numbers(series["outstanding"])
        axes.step(t, out, where="post", color=SERIES[1], linewidth=1, label="being answered")
        _count_axis(axes)
        axes.set_ylabel("questions")
        _legend_above(axes, 2)
    return canvas.svg()


def stacked(name: str, series: Mapping[str, Any], seconds: float, what: str) -> str:
    """Cumulative counts by name over time, one above the other."""
    names = [key for key in series if key != "t"]
    if len(series["t"]) < 2 or not names or series["t"][0] >= seconds:
        return ""
    names = sorted(names, key=lambda key: -series[key][-1])
    kept, rest = names[:5], names[5:]
    layers = [_numbers(series[key]) for key in kept]
    if rest:
        kept, layers = (
            [*kept, "other"],
            [*layers, np.sum([_numbers(series[key]) for key in rest], axis=0)],
        )
    canvas = Canvas(name, f"{what} over time, by kind")
    with canvas as axes:
        unit = _time_axis(axes, seconds)
        # The counts stand still after the last change, up to the end.
        t = np.append(_numbers(series["t"]), seconds) / unit
        held = [np.append(layer, layer[-1]) for layer in layers]
        labels = [_cut(name, 26) for name in kept]
        axes.stackplot(t, *held, labels=labels, colors=SERIES, alpha=0.75, linewidth=0)
        _count_axis(axes)
        axes.set_ylabel(what)
        axes.legend(loc="upper left")
    return canvas.svg()


def utilisation(pools: Mapping[str, Any], seconds: float, width: float = WIDE) -> str:
    """Share of each pool's workers that were busy."""
    shown = {name: pool for name, pool in pools.items() if pool["share"] is not None}
    if not shown or seconds <= 0:
        return ""
    canvas = Canvas(f"utilisation-{width:.0f}", "Busy share of each pool over time", width, 2.2)
    with canvas as axes:
        unit = _time_axis(axes, seconds)
        for (name, pool), colour in zip(shown.items(), SERIES * 9, strict=False):
            t, share = _smooth(pool["utilisation"])
            label = f"{_cut(name, 22)} ({100 * pool['share']:.0f} %)"
            axes.step(t / unit, 100 * share, where="mid", color=colour, label=label, linewidth=1.3)
        axes.set_ylim(0, 103)
        axes.set_ylabel("busy / %")
        _legend_above(axes, 4 if width == WIDE else 2)
    return canvas.svg()


def _smooth(series: Mapping[str, Any], bins: int = 67) -> tuple[Floats, Floats]:
    """Means of neighbouring bins, so that single tasks do not make a comb."""
    t, share = _numbers(series["t"]), _numbers(series["share"])
    size = max(1, len(t) // bins)
    usable = len(t) // size * size
    return t[:usable].reshape(-1, size).mean(1), share[:usable].reshape(-1, size).mean(1)


# -- workers -------------------------------------------------------------------------------------


def chosen_workers(rows: Sequence[Mapping[str, Any]], limit: int) -> list[Mapping[str, Any]]:
    """At most about ``limit`` workers, evenly from every pool."""
    pools: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        pools.setdefault(row["pool"], []).append(row)
    share = min(1.0, limit / max(1, len(rows)))
    kept = []
    for members in pools.values():
        count = max(1, round(len(members) * share))
        picks = np.unique(np.linspace(0, len(members) - 1, count).round().astype(int))
        kept += [members[i] for i in picks]
    return kept


def gantt(rows: Sequence[Mapping[str, Any]], seconds: float, width: float = WIDE) -> str:
    """What each worker did when, coloured by kind; paler where it was busy part of the time."""
    from matplotlib.patches import Patch

    kinds = _kinds(rows)
    if not kinds or seconds <= 0:
        return ""
    height = 0.75 + 0.17 * len(rows)
    canvas = Canvas(f"gantt-{width:.0f}", "What each worker did when", width, height)
    limits = _limits(rows)
    with canvas as axes:
        unit = _time_axis(axes, seconds)
        for y, row in enumerate(rows):
            for kind, entry in row["kinds"].items():
                table = np.array(entry["intervals"], np.float64).reshape(-1, 3)
                _blocks(axes, coalesce(table, limits[row["pool"]]) / unit, y, kinds[kind])
        axes.set_yticks(range(len(rows)), [_worker_label(row, width) for row in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.grid(visible=False, axis="y")
        axes.spines["left"].set_visible(False)
        handles = [Patch(color=colour, label=_cut(kind, 16)) for kind, colour in kinds.items()]
        _legend_above(axes, 5, handles)
    return canvas.svg()


def _limits(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """How many intervals a timeline of each pool may show."""
    lengths: dict[str, list[int]] = {}
    for row in rows:
        counts = [len(entry["intervals"]) for entry in row["kinds"].values()]
        lengths.setdefault(row["pool"], []).extend(counts)
    return fair_limits(lengths, GANTT_INTERVALS)


def _kinds(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Colour of each kind of task."""
    found = dict.fromkeys(kind for row in rows for kind in row["kinds"])
    order = [k for k in KINDS if k in found] + sorted(k for k in found if k not in KINDS)
    other = len(KINDS)
    return {k: SERIES[min(KINDS.index(k) if k in KINDS else other, len(SERIES) - 1)] for k in order}


def _worker_label(row: Mapping[str, Any], width: float) -> str:
    share = "" if row["share"] is None else f"  {100 * row['share']:.0f} %"
    return _cut(row["name"], 24 if width == WIDE else 13) + share


def _blocks(axes: Axes, table: Floats, y: int, colour: str) -> None:
    """All intervals of one row and kind as three paths, by how densely they were busy."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    length = np.maximum(table[:, 1] - table[:, 0], 1e-9)  # a task may take no time at all
    density = table[:, 2] / length
    level = np.digitize(density, [0.4, 0.75])
    for step, alpha in enumerate((0.3, 0.6, 1.0)):
        rows = table[level == step]
        if len(rows):
            path = Path(_corners(rows, y), np.tile([1, 2, 2, 2, 79], len(rows)).astype(np.uint8))
            axes.add_patch(
                PathPatch(path, facecolor=colour, alpha=alpha, linewidth=0, zorder=2 + step)
            )


def _corners(rows: Floats, y: int, half: float = 0.36) -> Floats:
    """``(5 n, 2)`` vertices of closed rectangles."""
    left, right = rows[:, 0], rows[:, 1]
    x = np.column_stack([left, right, right, left, left]).ravel()
    return np.column_stack(
        [x, np.tile([y - half, y - half, y + half, y + half, y - half], len(rows))]
    )


def _legend_above(axes: Axes, columns: int, handles: Sequence[Any] | None = None) -> None:
    """A legend above the axes, with its own room."""
    handles = axes.get_legend_handles_labels()[0] if handles is None else handles
    axes.get_figure(root=True).legend(  # type: ignore[union-attr]
        handles=handles, loc="outside upper left", ncols=columns, handlelength=1.4
    )


def _cut(text: str, limit: int) -> str:
    """One line of at most ``limit`` characters."""
    line = " ".join(text.split())
    line = line if len(line) <= limit else f"{line[: limit - 1]}…"
    return f"\u200b{line}" if line.startswith("_") else line  # legends leave out "_names"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "x"
