"""The command that judges a pool's annotators and says what to label again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from querist.cli.output import JSON, counted, show, table
from querist.cli.shared import PROGRESS, need_parent, sentences
from querist.cli.todo import write_todo
from querist.cli.values import model_of


@click.command()
@click.argument("pool", type=click.Path(path_type=Path))
@click.option(
    "--ask",
    type=click.IntRange(min=1),
    metavar="N",
    help="List the N answers that are worth most; with -m new items compete.",
)
@click.option(
    "--model",
    "-m",
    multiple=True,
    metavar="FILE|NAME=VALUE",
    help="Whose probabilities say what new items are; then new items compete.",
)
@click.option(
    "--settle",
    type=click.FloatRange(0.5, 1.0),
    metavar="P",
    help="Record the likeliest class where its probability is at least P, as by 'dawid-skene'.",
)
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    help="With --ask: write them, .csv or .jsonl.",
)
@PROGRESS
@JSON
@sentences
def annotators(pool: Path, output: Path | None, as_json: bool, **how: Any) -> None:
    """Tell how well each annotator labels, by the model of Dawid and Skene.

    Nobody needs to know the truth: annotators who agree with what others say of the same items are
    believed more. What is worth another label is measured as a new label is, by what an answer is
    expected to tell.
    """
    from querist.pool.annotators import NAME, crowd_of
    from querist.pool.pool import Pool

    need_parent(output)
    with Pool.open(pool) as opened:
        crowd = crowd_of(opened)
        if how["settle"] is not None:
            recorded = opened.label(crowd.labels(how["settle"]), by=NAME)
            click.echo(f"{counted(recorded, 'label')} recorded as by {NAME}", err=as_json)
        if how["ask"] is None:
            _tell(crowd, as_json)
        else:
            _ask(opened, crowd, how, output, as_json)


def _tell(crowd: Any, as_json: bool) -> None:
    fit = crowd.fit
    each = [
        {"annotator": name or "(no name)", "labels": int(fit.answers[n]), "right": float(right)}
        for n, (name, right) in enumerate(zip(crowd.names, fit.accuracy, strict=True))
    ]
    if as_json:
        for n, one in enumerate(each):
            show({**one, "confusion": fit.confusion[n].tolist(), "classes": crowd.classes}, True)
        return
    rows = [
        {**one, "right": f"{one['right']:.1%}", **_worst(crowd, n)} for n, one in enumerate(each)
    ]
    table(rows, ("annotator", "labels", "right", "most often takes"), False, "nobody labelled")


def _worst(crowd: Any, n: int) -> dict[str, str]:
    """What an annotator takes for what most often."""
    wrong = crowd.fit.confusion[n].copy()
    wrong[range(len(wrong)), range(len(wrong))] = 0.0
    true, said = divmod(int(wrong.argmax()), len(wrong))
    share = f"{wrong[true, said]:.0%}"
    return {"most often takes": f"{crowd.classes[true]} for {crowd.classes[said]} ({share})"}


def _ask(pool: Any, crowd: Any, how: Any, output: Path | None, as_json: bool) -> None:
    from querist.cli.here import of_this_machine
    from querist.cli.progress import watching
    from querist.pool.annotators import wanted

    model = of_this_machine(model_of(how["model"])) if how["model"] else None
    with watching(how["progress"], "asking the model"):
        found = [one._asdict() for one in wanted(pool, crowd, how["ask"], model)]
    if output is not None:
        items = ({**one, "item": "", "suggested": one["label"], "label": ""} for one in found)
        write_todo(output, list(items))
    columns = ("id", "again", "gain", "label", "certainty")
    table(found, columns, as_json, "nothing is worth another label")
