"""A study in the report of its run: best so far, and the trials."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.accounting.report_html import Html, details, figure, join, nothing, table, tag
from querist.accounting.report_plots import GRID, SERIES, WIDE, Canvas, plain_ticks
from querist.accounting.units import count, quantity
from querist.campaign.campaign import page_of, report_of
from querist.store.run_folder import RunFolder
from querist.tuning.study import StudyResult, is_study, study_of
from querist.tuning.trial import Trial, described

Floats = NDArray[np.float64]
ROWS = 200
FRONT = (
    "The first two objectives of each run. The line is the front: no run that keeps all "
    "constraints beats one of these in every objective. The cross is the reference point."
)
REGRET = "How far the best so far is from the optimum that was given, against the cost of all runs."


def report_of_run(folder: Path | str, path: Path | str | None = None) -> Path:
    """Write the HTML report of any run; that of a study begins with what it found."""
    if not is_study(folder):
        return report_of(folder, path)
    units = RunFolder(folder).config()["settings"].get("units", {})
    return report_of(folder, path, {"Study": study_html(study_of(folder), units)})


def page_of_run(folder: Path | str) -> str:
    """The HTML report of a study, as text."""
    units = RunFolder(folder).config()["settings"].get("units", {})
    return page_of(folder, {"Study": study_html(study_of(folder), units)})


def study_html(result: StudyResult, units: Mapping[str, str] | None = None) -> Html:
    """The section of a report that tells what a study found."""
    if not result.trials:
        return nothing("No run has ended yet.")
    unit = (units or {}).get(result.problem.output, "")
    caption = (
        f"{result.problem.output} of each run against what all runs up to it cost together; the "
        "line is the best so far that keeps all constraints. Crosses keep some constraint not; "
        "ticks on the axis failed."
    )
    parts = [tag("p", f"{result.sentence()}.")]
    if result.problem.several:
        parts.append(figure(_drawn(draw_front, result, "Front"), FRONT, "wide"))
        caption = "Hypervolume of the front so far against what all runs up to it cost together."
    parts.append(figure(best_so_far(result), caption, "wide"))
    if result.problem.optimum is not None:
        parts.append(figure(_drawn(draw_regret, result, "Regret"), REGRET, "wide"))
    parts.append(details(f"Trials ({count(len(result.trials))})", _trials(result, unit)))
    return join(parts)


def best_so_far(result: StudyResult) -> str:
    """The objective of runs and the best so far against cost, an ``<svg>`` element."""
    return _drawn(draw_volume if result.problem.several else draw, result, "Best so far")


def _drawn(function: Callable[..., None], result: StudyResult, title: str) -> str:
    canvas = Canvas(f"study-{title.lower().replace(' ', '-')}", title, WIDE, 3.2)
    with canvas as axes:
        function(axes, result)
    return canvas.svg()


def save_plot(result: StudyResult, path: Path | str) -> Path:
    """Draw :func:`best_so_far` into a file; its ending says the format (png, svg, pdf).

    Of several objectives there are two, the front and the hypervolume.
    """
    from matplotlib.figure import Figure

    colours = ("tab:blue", "tab:red", "0.8")
    drawing = Figure(figsize=(8.0, 3.6), layout="constrained")
    if result.problem.several:
        first, second = drawing.subplots(1, 2)
        draw_front(first, result, colours)
        draw_volume(second, result, colours)
    else:
        draw(drawing.add_subplot(), result, colours)
    drawing.savefig(path, dpi=120)
    return Path(path)


def draw_front(
    axes: Any, result: StudyResult, colours: Sequence[str] = (*SERIES[:2], GRID)
) -> None:
    """Draw the runs by their first two objectives, with the front; arguments as of :func:`draw`."""
    problem, (one, other) = result.problem, [aim.output for aim in result.problem.aims[:2]]
    every = [trial for trial in (*result.known, *result.trials) if not trial.failure]
    for good, mark, colour in ((True, "o", colours[0]), (False, "x", colours[1])):
        some = [trial for trial in every if problem.holds(trial) == good]
        if some:
            label = "run" if good else "misses a constraint"
            pairs = np.array([[t.outputs[one], t.outputs[other]] for t in some])
            axes.plot(*pairs.T, mark, color=colour, alpha=0.4, label=label)
    front = np.array([[t.outputs[one], t.outputs[other]] for t in result.front])
    if len(front):
        style = {"color": colours[0], "lw": 1.0, "label": "front"}
        axes.plot(*front.T, "o-" if len(problem.aims) == 2 else "o", **style)
    axes.plot(problem.aims[0].reference, problem.aims[1].reference, "+", color=colours[1], ms=9)
    axes.set_xlabel(one)
    axes.set_ylabel(other)
    axes.legend()


def draw_volume(
    axes: Any, result: StudyResult, colours: Sequence[str] = (*SERIES[:2], GRID)
) -> None:
    """Draw the hypervolume against cost; arguments as of :func:`draw`."""
    spent, best = _curve(result)
    axes.step(spent, best, where="post", color=colours[0])
    axes.set_xlabel("cost of all runs together")
    axes.set_ylabel("hypervolume")


def draw_regret(
    axes: Any, result: StudyResult, colours: Sequence[str] = (*SERIES[:2], GRID)
) -> None:
    """Draw how far the best so far is from the optimum; arguments as of :func:`draw`."""
    spent, best = _curve(result)
    regret = np.abs(best - float(result.problem.optimum or 0.0))
    if np.any(regret > 0):
        axes.set_yscale("log")
        plain_ticks(axes, "y", regret[regret > 0])
    axes.step(spent, np.where(regret > 0, regret, np.nan), where="post", color=colours[0])
    axes.set_xlabel("cost of all runs together")
    axes.set_ylabel("simple regret")


def _curve(result: StudyResult) -> tuple[Floats, Floats]:
    """Costs, and the best so far, NaN before any."""
    curve = result.curve()
    best = [np.nan if value is None else value for _, value in curve]
    return np.array([cost for cost, _ in curve]), np.array(best, float)


def draw(axes: Any, result: StudyResult, colours: Sequence[str] = (*SERIES[:2], GRID)) -> None:
    """Draw a study into a pair of axes.

    Args:
        axes: Of Matplotlib.
        result: The study.
        colours: Of good runs, of others, and of what was known before.
    """
    problem, (spent, best) = result.problem, _curve(result)
    values = np.array([t.outputs.get(problem.output, np.nan) for t in result.trials], float)
    good = np.array([problem.holds(trial) for trial in result.trials], bool)
    failed = np.array([bool(trial.failure) for trial in result.trials], bool)
    axes.plot(spent[good], values[good], "o", color=colours[0], alpha=0.6, label="run")
    if error := problem.errors.get(problem.output):
        bars = np.array([trial.outputs.get(error, np.nan) for trial in result.trials], float)
        axes.errorbar(spent[good], values[good], bars[good], fmt="none", ecolor=colours[2])
    other = ~good & ~failed
    if other.any():
        axes.plot(spent[other], values[other], "x", color=colours[1], label="misses a constraint")
    axes.step(spent, best, where="post", color=colours[0], label="best so far")
    known = problem.best(result.known)
    if known is not None:
        axes.axhline(known.outputs[problem.output], ls=":", color=colours[2], label="known before")
    finite = values[np.isfinite(values)]
    if len(finite) and finite.min() > 0 and finite.max() > 30 * finite.min():
        axes.set_yscale("log")
        plain_ticks(axes, "y", finite)
    _failures(axes, spent[failed], colours[1])
    axes.set_xlabel("cost of all runs together")
    axes.set_ylabel(problem.output)
    axes.legend()


def _failures(axes: Any, spent: Any, colour: str) -> None:
    if len(spent):
        place = {"transform": axes.get_xaxis_transform(), "clip_on": False}
        axes.plot(spent, np.zeros(len(spent)), "|", color=colour, ms=9, label="failed", **place)


def _trials(result: StudyResult, unit: str) -> Html:
    problem = result.problem
    others = [n for n in problem.wanted if n != problem.output]
    last = result.trials[-ROWS:]
    rows = [
        (
            described(trial.settings),
            trial.failure or ("yes" if problem.holds(trial) else "no"),
            quantity(trial.outputs.get(problem.output), unit),
            *[quantity(trial.outputs.get(name)) for name in others],
            quantity(trial.cost),
        )
        for trial in sorted(last, key=lambda trial: _rank(result, trial))
    ]
    head = ("Settings", "Keeps all constraints", problem.output, *others, "Cost")
    return table(head, rows, "Trials, best first", "ll" + "n" * (len(head) - 2))


def _rank(result: StudyResult, trial: Trial) -> tuple[int, float]:
    if trial.failure:
        return 2, 0.0
    return (0 if result.problem.holds(trial) else 1), result.problem.loss(trial)
