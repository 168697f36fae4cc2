"""Commands that exchange tasks and annotations with Label Studio."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from querist.cli.output import counted
from querist.cli.shared import authority, sentences
from querist.core.errors import ConfigError

URL = click.option(
    "--url",
    envvar="LABEL_STUDIO_URL",
    default="http://localhost:8080",
    show_default=True,
    help="Of Label Studio; its token comes from the variable LABEL_STUDIO_API_KEY.",
)
PROJECT = click.option(
    "--project", type=int, help="Its number; by default the one with the pool's name, made if new."
)
POOL = click.argument("pool", type=click.Path(path_type=Path))


@click.group(name="label-studio")
def label_studio() -> None:
    """Send picks of a pool to Label Studio, and take annotations back."""


@label_studio.command()
@POOL
@click.option("--query", type=click.Path(path_type=Path), help="Those that this query picked.")
@click.option("--where", default="", help="Or those in a state: unlabelled, disputed ...")
@click.option("--limit", type=click.IntRange(min=1), default=1000, help="At most so many.")
@click.option(
    "--link",
    multiple=True,
    metavar="BEFORE=AFTER",
    help="What Label Studio is given instead of the beginning of a URI.",
)
@click.option(
    "--model",
    "-m",
    multiple=True,
    metavar="FILE|NAME=VALUE",
    help="What it says of them is sent, too. Without it, what `querist pool suggest` kept.",
)
@click.option("--only", is_flag=True, help="Withdraw other tasks that nobody has annotated.")
@URL
@PROJECT
@sentences
def push(pool: Path, url: str, project: int | None, **how: Any) -> None:
    """Make tasks of the picks of a query, or of items in a state."""
    if bool(how["query"]) == bool(how["where"]):
        raise click.UsageError("give --query FOLDER or --where STATE.")
    links = dict(_link(text) for text in how["link"])

    def run(exchange: Any) -> None:
        ids = _ids(exchange.pool, how)
        gone = exchange.withdraw(ids) if how["only"] else 0
        done = exchange.push(ids, *_suggestions(exchange.pool, ids, how["model"]))
        told = f"{counted(done.sent, 'task')} made in project {exchange.project}"
        told += f", {done.there} there already" if done.there else ""
        click.echo(told + (f", {gone} withdrawn" if gone else ""))
        for id, why in list(done.left_out.items())[:5]:
            click.echo(f"left out {id}: {why}", err=True)

    _with(pool, url, project, run, links)


@label_studio.command()
@POOL
@click.option(
    "--every", type=click.FloatRange(min=1), help="Go on, and look every so many seconds."
)
@URL
@PROJECT
@sentences
def pull(pool: Path, url: str, project: int | None, every: float | None) -> None:
    """Record annotations as labels; take labels back whose annotations were deleted."""

    def run(exchange: Any) -> None:
        while True:
            done = exchange.pull()
            if done.labels or done.skips or done.withdrawn or every is None:
                skipped = f", {counted(done.skips, 'skip')}" if done.skips else ""
                gone = f", {done.withdrawn} taken back" if done.withdrawn else ""
                click.echo(f"{counted(done.labels, 'label')} recorded{skipped}{gone}")
            if done.unknown:
                click.echo(f"{counted(done.unknown, 'annotation')} of unknown items", err=True)
            for why in done.broken[:5]:
                click.echo(f"not used: {why}", err=True)
            if every is None:
                return
            time.sleep(every)

    _with(pool, url, project, run, {})


@label_studio.command()
@POOL
@click.option("--port", type=click.IntRange(0, 65535), default=9090, show_default=True)
@click.option("--host", default="127.0.0.1", show_default=True, help="Of others with a key only.")
@click.option("--model", "-m", multiple=True, metavar="FILE|NAME=VALUE", help="Whose features.")
@URL
@sentences
def serve(pool: Path, port: int, host: str, model: tuple[str, ...], url: str) -> None:
    """Be a model for Label Studio: it learns from annotations, and predicts; until Ctrl-C.

    With a token it asks Label Studio for the addresses of annotators, who are numbers otherwise.
    """
    import os
    from contextlib import ExitStack, suppress

    from querist.cli.here import of_this_machine
    from querist.cli.values import model_of
    from querist.integrations.label_studio.api import VARIABLE, LabelStudio
    from querist.integrations.label_studio.backend import Backend
    from querist.integrations.label_studio.serving import KEY, server_of
    from querist.pool.pool import Pool

    chosen = of_this_machine(model_of(model)) if model else None
    with Pool.open(pool) as opened, ExitStack() as stack:
        known = bool(os.environ.get(VARIABLE))
        people = stack.enter_context(LabelStudio(url)).people if known else None
        backend = Backend(opened, chosen, people)
        with server_of(backend, host, port, os.environ.get(KEY, "")) as server:
            where = f"http://{authority(host, server.server_port)}"
            click.echo(f"a model for Label Studio: {where}", err=True)
            with suppress(KeyboardInterrupt):
                server.serve_forever()


@label_studio.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--oracle", default="", help="Whose questions, where several ask people.")
@click.option("--every", type=click.FloatRange(min=0.5), default=5.0, show_default=True)
@click.option("--once", is_flag=True, help="Look once, and end.")
@click.option("--port", type=click.IntRange(0, 65535), help="Take answers by webhook, too.")
@URL
@sentences
def ask(run: Path, url: str, oracle: str, every: float, once: bool, port: int | None) -> None:
    """Send what a RUN asks people to Label Studio, and its answers back, until the run ends."""
    import os
    from contextlib import ExitStack, suppress

    from querist.campaign.asked import Questions
    from querist.integrations.label_studio.api import LabelStudio
    from querist.integrations.label_studio.asking import Asking, Step, follow
    from querist.integrations.label_studio.serving import KEY, serving

    def tell(done: Step) -> None:
        counts = ("answers", "declined", "sent", "withdrawn")
        said = [f"{getattr(done, name)} {name}" for name in counts if getattr(done, name)]
        if said or once:
            click.echo(", ".join(said) or "nothing new")
        for why in done.broken[:5]:
            click.echo(f"not used: {why}", err=True)

    with ExitStack() as stack:
        studio = stack.enter_context(LabelStudio(url))
        questions = Questions(run)

        def connect() -> Asking | None:
            found = Asking.connect(questions, studio, oracle)
            if found is not None and port is not None and not once:
                key = os.environ.get(KEY, "")
                address = stack.enter_context(serving(found, port, key))
                click.echo(f"answers are taken at {address}/webhook", err=True)
            return found

        def sleep() -> bool:
            if not once:
                time.sleep(every)
            return not once

        with suppress(KeyboardInterrupt):
            follow(connect, tell, sleep)


def _with(
    pool: Path, url: str, project: int | None, run: Callable[[Any], None], links: dict[str, str]
) -> None:
    from querist.integrations.label_studio.api import LabelStudio
    from querist.integrations.label_studio.exchange import Exchange
    from querist.pool.pool import Pool

    with Pool.open(pool) as opened, LabelStudio(url) as studio:
        run(Exchange.connect(opened, studio, project, links))


def _suggestions(pool: Any, ids: list[str], model: tuple[str, ...]) -> tuple[Any, str]:
    """By id what a model says, and the model's version."""
    from querist.cli.here import of_this_machine
    from querist.cli.values import model_of
    from querist.pool.suggested import kept
    from querist.pool.suggesting import suggest

    rows = {item.row: item.id for item in pool.items({"id": ids}, 0, max(1, len(ids)))}
    version, said = kept(pool.folder)
    if model:
        chosen = of_this_machine(model_of(model))
        version, said = " ".join(model), suggest(pool, chosen or {}, rows)
    return {rows[row]: one for row, one in said.items() if row in rows}, version or "querist"


def _ids(pool: Any, how: dict[str, Any]) -> list[str]:
    if how["where"]:
        return [item.id for item in pool.items(how["where"], limit=how["limit"])]
    from querist.cli.query_here import QueryHere

    return [str(one["id"]) for one in QueryHere(how["query"]).result()[: how["limit"]]]


def _link(text: str) -> tuple[str, str]:
    before, equals, after = text.partition("=")
    if not (before and equals):
        raise ConfigError(f"A link is BEFORE=AFTER, got {text!r}.")
    return before, after
