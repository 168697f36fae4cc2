"""A pool: many items by URI or inline, their labels, and what is asked of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.tasks import resolve
from querist.pool import contents, labelling, lookup, rounds_seen
from querist.pool.adding import Adder, Progress
from querist.pool.database import FILE, Database
from querist.pool.drift import Drift, measure
from querist.pool.errors import PoolExists
from querist.pool.estimate import Estimate, estimate
from querist.pool.exported import remember
from querist.pool.exporting import Exported, records_of, write
from querist.pool.forgetting import Erased, Eraser
from querist.pool.given import Uris, ids_in, ids_of, uris_of
from querist.pool.image_sizes import Sizer
from querist.pool.index import PAGE, Index, ItemPage
from querist.pool.items import Added, Event, Item, Labelled, Located
from querist.pool.label_issues import LabelIssue, issues_of
from querist.pool.label_values import understood
from querist.pool.manifests.file import options_of
from querist.pool.manifests.registry import Target, format_of_path
from querist.pool.query_result import QueryResult
from querist.pool.query_settings import QuerySettings
from querist.pool.query_status import Progress as QueryProgress
from querist.pool.records import Items, records_in
from querist.pool.roots import as_folder, relocate
from querist.pool.rounds_status import RoundsStatus
from querist.pool.settings import PoolSettings, parse_settings, read_settings, write_settings
from querist.pool.where import Where
from querist.sources.opening import Sources
from querist.sources.secrets import refuse_password, refuse_plain

LISTING = "listing"


class Pool:
    """Items and labels in a folder; several processes and threads may use it at once.

    Make one with :meth:`create`, open one with :meth:`open`.

    Attributes:
        folder: Where it is.
        settings: What it was made with.

    Example:
        >>> pool = Pool.create("reviews", {"transform": {"modality": "text"}})
        >>> pool.add_items(["a delight", "a bore"]).new
        2
        >>> [pick.rank for pick in pool.query(budget=1).picks]
        [0]
    """

    def __init__(self, folder: Path, settings: PoolSettings, database: Database) -> None:
        self.folder, self.settings, self._database = folder, settings, database
        self._index = Index(database, settings.name or folder.name)
        self._sources: Sources | None = None

    @classmethod
    def create(
        cls,
        folder: Path | str,
        settings: PoolSettings | Mapping[str, Any] | None = None,
        keep_secrets: bool = False,
    ) -> Pool:
        """Make a pool in a folder that is new or empty.

        Args:
            folder: Where.
            settings: What it is for; secrets of sources by the name of an environment variable.
            keep_secrets: Keep secrets in plain text, in a folder that nobody else can read.

        Raises:
            PoolExists: If there is something else already.
            ConfigError: If the settings cannot be used.
        """
        path = Path(folder).absolute()
        chosen = parse_settings({} if settings is None else settings, "The pool's settings")
        if not keep_secrets:
            refuse_plain(chosen.sources)
        try:
            path.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise PoolExists(f"{path} is a file. Name a new folder.") from None
        # What a killed create left is finished: pool.json is written last.
        if any(p.name != FILE and not p.name.startswith(f".{FILE}") for p in path.iterdir()):
            raise PoolExists(f"{path} is not empty. Name a new folder, or open the pool there.")
        try:
            database = Database.create(path / FILE)
        except FileExistsError:
            database = Database(path / FILE)
        write_settings(path, chosen)
        return cls(path, chosen, database)

    @classmethod
    def open(cls, folder: Path | str) -> Pool:
        """Open a pool.

        Raises:
            NotAPool: If the folder is not that of a pool.
            NewerPool: If a later version of Querist wrote it.
            ConfigError: If its settings cannot be used.
        """
        path = Path(folder).absolute()
        return cls(path, read_settings(path), Database(path / FILE))

    @property
    def name(self) -> str:
        """Its name, or its folder's."""
        return self.settings.name or self.folder.name

    @property
    def sources(self) -> Sources:
        """What reads its items, within its access policy."""
        if self._sources is None:
            self._sources = Sources(self.settings.access.policy(), self.settings.sources)
        return self._sources

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names: fixed by the settings, or as learned from labels so far."""
        fixed = self.settings.classes
        return self._index.classes() if fixed is None else fixed

    def add(
        self,
        *uris: Uris,
        progress: Progress | None = None,
        format: str = "",
        manifest: Mapping[str, Any] | None = None,
        only_new: bool = False,
        broken_share: float = 0.5,
    ) -> Added:
        """Add folders, prefixes, patterns, single URIs and manifests; may be repeated.

        Each batch of some thousand items is one transaction, so that an ``add`` that was
        interrupted leaves a pool that goes on, and a repeated one begins where the listing stopped.

        Args:
            uris: What to add, also as lists.
            progress: Told the counts after each batch.
            format: Of manifests; "" tells it from names and contents, "listing" takes all as
                folders and items.
            manifest: How manifests are read; see :class:`~querist.pool.manifests.file.Options`.
            only_new: List only what comes after the last item of the last listing: cheap where
                names of new items are later ones, as those of dates are; changes are not seen.
            broken_share: The share of broken entries above which it stops.

        Raises:
            TooManyBroken: If more is broken; what was added stays.
            SourceError: If something cannot be listed.
            ConfigError: If a manifest is not of its format.
        """
        adder, options = self._adder(broken_share, progress), options_of(manifest)
        for uri in uris_of(uris):
            refuse_password(uri)
            kind = format or adder.detect(uri) or LISTING
            if kind == LISTING:
                adder.listing(uri, only_new)
            else:
                adder.manifest(uri, kind, options)
        return adder.added

    def relocate(self, before: str | Path, after: str | Path) -> None:
        """Tell that a folder or prefix that was added is elsewhere now; ids stay.

        ``add`` notices by itself that a local folder moved, where its files are as they were.

        Raises:
            PoolError: If nothing was added from ``before``, or something from ``after``.
        """
        with self._database.writing() as connection:
            relocate(connection, as_folder(str(before)), as_folder(str(after)))

    def import_labels(
        self,
        uri: str | Path,
        format: str = "",
        manifest: Mapping[str, Any] | None = None,
        broken_share: float = 0.5,
        only: Iterable[str] | None = None,
    ) -> Added:
        """Take labels from a manifest for items that the pool has, by id, URI or inline data.

        Args:
            uri: The manifest.
            format: Its format; "" tells it from its name and content.
            manifest: How it is read; see :class:`~querist.pool.manifests.file.Options`.
            broken_share: The share of broken entries above which it stops.
            only: Ids of the items that labels are taken for; records of all others are passed over.

        Returns:
            Counts; records of items that the pool does not have are broken.

        Raises:
            TooManyBroken: If more is broken; what was taken stays.
            ConfigError: If it is not of its format.
        """
        adder = self._adder(broken_share, None)
        adder.only_labels(None if only is None else self._rows_of(only))
        adder.manifest(str(uri), format or adder.detect(str(uri)), options_of(manifest))
        return adder.added

    def _rows_of(self, ids: Iterable[str]) -> frozenset[int]:
        with self._database.reading() as connection:
            return frozenset(lookup.rows_of(connection, self.name, ids).values())

    def export(self, path: str | Path, format: str = "", where: Where = "all") -> Exported:
        """Write items and labels as a manifest: whole, or not at all.

        Args:
            path: Where; what is there is replaced.
            format: Its name; "" tells it from the path's.
            where: Which items.

        Raises:
            ConfigError: For a format that is unknown or cannot hold such labels.
            StoreFull, StoreFailed: If it cannot be written.
        """
        path = Path(path).absolute()
        if path.resolve().is_relative_to(self.folder.resolve()):
            raise PoolExists(f"{path} is in the pool's own folder; export to another.")
        name = format or format_of_path(path)
        sized = Sizer(name if self.settings.task == "detection" else "", self.sources)
        modality = str(self.settings.transform.get("modality", "image"))
        records = partial(records_of, self._index, where, sized)
        target = Target(path, records, self.settings.task, self.classes, modality)
        exported = write(target, name)
        remember(self._database, path, name, target)
        return exported

    def forget(self, *ids: str | Iterable[str], copies: bool = False) -> Erased:
        """Erase items and all that was made of them; only their ids stay, and keep them out.

        Erased are metadata, labels, inline data, caches, features and our own exports; the item's
        own file is not ours. It takes a second or two a million items.

        Args:
            ids: The items.
            copies: Whether other items of the same content go too.

        Raises:
            UnknownItem: For an id that there never was; nothing is erased then.
        """
        eraser = Eraser(self.folder, self._database, self.name, self.settings.task)
        return eraser.forget(ids_in(ids), copies)

    def estimate(self, settings: QuerySettings | Mapping[str, Any]) -> Estimate:
        """What a query of these settings would cost; a few items are read to measure.

        Raises:
            ConfigError: If the settings cannot be used.
        """
        return estimate(self._database, self._index, self.sources, settings)

    def remember_round(
        self, name: str, rows: NDArray[np.int64], values: NDArray[Any], of: str = ""
    ) -> None:
        """Keep a sample of what a round saw, for :meth:`drift`; queries do so by themselves.

        Args:
            name: Of the round; an earlier sample of this name is replaced.
            rows: ``(n,)``, of the items.
            values: ``(n, d)`` embeddings, or ``(n,)`` scores.
            of: What the values are: only rounds of the same are compared.
        """
        rounds_seen.remember(self.folder, name, rows, values, of)

    def drift(self, before: str = "", after: str = "", seed: int = 0) -> Drift:
        """Test whether what one round saw differs from what an earlier one did.

        Args:
            before: The earlier round (the id of a query); "" for the first that saw the same kind
                of values as the later.
            after: The later; "" for the last.
            seed: Of the permutations.

        Raises:
            PoolError: If no such rounds were remembered.
            ShapeError: If their values are of different widths.
        """
        one, two = rounds_seen.pair(self.folder, before, after)
        return measure(one.values, two.values, np.random.default_rng(seed))

    def label_issues(
        self, rows: NDArray[np.int64], probabilities: NDArray[Any]
    ) -> list[LabelIssue]:
        """Labels that are probably wrong, the worst first; see :func:`.label_issues.find_issues`.

        Args:
            rows: ``(n,)``, of items.
            probabilities: ``(n, C)`` for the pool's classes, by a model that has not learned from
                the labels that it judges.
        """
        return issues_of(self.fetch(rows), rows, probabilities, self.classes)

    def add_items(
        self, items: Items, progress: Progress | None = None, broken_share: float = 0.5
    ) -> Added:
        """Add items from Python: texts, mappings, or the rows of a data frame.

        A mapping has one of ``uri``, ``text`` and ``table`` (a row: names to values), and where
        wanted ``id``, ``metadata``, ``group``, ``label`` and ``by``, who labelled it. Columns of a
        frame (pandas, polars, Arrow, Hugging Face) mean what those of a CSV file do.

        Raises:
            TooManyBroken: If more than ``broken_share`` is broken; what was added stays.
        """
        adder = self._adder(broken_share, progress)
        adder.values(records_in(items, self.settings.task))
        return adder.added

    def _adder(self, broken_share: float, progress: Progress | None) -> Adder:
        return Adder(self._database, self.settings, self.sources, broken_share, progress)

    def __len__(self) -> int:
        return self._index.count("all")

    def __repr__(self) -> str:
        return f"<Pool {self.name!r} in {self.folder}>"

    def count(self, where: Where = "all") -> int:
        """How many items there are."""
        return self._index.count(where)

    def counts(self) -> dict[str, int]:
        """How many items are in each state."""
        return self._index.counts()

    def item(self, id: str) -> Item:
        """One item.

        Raises:
            UnknownItem: If there is none of this id; Forgotten if there was.
        """
        return self._index.item(id)

    def items(self, where: Where = "all", after: int = 0, limit: int = 1000) -> list[Item]:
        """A page of items, by row.

        Args:
            where: Which; see :mod:`querist.pool.where`.
            after: The row of the last item of the page before.
            limit: At most so many.
        """
        return self._index.items(where, after, limit)

    def page(
        self, where: Where = "all", after: int = 0, limit: int = 1000, max_bytes: int = 1 << 23
    ) -> ItemPage:
        """A page of :meth:`items`, ended early where texts, tables' rows and labels fill it."""
        return self._index.page(where, after, limit, max_bytes)

    def rows(self, where: Where = "all", page: int = PAGE) -> Iterator[NDArray[np.int64]]:
        """The rows of items, in order, as arrays of at most ``page``; never all in memory.

        No lock is held between pages: items that are added meanwhile come too.
        """
        return self._index.rows(where, page)

    def fetch(self, rows: Iterable[int] | NDArray[np.int64]) -> list[Item]:
        """Items by row, in that order; rows that are no longer there are left out."""
        return self._index.fetch(rows)

    def located(self, rows: NDArray[np.int64]) -> list[Located]:
        """What it takes to read and to name items, in no order; quicker than :meth:`fetch`."""
        return self._index.located(rows)

    def contents_of(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """``(n, 16)`` digests by row, ascending; zeros but for what was read as last listed."""
        return contents.known(self._database, rows)

    def label(self, labels: Mapping[str, Any], by: str = "", decides: bool = False) -> int:
        """Record labels; all or none.

        Args:
            labels: By id. ``[]`` says: reviewed, and nothing is to be found.
            by: The annotator. What annotators say is kept apart; what holds of it is settled by
                the pool's ``agreement``.
            decides: Whether these hold, whatever annotators say, until they are withdrawn.

        Returns:
            How many were recorded: what an annotator repeats is not.

        Raises:
            UnknownItem: For an id that there is not.
            BadLabel: For a value that is no label of the pool's task, or an unknown class.
        """
        values, names = understood(self.settings.task, self.settings.classes, labels)
        kind = labelling.DECIDE if decides else labelling.LABEL
        return self._say(values, by, kind, names)

    def skip(self, ids: str | Iterable[str], by: str = "", reason: str = "") -> int:
        """Record that an annotator could not label items: they are not asked for again."""
        return self._say(dict.fromkeys(ids_of(ids), reason), by, labelling.SKIP)

    def unlabel(self, ids: str | Iterable[str], by: str = "") -> int:
        """Withdraw what an annotator said of items; the record of it stays."""
        return self._say(dict.fromkeys(ids_of(ids)), by, labelling.WITHDRAW)

    def _say(self, values: Mapping[str, Any], by: str, kind: int, names: Iterable[str] = ()) -> int:
        with self._database.writing() as connection:
            rows = lookup.rows_of(connection, self.name, values)
            said = [labelling.statement(rows[id], by, kind, value) for id, value in values.items()]
            if self.settings.classes is None:
                labelling.learn(connection, names)
            return labelling.record(connection, said, self.settings.agreement)

    def labels(self, where: Where = "labelled", page: int = 10_000) -> Iterator[Labelled]:
        """The labels that hold, by row; read in pages."""
        for rows in self.rows(where, page):
            for item in self.fetch(rows):
                if item.label is not None:
                    yield Labelled(item.row, item.id, item.label)

    def history(self, id: str) -> list[Event]:
        """All that was ever said of an item.

        Raises:
            UnknownItem: If there is none of this id.
        """
        return self._index.history(id)

    def standing(self, rows: Iterable[int]) -> dict[int, labelling.Standing]:
        """By row and annotator what he said last of it (kind and JSON), the latest last."""
        return self._index.standing(rows)

    def note_contents(self, digests: Mapping[int, bytes]) -> contents.Noted:
        """Record digests of contents (16 bytes each) by row, as a scan finds them.

        Copies of earlier items become duplicates, and changed items are noticed.
        """
        with self._database.writing() as connection:
            return contents.note(connection, digests)

    def query(
        self,
        budget: float,
        *,
        model: Any = None,
        strategy: str | None = None,
        progress: QueryProgress | None = None,
        **settings: Any,
    ) -> QueryResult:
        """Pick the items worth a label.

        Its steps one by one, and how to go on after a stop: :mod:`querist.pool.query`.

        Args:
            budget: How many, or which share of the candidates.
            model: Settings, an estimator, torch module or function; None: built-in features.
            strategy: Its name; None for ``typiclust`` of features, ``margin`` of a classifier.
            progress: Called several times a second with how far it is.
            settings: Others of :class:`querist.pool.query_settings.QuerySettings`.

        Raises:
            ConfigError: If the settings cannot be used for this pool, or nothing is to be picked.
        """
        # By its path: what runs queries opens pools, so this module cannot import it.
        ask = resolve("querist.pool.query:ask")
        asked = {"budget": budget, "strategy": strategy, **settings}
        result: QueryResult = ask(self, asked, model, progress)
        return result

    def rounds(self, id: str, **settings: Any) -> RoundsStatus:
        """Begin rounds, or go on with those of this id, as far as that is possible now.

        Args:
            id: Of the rounds.
            settings: Of :class:`~querist.pool.rounds_settings.RoundsSettings`; not needed again.

        Raises:
            ConfigError: If the settings cannot be used, or rounds that exist have others.
        """
        status: RoundsStatus = resolve("querist.pool.rounds:play")(self, id, settings)
        return status

    def _repr_html_(self) -> str:
        return str(resolve("querist.pool.showing:shown")(self))

    def close(self) -> None:
        """Close its files and connections; may be called twice."""
        self._database.close()
        if self._sources is not None:
            self._sources.close()

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
