"""Tables and lists of the report."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from querist.accounting.effective_text import CAVEAT, rows, spent_rows, verdict
from querist.accounting.report_html import Html, details, facts, join, nothing, table, tag
from querist.accounting.units import count, duration, percent, plural, quantity

Row = Mapping[str, Any]
FAILURES = 40  # kinds of failure that are listed
MODELS = 20  # latest models that are listed before "earlier ones"


def calibration(found: Row, unit: str) -> Html:
    """Numbers of the last evaluation."""
    within = ", ".join(f"{w['times']:g} × {percent(w['share'])}" for w in found["within"])
    pairs = {
        "Evaluated": f"model v{found['version']} on {plural(found['n'], 'sample')} "
        f"({'hold-out' if found['on'] == 'holdout' else 'recent answers'})",
        "Rank correlation (Spearman)": quantity(found["spearman"]),
        "Mean error over mean uncertainty": quantity(found["ratio"]),
        "Errors within so many uncertainties": within,
        **{name.partition(".")[2]: quantity(v) for name, v in found["reported"].items()},
        "Errors below the asking threshold": _trusted(found["trusted"], unit),
    }
    return facts(pairs)


def _trusted(trusted: Row | None, unit: str) -> str:
    if not trusted or not trusted["n"]:
        return ""
    return (
        f"mean {quantity(trusted['error_mean'], unit)}, 95 % below "
        f"{quantity(trusted['error_p95'], unit)}, largest {quantity(trusted['error_max'], unit)} "
        f"({percent(trusted['share'])} of the samples, threshold {quantity(trusted['ask'], unit)})"
    )


def outcomes(asked: Row) -> Html:
    """How the questions ended."""
    names = {
        "answered": "answered",
        "quarantined": "failed for good",
        "abstained": "declined",
        "outstanding": "still open",
    }
    ends = ", ".join(f"{count(asked[key])} {name}" for key, name in names.items() if asked[key])
    retried = f" {plural(asked['retried'], 'failed try')} tried again." if asked["retried"] else ""
    retried = retried.replace("failed trys", "failed tries")
    return tag("p", f"{plural(asked['asked'], 'question')} asked: {ends}.{retried}")


def exploration(found: Row) -> Html:
    """What became of the predictions."""
    if not found["proposed"]:
        return Html("")
    names = ("trusted", "asked", "rejected", "filtered")
    named = {"asked": "uncertain", "rejected": "too uncertain", "filtered": "made no sense"}
    ends = ", ".join(
        f"{percent(found[name] / found['proposed'])} {named.get(name, name)}"
        for name in names
        if found[name]
    )
    return tag("p", f"{plural(found['proposed'], 'prediction')} of the explorers: {ends}.")


def pools(found: Mapping[str, Row]) -> Html:
    """Busy shares of the pools."""
    rows = [
        (
            name,
            count(pool["workers"]),
            percent(pool["share"]),
            duration(pool["busy"]),
            count(pool["tasks"]),
            ", ".join(f"{kind} {duration(value)}" for kind, value in pool["kinds"].items()),
        )
        for name, pool in found.items()
    ]
    head = ("pool", "workers", "busy", "busy time", "tasks", "by kind")
    return table(head, rows, "Pools", "lnnnnl")


def workers(rows: Sequence[Row]) -> Html:
    """All workers, up to a thousand."""
    body = [
        (
            row["name"],
            row["pool"],
            percent(row["share"]),
            duration(row["busy"]),
            duration(row["present"]),
            count(row["tasks"]),
            count(row["losses"]),
        )
        for row in rows[:1000]
    ]
    head = ("worker", "pool", "busy", "busy time", "present", "tasks", "times lost")
    return table(head, body, "Workers", "llnnnnn")


def moved(rows: Sequence[Row]) -> Html:
    """Workers that were given another role."""
    body = [(duration(row["t"]), row["source"], row["target"], _wrap(row["why"])) for row in rows]
    return table(("at", "from", "to", "why"), body, "Workers that changed their role", "llll")


def lost(rows: Sequence[Row]) -> Html:
    """Workers that died."""
    body = [
        (duration(row["t"]), row["worker"], "no" if row["final"] else "yes", _wrap(row["message"]))
        for row in rows
    ]
    return table(("at", "worker", "replaced", "message"), body, "Lost workers", "llll")


def costs(found: Row, unit: str) -> Html:
    """Cost and seconds by outcome, and by oracle where there are several."""
    names = {"label": "labels", "failure": "failed calls", "abstention": "declined"}
    total = {"count": 0, "cost": found["spent"], "seconds": found["seconds"]}
    total["count"] = sum(entry["count"] for entry in found["by_outcome"].values())
    entries = [(names[key], e) for key, e in found["by_outcome"].items() if e["count"]]
    rows = [_cost_row(name, entry) for name, entry in [*entries, ("all", total)]]
    head = ("outcome", "calls", f"cost / {unit}", "time")
    parts = [table(head, rows, "Oracle calls by outcome")]
    if len(found["by_oracle"]) > 1:
        rows = [_cost_row(name, e) for name, e in found["by_oracle"].items()]
        parts.append(table(("oracle", *head[1:]), rows, "Oracle calls by oracle"))
    if found["reserved"]:
        reserved = quantity(found["reserved"], unit)
        parts.append(tag("p", f"Reserved for questions that are still open: {reserved}."))
    return join(parts)


def _cost_row(name: str, entry: Row) -> tuple[Any, ...]:
    return (name, count(entry["count"]), quantity(entry["cost"]), duration(entry["seconds"]))


def saved(found: Row, costs: Row) -> Html:
    """What the model replaced."""
    bound = found["oracle_seconds_upper_estimate"]
    if bound is None or not found["trusted_predictions"]:
        return nothing("No prediction has been trusted yet, so nothing has been saved.")
    mean = duration(found["mean_oracle_seconds"])
    return facts(
        {
            "Predictions that were trusted": count(found["trusted_predictions"]),
            "As many oracle calls, at most": f"{duration(bound)} (at {mean} each)",
            "Time of predicting": duration(costs["predict_seconds"]),
            "Time of training": duration(costs["fit_seconds"]),
        }
    )


def effective(found: Row) -> Html:
    """The effective speed-up, and what worker time went into."""
    if not found["n_lookup"] or found["audited"] is None:
        return Html("")
    head = ("worker time went into", "time", "share")
    return join(
        [
            tag("h3", "Effective speed-up"),
            tag("p", verdict(found)),
            facts(dict(rows(found))),
            table(head, spent_rows(found), "Worker time", "lnn"),
            tag("p", CAVEAT),
        ]
    )


def failures(told: Sequence[Row]) -> Html:
    """Failures grouped by what they say, those for good first; tracebacks unfold."""
    groups: dict[tuple[str, str, bool], list[Row]] = {}
    for row in told:
        groups.setdefault((row["reason"], row["message"], row["final"]), []).append(row)
    ordered = sorted(groups.values(), key=lambda group: (not group[0]["final"], -len(group)))
    shown = [_failure(group) for group in ordered[:FAILURES]]
    hidden = len(ordered) - FAILURES
    if hidden > 0:
        shown.append(tag("p", f"{plural(hidden, 'more kind')} of failure not shown."))
    return join([tag("h3", "Latest failures"), *shown])


def failed_tasks(found: Row) -> Html:
    """Fits, slices of exploration and other tasks that gave nothing."""
    if not found["by_kind"]:
        return Html("")
    counts = ", ".join(f"{kind} {count(n)} ×" for kind, n in found["by_kind"].items())
    shown = [_failure([row], row["kind"]) for row in reversed(found["table"])]
    return join([tag("h3", "Failed tasks of other kinds"), tag("p", counts), *shown])


def _failure(group: Sequence[Row], fate: str = "") -> Html:
    last = group[-1]
    fate = fate or ("for good" if last["final"] else "tried again")
    title = join(
        [
            tag("span", last["reason"], class_="why"),
            f": {last['message']} ",
            tag("span", f"({fate}, {count(len(group))} ×)", class_="times"),
        ]
    )
    where = facts(
        {
            "Last at": duration(last["t"]),
            "Question": last.get("question"),
            "Oracle": last.get("oracle"),
            "Worker": last["worker"],
            "Attempt": last.get("attempt"),
        }
    )
    trace = last["traceback"]
    return details(title, where, tag("pre", trace) if trace else nothing("No traceback."))


def models(
    rows: Sequence[Row], metrics: Sequence[str], units: Mapping[str, str], cost_unit: str
) -> Html:
    """Published models, latest first."""
    head = ["version", "at", "labels", f"cost / {cost_unit}", "fit", "hold-out"]
    named = [f"{name} / {unit}" if (unit := _unit(name, units)) else name for name in metrics]
    body = [_model(row, metrics) for row in reversed(rows)]
    columns = [*head, *named, "why"]
    align = "n" * (len(columns) - 1) + "l"
    latest = table(columns, body[:MODELS], "Models, latest first", align)
    if len(body) <= MODELS:
        return latest
    older = table(columns, body[MODELS:], "Earlier models", align)
    return join([latest, details(f"{plural(len(body) - MODELS, 'earlier model')}", older)])


def _unit(metric: str, units: Mapping[str, str]) -> str:
    return units.get(metric, units.get(metric.rpartition(".")[0], ""))


def _model(row: Row, metrics: Sequence[str]) -> list[Any]:
    told = row["holdout"] or row["recent"] or {"n": None, "metrics": {}}
    return [
        f"v{row['version']}",
        duration(row["t"]),
        count(row["labels"]),
        quantity(row["cost"]),
        duration(row.get("fit_seconds")),
        count(told["n"]),
        *[quantity(told["metrics"].get(name)) for name in metrics],
        row.get("why", ""),
    ]


def run(found: Row, journal: Row) -> Html:
    """Where and how it ran."""
    planned = ", ".join(f"{name} × {size}" for name, size in _grouped(found["pools"] or {}).items())
    unknown = ", ".join(f"{kind} × {count(n)}" for kind, n in journal["unknown"].items())
    wall, inside = found["wall_seconds"], found["campaign_seconds"]
    down = wall - inside if wall is not None and wall - inside > 1 else None
    return facts(
        {
            "Engine": found["engine"],
            "Pools": planned,
            "Shared out": found["staffing"],
            "Host": found["host"],
            "Cores": found["cores"],
            "Campaign time": duration(inside),
            "Wall time": duration(wall),
            "Down in between": duration(down),
            "Resumed": f"{found['resumes']} ×" if found["resumes"] else "",
            "Records not understood": unknown,
        }
    )


def _grouped(pools: Mapping[str, int]) -> dict[str, int]:
    """Counts of workers; numbered pools (``explorer.0``, ``explorer.1`` ...) together."""
    found: dict[str, int] = {}
    for name, size in pools.items():
        role, _, number = name.partition(".")
        group = role if number.isdigit() else name
        found[group] = found.get(group, 0) + size
    return found


def commands(found: Row) -> Html:
    """What users told the run."""
    body = [
        (duration(row["t"]), row["kind"], _wrap(json.dumps(row["data"], ensure_ascii=False)))
        for row in found["table"]
    ]
    return table(("at", "command", "data"), body, "Commands by users", "lll")


def _wrap(text: str) -> Html:
    return tag("div", text, style="white-space:normal;min-width:14em;overflow-wrap:anywhere")
