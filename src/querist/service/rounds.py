"""Rounds as the server sees them: what is asked of their jobs, and the models that come of them."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from querist.pool.pool import Pool
from querist.service.ids import UPLOAD
from querist.service.index.index import Index, Row, Taken, change, find, insert, now
from querist.service.problems import Refused
from querist.service.wire.jobs import JobState
from querist.service.workspace import Workspace
from querist.sources.source import SourceError

TRAINERS = ("linear_head", "fine_tune")
ORACLES = ("file", "service")
KIND = "safetensors"


def check_trainer(pool: Pool, trainer: Mapping[str, Any], model: Mapping[str, Any] | None) -> None:
    """Refuse a trainer that is not built in, or does not suit the pool; nothing is imported.

    Raises:
        Refused: With the reason.
        ConfigError: Likewise.
    """
    from querist.pool.rounds_settings import parse_rounds
    from querist.pool.rounds_training import check_trainer as check

    if trainer.get("use") not in TRAINERS:
        raise Refused("invalid", f"trainer.use should be one of {', '.join(TRAINERS)}.")
    if trainer["use"] == "fine_tune" and trainer.get("members", 1) != 1:
        raise Refused("invalid", "The server fine-tunes one module; leave 'members' out.")
    settings = {"rounds": 1, "budget": 1, "model": model, "trainer": dict(trainer)}
    check(parse_rounds(settings, "the round"), pool.settings)


def check_oracle(pool: Pool, oracle: Mapping[str, Any]) -> None:
    """Refuse an oracle that is none, or whose file the pool may not read.

    Raises:
        Refused: With the reason.
        ConfigError: Likewise.
    """
    from querist.pool.rounds_oracles import oracle_of
    from querist.pool.rounds_settings import parse_rounds

    if not oracle:
        return
    if set(oracle) != {"use", "labels"} or oracle["use"] not in ORACLES:
        names = " or ".join(f"'{name}'" for name in ORACLES)
        raise Refused("invalid", f"An oracle is {{'use': {names}, 'labels': its address}}.")
    labels = oracle["labels"]
    settings = {"rounds": 1, "budget": 1, "oracle": oracle["use"], "labels": labels}
    oracle_of(parse_rounds(settings, "the round"))
    if oracle["use"] == "file":
        try:
            pool.sources.stat(labels)
        except SourceError as error:
            raise Refused("invalid", f"The file of labels cannot be read: {error}") from None


def home_of(workspace: Workspace, tenant: str, pool: str, round: str) -> Path:
    """Where a round keeps what it trains."""
    return workspace.pool(tenant, pool) / "rounds" / round


def trained_model(job: str) -> str:
    """The id of the model that the job of a round trains."""
    return f"mod{job[3:]}"


def register(index: Index, workspace: Workspace, job: Row) -> None:
    """Make the model of a round that is done a model of its tenant's; may be repeated.

    It is done once: a model that its tenant removed does not come back.
    """
    learned = job["result"].get("round", {})
    if job["state"] != JobState.DONE or not learned.get("model") or learned.get("registered"):
        return
    model, upload, round = (f"{kind}{job['id'][3:]}" for kind in ("mod", "upl", "rnd"))
    with index.read() as connection:
        if find(connection, "models", id=model) is not None:
            return
    kept = workspace.upload(job["tenant"], upload, KIND)
    _copy(Path(learned["model"]["weights"]), kept)
    file = {"id": upload, "tenant": job["tenant"], "kind": KIND, "created": now()}
    with kept.open("rb") as opened:
        file["sha256"] = hashlib.file_digest(opened, "sha256").hexdigest()
    file["size"] = kept.stat().st_size
    made = {"id": model, "tenant": job["tenant"], "name": round, "created": now()}
    made["settings"] = _settings(job["asked"]["round"], learned["model"], f"{UPLOAD}{upload}")
    with suppress(Taken), index.write() as connection:  # another thread was quicker
        insert(connection, "uploads", file)
        insert(connection, "models", made)
        result = {**job["result"], "round": {**learned, "registered": True}}
        change(connection, "jobs", {"id": job["id"]}, result=result)


def _copy(file: Path, to: Path) -> None:
    try:
        os.link(file, to)
    except FileExistsError:
        return
    except OSError:  # a file system without links
        partial = to.with_name(f".{to.name}.{secrets.token_hex(6)}.tmp")
        shutil.copyfile(file, partial)
        partial.replace(to)


def _settings(asked: Mapping[str, Any], model: Mapping[str, Any], upload: str) -> dict[str, Any]:
    """Of the trained model, its files named as requests name them."""
    if model["use"] == "head":
        return {**model, "base": asked["registered"] or model["base"], "weights": upload}
    return {**asked["registered"], "classes": model.get("classes", []), "weights": upload}
