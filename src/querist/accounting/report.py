"""A run as one self-contained HTML page: no script, no request to anywhere, light and dark."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

from querist.accounting import report_plots as plots
from querist.accounting import report_tables as tables
from querist.accounting.notebook import framed
from querist.accounting.report_html import (
    Html,
    bars,
    details,
    figure,
    join,
    nothing,
    page,
    section,
    tag,
    tile,
)
from querist.accounting.selections import selection_html
from querist.accounting.series import tidy
from querist.accounting.summary import Summary
from querist.accounting.units import count, duration, percent, plural, quantity

METRICS = 4  # that get a learning curve
ROWS_WIDE, ROWS_NARROW = 40, 20  # workers in the timeline
UNFINISHED = (
    "The journal records no end: the run still goes on, or it ended without being able to say so. "
    "It can be resumed."
)


class Report:
    """Draws the parts of the page from a summary.

    Args:
        summary: Of the run.
        units: Unit by output name ("forces": "eV/Å"), by metric name, and of "cost" (seconds
            where it is not given).
        extra: What else belongs to the run (its configuration ...): text or JSON-able, by title;
            :class:`~querist.accounting.report_html.Html` is a section of its own, at the top.
        without: Sections of which a run of this kind knows nothing: "workers", "cost" ...
    """

    def __init__(
        self,
        summary: Summary,
        units: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
        without: Collection[str] = (),
    ) -> None:
        self.without = frozenset(without)
        self.data: Mapping[str, Any] = summary.data
        self.units = dict(units or {})
        self.cost_unit = self.units.get("cost", "s")
        self.extra = dict(extra or {})
        self.seconds = float(self.data["run"]["campaign_seconds"])

    def unit(self, metric: str) -> str:
        """Unit of a metric: its own, or that of the output before the last dot."""
        known = self.units.get(metric, self.units.get(metric.rpartition(".")[0], ""))
        return known

    def html(self) -> str:
        """The whole document."""
        parts: list[tuple[str, str, Callable[[], Html]]] = [
            ("Learning", "learning", self.learning),
            ("Uncertainty", "uncertainty", self.uncertainty),
            ("Questions", "questions", self.questions),
            ("Workers", "workers", self.workers),
            ("Cost", "cost", self.cost),
            ("Failures", "failures", self.failures),
            ("Models", "models", self.models),
            ("Run", "run", self.run),
        ]
        if self.data.get("selection", {}).get("made"):
            told = ("Strategy", "strategy", lambda: selection_html(self.data["selection"]))
            parts.insert(3, told)
        parts = [part for part in parts if part[1] not in self.without]
        own = [(n, _anchor(n), value) for n, value in self.extra.items() if isinstance(value, Html)]
        parts[:0] = [(name, anchor, partial(Html, value)) for name, anchor, value in own]
        links = tag("nav", *[tag("a", n, href=f"#{a}") for n, a, _ in parts], aria_label="Sections")
        body = [section(name, anchor, make()) for name, anchor, make in parts]
        style = files("querist.accounting").joinpath("report_style.css").read_text("utf-8")
        main = tag("main", self.tiles(), *body)
        return page(self.title, style, self.header(), links, main, self.footer())

    def _repr_html_(self) -> str:
        """The whole document within a notebook's cell."""
        return framed(self.html())

    # -- the top ----------------------------------------------------------------------------

    @property
    def title(self) -> str:
        """The page's title."""
        return f"Querist run {self.data['run']['id']}".strip()

    def header(self) -> Html:
        """Title, status and when."""
        run = self.data["run"]
        status = run["status"]
        known = status if status in ("finished", "stopped", "failed") else "unfinished"
        shown = "no end recorded" if known == "unfinished" else status
        pill = tag("span", shown, class_=f"status {known}")
        reason = UNFINISHED if known == "unfinished" else run["reason"]
        return tag(
            "header",
            tag("div", tag("h1", self.title), pill, class_="top"),
            tag("p", reason) if reason else "",
            tag("p", self._when()),
        )

    def _when(self) -> Html:
        run = self.data["run"]
        workers = sum(pool["workers"] for pool in self.data["workers"]["pools"].values())
        parts = [
            f"Started {_moment(run['started_wall'])}" if run["started_wall"] else "",
            f"{duration(self.seconds)} of campaign time",
            plural(workers, "worker") if workers else "",
            f"engine {run['engine']}" if run["engine"] else "",
            f"resumed {_times(run['resumes'])}" if run["resumes"] else "",
        ]
        return join([part for part in parts if part], " · ")

    def tiles(self) -> Html:
        """Headline numbers."""
        labels, failures, saved = self.data["labels"], self.data["failures"], self.data["saved"]
        costs, models = self.data["costs"], self.data["models"]
        purposes = ", ".join(f"{count(n)} {name}" for name, n in labels["by_purpose"].items())
        bound = saved["oracle_seconds_upper_estimate"]
        rate = self.data["rates"]["labels_per_second"]
        spent = [
            tile("Oracle time spent", duration(costs["seconds"]), self._cost_note()),
            tile(
                "Oracle time saved, at most",
                duration(bound),
                f"{count(saved['trusted_predictions'])} trusted predictions",
            ),
        ]
        shown = [
            tile("Labels", count(labels["total"]), purposes),
            self._error_tile(),
            *([] if "cost" in self.without else spent),
            tile(
                "Campaign time",
                duration(self.seconds),
                f"{quantity(rate * 3600)} labels an hour" if rate else "",
            ),
            *([] if "workers" in self.without else [self._busy_tile()]),
            tile(
                "Failed calls",
                count(failures["total"]),
                f"{count(failures['quarantined'])} for good" if failures["total"] else "",
            ),
            tile("Models", count(models["published"]), _fit_note(costs)),
        ]
        return tag("dl", *shown, class_="tiles", aria_label="Headline numbers")

    def _error_tile(self) -> Html:
        name, values = self._headline()
        if not values:
            return tile("Error on the hold-out", "–", "no evaluation yet")
        unit = self.unit(name)
        return tile(
            f"{name} on {_on(self.data['learning']['on'])}",
            quantity(values[-1], unit),
            f"first model {quantity(values[0], unit)}" if len(values) > 1 else "first model",
        )

    def _headline(self) -> tuple[str, list[float]]:
        """The metric named first, with its values."""
        names = self._metrics()
        values = self.data["learning"]["metrics"].get(names[0], []) if names else []
        return (names[0] if names else "", [value for value in values if value is not None])

    def _metrics(self) -> list[str]:
        """Metrics worth a curve: those of outputs, not of the score."""
        return [name for name in self.data["learning"]["metrics"] if not name.startswith("score.")]

    def _cost_note(self) -> str:
        costs = self.data["costs"]
        if self.cost_unit != "s" or abs(costs["spent"] - costs["seconds"]) > 0.01 * costs["spent"]:
            return f"cost {quantity(costs['spent'], self.cost_unit)}"
        mean = self.data["saved"]["mean_oracle_seconds"]
        return "" if mean is None else f"{duration(mean)} a label"

    def _busy_tile(self) -> Html:
        pools = self.data["workers"]["pools"]
        present = sum(pool["present"] for pool in pools.values())
        busy = sum(pool["busy"] for pool in pools.values())
        told = sorted((p["share"], name) for name, p in pools.items() if p["share"] is not None)
        note = f"least: {told[0][1]}, {percent(told[0][0])}" if len(told) > 1 else ""
        return tile("Workers busy", percent(busy / present if present else None), note)

    # -- sections -----------------------------------------------------------------------------

    def learning(self) -> Html:
        """Learning curves by labels and by cost."""
        curve = self.data["learning"]
        names = self._metrics()
        if not names:
            return nothing(
                "No model has been evaluated yet. A learning curve needs labels that are set "
                "aside as hold-out."
            )
        by_purpose = self.data["labels"]["by_purpose"]
        intro = (
            f"Error of each published model on {_on(curve['on'])} ({plural(curve['n'], 'sample')} "
            f"in the last evaluation, never trained on), against what it had learned from and what "
            f"had been paid by then, failed calls and hold-out labels included."
        )
        drawn = [self._curve(names[0], by) for by in ("train", "cost")]
        drawn += [self._curve(name, "train") for name in _others(names)]
        series = self.data["labels"]["over_time"]
        grown = plots.stacked("labels", series, self.seconds, "labels") if by_purpose else ""
        drawn.append(figure(grown, "Labels by purpose. Imported ones were there from the start."))
        return join([tag("p", intro), tag("div", *drawn, class_="grid")])

    def _curve(self, metric: str, by: str) -> Html:
        curve = self.data["learning"]
        drawing = plots.learning(curve, metric, by, self.unit(metric), self.cost_unit)
        across = "by number of labels" if by == "train" else "by cost paid"
        return figure(drawing, f"{metric} {across}.")

    def uncertainty(self) -> Html:
        """Uncertainty against error, and the scores over time."""
        found = self.data["calibration"]
        series = self.data["exploration"]["scores"]
        unit = self._score_unit()
        drawn = [
            figure(
                plots.calibration(found, unit) if found else "",
                "Each point is a sample the model was not trained on: the uncertainty it gave, and "
                "the error it made. A calibrated uncertainty puts the line of bins on the dashed "
                "diagonal; one that can rank rises from left to right.",
            ),
            figure(
                plots.scores(series, self.seconds, unit),
                "Uncertainty met by the explorers, and the threshold beyond which they ask.",
            ),
        ]
        numbers = tables.calibration(found, unit) if found else nothing("No evaluation yet.")
        return join([numbers, tag("div", *drawn, class_="grid")])

    def _score_unit(self) -> str:
        name = self._headline()[0]
        return self.units.get("score", self.unit(name))

    def questions(self) -> Html:
        """What was asked and why, and the queue."""
        asked = self.data["questions"]
        if not asked["asked"]:
            return nothing("Nothing has been asked yet.")
        series = asked["over_time"]
        left = [bars(asked["by_why"], "Why they were asked")]
        if asked["dropped"]:
            left.append(bars(asked["dropped_by_why"], "Dropped before they were asked"))
        right = [bars(asked["by_purpose"], "What they were asked for")]
        if len(asked["by_oracle"]) > 1:
            right.append(bars(asked["by_oracle"], "Of whom they were asked"))
        drawn = [
            figure(
                plots.stacked("why", series, self.seconds, "questions asked"),
                "Questions asked so far, by reason.",
            ),
            figure(
                plots.queue(self.data["queue"]["over_time"], self.seconds),
                f"Questions waiting (at most {count(self.data['queue']['peak'])}) and being "
                "answered. A queue that is empty leaves oracles idle.",
            ),
        ]
        columns = tag("div", tag("div", *left), tag("div", *right), class_="grid")
        return join([tables.outcomes(asked), tables.exploration(self.data["exploration"]),
                     columns, tag("div", *drawn, class_="grid")])  # fmt: skip

    def workers(self) -> Html:
        """Pools, timeline and table of workers."""
        found = self.data["workers"]
        rows = found["table"]
        if not rows:
            return nothing("No worker has joined yet.")
        parts = [tables.pools(found["pools"])]
        for width, limit, class_ in (
            (plots.WIDE, ROWS_WIDE, "wide"),
            (plots.HALF, ROWS_NARROW, "narrow"),
        ):
            chosen = plots.chosen_workers(rows, limit)
            shown = "" if len(chosen) == len(rows) else (
                f" {count(len(chosen))} of {count(len(rows))} workers are shown, evenly chosen."
            )  # fmt: skip
            parts += [
                figure(
                    plots.utilisation(found["pools"], self.seconds, width),
                    "Busy share of each pool over time; the number is the mean over the run.",
                    class_,
                ),
                figure(
                    plots.gantt(chosen, self.seconds, width),
                    "What each worker did when, with its busy share. Pale stretches stand for "
                    f"short tasks with pauses between them.{shown}",
                    class_,
                ),
            ]
        parts.append(details("All workers", tables.workers(rows)))
        if found.get("moved", {}).get("total"):
            title = f"Workers that changed their role ({count(found['moved']['total'])})"
            parts.append(details(title, tables.moved(found["moved"]["table"])))
        if found["lost"]["total"]:
            title = f"Lost workers ({count(found['lost']['total'])})"
            parts.append(details(title, tables.lost(found["lost"]["table"])))
        return join(parts)

    def cost(self) -> Html:
        """What was spent and saved."""
        costs, saved = self.data["costs"], self.data["saved"]
        return join(
            [
                tables.costs(costs, self.cost_unit),
                tables.saved(saved, costs),
                tag("p", saved["note"]) if saved["trusted_predictions"] else "",
                tables.effective(self.data["effective"]),
            ]
        )

    def failures(self) -> Html:
        """Counts by reason, and tracebacks to unfold."""
        found = self.data["failures"]
        tasks = tables.failed_tasks(found["tasks"])
        if not found["total"]:
            return join([nothing("No call of an oracle has failed."), tasks])
        parts = [bars(found["by_reason"], "Reasons"), tables.failures(found["table"])]
        if found["left_out"]:
            more = f"{plural(found['left_out'], 'earlier failure')} can be listed with "
            parts.append(tag("p", more, tag("code", "querist failures"), "."))
        return join([*parts, tasks])

    def models(self) -> Html:
        """Table of published models."""
        rows = self.data["models"]["table"]
        if not rows:
            return nothing("No model has been published yet.")
        return tables.models(rows, self._metrics()[:METRICS], self.units, self.cost_unit)

    def run(self) -> Html:
        """Where and how it ran, commands, configuration."""
        parts = [tables.run(self.data["run"], self.data["journal"])]
        if self.data["commands"]["total"]:
            parts += [tag("h3", "Commands by users"), tables.commands(self.data["commands"])]
        for name, value in self.extra.items():
            if isinstance(value, Html):
                continue
            told = value if isinstance(value, str) else _json(value)
            parts.append(details(name, tag("pre", told)))
        return join(parts)

    def footer(self) -> Html:
        """What this was made from."""
        journal = self.data["journal"]
        from querist import __version__

        return tag(
            "footer",
            f"Querist {__version__}, summary version {self.data['version']}, from "
            f"{plural(journal['facts'], 'record')} of the journal, up to number "
            f"{journal['last_seq']}.",
        )


def _others(names: list[str]) -> list[str]:
    """Metrics beside the first one, other outputs first; an odd number, which fills the rows."""
    first = names[0].rpartition(".")[0]
    others = sorted(names[1:], key=lambda name: name.rpartition(".")[0] == first)[: METRICS - 1]
    return others[:1] if len(others) == 2 else others


def _anchor(title: str) -> str:
    return "-".join(title.lower().split())


def _json(value: Any) -> str:
    return json.dumps(tidy(value), indent=2, ensure_ascii=False)


def _on(on: str | None) -> str:
    return "recent answers" if on == "recent" else "the hold-out"


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


def _moment(wall: float) -> str:
    return datetime.fromtimestamp(wall, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _fit_note(costs: Mapping[str, Any]) -> str:
    return f"{duration(costs['fit_seconds'])} of training" if costs["fit_seconds"] else ""


def report_html(
    summary: Summary,
    units: Mapping[str, str] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> str:
    """The report as HTML text; the arguments are those of :class:`Report`."""
    return Report(summary, units, extra).html()


def write_report(
    summary: Summary,
    path: Path | str,
    units: Mapping[str, str] | None = None,
    extra: Mapping[str, Any] | None = None,
    without: Collection[str] = (),
) -> Path:
    """Write the report; whoever reads meanwhile sees the old file or the new one.

    Args:
        summary: Of the run.
        path: The HTML file.
        units: Unit by output name ("forces": "eV/Å"), by metric name, and of "cost".
        extra: What else belongs to the run (its configuration ...): text or JSON-able, by title;
            :class:`~querist.accounting.report_html.Html` is a section of its own, at the top.
        without: Sections of which a run of this kind knows nothing: "workers", "cost" ...

    Returns:
        The path.
    """
    target = Path(path)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    part.write_text(Report(summary, units, extra, without).html(), encoding="utf-8")
    return part.replace(target)
