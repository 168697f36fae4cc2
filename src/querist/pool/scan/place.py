"""What a worker of a scan works with; opened when it is first needed."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from querist import __version__
from querist.core.errors import ConfigError, QueristError, RoleFailed
from querist.core.roles import WorkerContext
from querist.models.backends.cuda import is_gpu, pinned
from querist.models.code import sources_of
from querist.models.inference import Inference, open_inference
from querist.models.loaders.head import HeadInference, open_head
from querist.pool.choosing import choose_model
from querist.pool.guessing import guess_transform, left_out, require_learned_on
from querist.pool.model_servers import connector
from querist.pool.pool import Pool
from querist.pool.query_listing import needs_in
from querist.pool.query_needs import Needs, check_provided
from querist.pool.query_settings import QuerySettings, parse_query
from querist.pool.scan.caching import FOLDER, Caches
from querist.pool.scan.decoding import Apart, Here, Memory
from querist.sources.opening import Sources
from querist.sources.retrying import Retry
from querist.sources.transforms.contract import Transform
from querist.sources.transforms.opening import open_transform
from querist.store.errors import StoreError
from querist.store.files import atomic_write
from querist.store.pages import by_digest
from querist.store.run_folder import RunFolder
from querist.strategies.contract import Strategy
from querist.strategies.registry import get

MOST = 16  # processes that decode for a GPU, where nobody says how many

EMBEDDINGS = frozenset({"embeddings"})
_KNOWN = "models.json"
_MODEL = "model.digest"  # in a query's folder: what it began with
_LASTING = ("torch", "onnx", "sklearn")  # files and source tell what they are


class About(NamedTuple):
    """What is known of a model without running it."""

    digest: str
    provides: frozenset[str]
    classes: tuple[str, ...]


class Decoders(NamedTuple):
    """What decodes, one for each thread.

    Attributes:
        lasting: All the while.
        first: Here, while processes start.
    """

    lasting: list[Here] | list[Apart]
    first: list[Here]

    @property
    def all(self) -> list[Here | Apart]:
        """All of them."""
        return [*self.lasting, *self.first]


class Place:
    """What a worker works with.

    Args:
        folder: Of the query.
        context: The worker's.
        model: An opened model, in place of that of the settings.
    """

    def __init__(self, folder: Path, context: WorkerContext, model: Inference | None) -> None:
        self.run, self._context = RunFolder(folder), context
        self.settings: QuerySettings = parse_query(self.run.config()["settings"])
        self.pool = Pool.open(self.run.path.parent.parent)
        self._given = model
        self._opened: Inference | None = model
        self._lock = threading.Lock()
        self._told_same = False

    @cached_property
    def sources(self) -> Sources:
        """What reads."""
        retry = Retry(tries=self.settings.scan.retries + 1)
        told = self.pool.settings
        return Sources(told.access.policy(), told.sources, retry)

    def decoders(self) -> Decoders:
        """What decodes: here, or in processes beside this one."""
        scan, told = self.settings.scan, self.pool.settings
        count = scan.processes
        if count is None:  # a GPU is quicker than what one process decodes
            count = processes_beside(self.threads) if is_gpu(self.device) else 0
        threads = max(1, min(2, self.threads)) if scan.decoders is None else scan.decoders
        here = [Here(self._fetch, self.transform) for _ in range(threads)]
        if not count:
            return Decoders(here, [])
        retry = Retry(tries=scan.retries + 1)
        opened = told.access.policy(), told.sources, retry, self.transform
        return Decoders([Apart(opened, self.memory) for _ in range(count)], here)

    @cached_property
    def memory(self) -> Memory:
        """Where decoded items lie that come from a cache or another process."""
        return Memory(self._fresh)

    def _fresh(self, size: int) -> NDArray[np.uint8]:
        """So many bytes, such as the model's device copies best."""
        info = getattr(self._opened, "info", None)  # what a caller gave may have none
        if info is not None and is_gpu(info.device) and info.backend == "torch":
            return pinned(size)
        return np.empty(size, np.uint8)

    def _fetch(self, uri: str) -> tuple[bytes, str]:
        return self.sources.fetch(uri)

    @cached_property
    def transform(self) -> Transform:
        """How items are decoded: as the pool says, unless the model has its own way."""
        own = getattr(self._given, "transform", None)
        return own if isinstance(own, Transform) else open_transform(guess_transform(self.pool))

    @property
    def notes(self) -> list[str]:
        """What a person should know of how items are looked at."""
        return [*self.caches.notes, *self._left_out]

    @cached_property
    def _left_out(self) -> tuple[str, ...]:
        return left_out(self.pool, self.transform)

    @cached_property
    def caches(self) -> Caches:
        """What is kept for later queries."""
        scan = self.settings.scan
        folder = self.pool.folder / FOLDER
        return Caches(folder, self.transform.digest, scan.cache_mb << 20, scan.cache)

    @cached_property
    def strategy(self) -> Strategy:
        """What picks."""
        return get(self.settings.strategy)

    @cached_property
    def needs(self) -> Needs:
        """What is computed."""
        return needs_in(self.run.path, self.strategy)

    @property
    def threads(self) -> int:
        """That the model may use."""
        return self._context.threads

    @property
    def device(self) -> str:
        """Where the model runs: what the engine gave comes before what was asked for."""
        if self._given is not None:
            return str(getattr(getattr(self._given, "info", None), "device", "cpu"))
        given = self._context.device
        return given if given != "cpu" else self.settings.engine.device or "cpu"

    @property
    def model(self) -> Inference:
        """The model, opened.

        Raises:
            RoleFailed: If it cannot be opened, or does not give what is needed.
        """
        with self._lock:
            if self._opened is None:
                self._opened = self._open()
            return self._opened

    @cached_property
    def head(self) -> HeadInference | None:
        """The linear head, where the model is one: what is scanned and cached is its base.

        Raises:
            RoleFailed: If it cannot be read, or does not give what is needed.
        """
        if self._given is not None or self._settings.get("use") != "head":
            return None
        try:
            made = open_head(self._settings)
            require_learned_on(self._settings["base"], self.transform)
            check_provided(self.needs, made.provides, self.settings.strategy)
        except QueristError as error:
            raise RoleFailed(f"The model cannot be opened: {error}") from error
        return made

    def wanted(self, part: str) -> frozenset[str]:
        """What the scanned model is to give of a part of the scan."""
        return self.needs.scanned[part] if self.head is None else EMBEDDINGS

    def finished(self, part: str, outputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """What the strategy needs, of what the scanned model gave."""
        if self.head is None or not outputs:
            return dict(outputs)
        wanted = self.needs.scanned[part]
        return dict(self.head.of_embeddings(outputs["embeddings"], wanted))

    def digest_of(self, need: str) -> str:
        """Of the model that gives something: embeddings are those of a head's base."""
        if self.head is None or need == "embeddings":
            return self.about.digest
        return by_digest(self.about.digest, self.head.digest)

    @property
    def classes(self) -> tuple[str, ...]:
        """Of the model's probabilities, as far as it knows them."""
        return self.about.classes if self.head is None else self.head.classes

    def _open(self) -> Inference:
        if self._model_settings.get("use") == "live":
            raise RoleFailed(
                "This query was asked with a model that was a Python object. Run it with "
                "run_query(folder, model=...) and that object, on the engine 'inline'."
            )
        try:
            connect = connector(self.pool.settings.models)
            made = open_inference(self._model_settings, self.device, self.threads, connect)
        except (QueristError, ImportError) as error:
            raise RoleFailed(f"The model cannot be opened: {error}") from error
        self._check(made.provides)
        return made

    @property
    def _settings(self) -> Mapping[str, Any]:
        return choose_model(self.settings.model, self.transform.modality)

    @property
    def _model_settings(self) -> Mapping[str, Any]:
        """Of the model that is scanned: of a head its base, whose outputs outlive the head."""
        return self._settings if self.head is None else self._settings["base"]

    def _check(self, provides: frozenset[str]) -> None:
        if self.head is not None:
            if not provides >= EMBEDDINGS:
                raise RoleFailed("The base of a linear head should give embeddings; this does not.")
            return
        try:
            check_provided(self.needs, provides, self.settings.strategy)
        except ConfigError as error:
            raise RoleFailed(str(error)) from error

    @cached_property
    def _print(self) -> str | None:
        return None if self._given is not None else fingerprint(self._model_settings)

    @property
    def is_new(self) -> bool:
        """Whether this pool has never seen the model, so that no output of it can be kept."""
        return self._print is not None and self._known_already is None

    @property
    def _path(self) -> Path:
        return self.pool.folder / FOLDER / _KNOWN

    @cached_property
    def about(self) -> About:
        """What is known of the model; it is opened only where it is not known already."""
        known = self._known_already
        if known is not None:
            self._check(known.provides)
            return known
        if self._given is not None:
            self._check(self._given.provides)
        made = self.model
        found = About(made.digest, made.provides, made.classes)
        if self._print and self.settings.scan.cache:
            beside = {str(file): _stamp(file) for file in getattr(made, "beside", ())}
            _note(self._path, self._print, found, beside)
        return found

    @property
    def _known_already(self) -> About | None:
        return _noted(self._path, self._print) if self._print else None

    def require_same_model(self, part: str) -> None:
        """See that the model is the one that the query began with; the first scan notes which.

        What two models said of items cannot be compared. A server's model is told by what it
        answers, which may differ in the last digit, so it is taken on trust.

        Raises:
            RoleFailed: If it is another one.
        """
        if self._given is not None or self._told_same or not self.wanted(part):
            return
        if self._model_settings.get("use") != "remote":
            digest = by_digest(self.transform.digest, self.digest_of("scores"))
            _require_same(self.run.path / _MODEL, digest)
        self._told_same = True

    def close(self) -> None:
        """Close what was opened here."""
        if "sources" in self.__dict__:
            self.sources.close()
        if self._opened is not None and self._given is None:
            self._opened.close()
        self.pool.close()


def processes_beside(threads: int) -> int:
    """How many processes decode for a GPU on so many processors; none where one would be alone.

    One processor is for who infers, and one for who keeps the books.
    """
    spare = threads - 2
    return min(spare, MOST) if spare > 1 else 0


def _require_same(file: Path, digest: str) -> None:
    try:
        begun_with = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        with suppress(StoreError):  # a full disk ends the query elsewhere
            atomic_write(file, digest.encode())
        return
    if begun_with != digest:
        raise RoleFailed(
            "The model, or what it is shown of items, has changed since this query began, and what "
            "two models say cannot be compared. Put the former one back, or begin a new query."
        )


def known_about(folder: Path, settings: Mapping[str, Any]) -> About | None:
    """What the caches in ``POOL/cache`` know of a model, so that it need not be opened."""
    mark = fingerprint(settings)
    return _noted(folder / _KNOWN, mark) if mark else None


def fingerprint(settings: Mapping[str, Any]) -> str | None:
    """Of a model's settings, its files and its builder's code; None where these do not tell."""
    if settings.get("use") not in _LASTING:
        return None
    told = [__version__, json.dumps(settings, sort_keys=True, default=str)]
    for text in _texts(settings):
        told += [f"{text}:{stamp}" for stamp in [_stamp(Path(text))] if stamp]
        module, colon, _ = text.partition(":")
        if colon and module.replace(".", "").isidentifier():
            told += [part.decode() for part in sources_of(module)]
    return by_digest(*told)


def _stamp(file: Path) -> str:
    """What changes with a file; when its inode changed nobody can set. "" where it is not there."""
    try:
        found = file.stat()
    except (OSError, ValueError):
        return ""
    return f"{found.st_size}:{found.st_mtime_ns}:{found.st_ctime_ns}:{found.st_ino}"


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, (str, Path)):
        yield str(value)


def _noted(path: Path, mark: str) -> About | None:
    """What is noted of a model, while the files that it said to be made of are the same."""
    known = _known(path).get(mark)
    if known is None or any(_stamp(Path(f)) != was for f, was in known.get("beside", {}).items()):
        return None
    return About(known["digest"], frozenset(known["provides"]), tuple(known["classes"]))


def _known(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _note(path: Path, fingerprint: str, about: About, beside: Mapping[str, str]) -> None:
    told = _known(path)
    told[fingerprint] = {
        "digest": about.digest,
        "provides": sorted(about.provides),
        "classes": list(about.classes),
        "beside": dict(beside),
    }
    try:
        path.parent.mkdir(exist_ok=True)
        atomic_write(path, json.dumps(told).encode(), sync=False)
    except (OSError, StoreError):
        return  # the model is opened again next time
