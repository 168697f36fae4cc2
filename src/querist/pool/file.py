"""``pool.yaml``: one file from data to picks, checked as a whole, with lines and nearest keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from querist.campaign.loading import importable, place_of
from querist.core.errors import ConfigError, QueristError
from querist.pool.model_places import beside
from querist.pool.query_settings import kind_alone
from querist.pool.settings import PoolSettings, Task, parse_settings
from querist.pool.yaml_lines import Located, Place, read_yaml
from querist.sources.nearest import nearest
from querist.sources.secrets import refuse_password, refuse_plain
from querist.sources.uris import scheme_of


class Section(BaseModel):
    """Base of all sections: unknown keys are errors, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _listed(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _used(value: Any) -> Any:
    return {"use": value} if isinstance(value, str) else value


def _share(value: Any) -> Any:
    """``25 %`` is a share; true and false, which YAML makes of yes and no, are no numbers."""
    if isinstance(value, bool):
        raise ValueError("should be a number of items, or a share such as 5 %")
    if isinstance(value, str) and value.strip().endswith("%"):
        try:
            share = float(value.strip().rstrip("%").strip().replace(",", ".")) / 100
        except ValueError:
            return value
        return share if 0 < share < 1 else value
    return value


def _text(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(f"is {value} in YAML; write the word in quotes, such as 'yes' or 'no'")
    return str(value) if isinstance(value, int | float) else value


ClassName = Annotated[str, BeforeValidator(_text)]
Places = Annotated[tuple[str, ...], BeforeValidator(_listed)]
Budget = Annotated[
    Annotated[int, Field(ge=1)] | Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)],
    BeforeValidator(_share),
]


class DataSection(Section):
    """What is to be labelled.

    Attributes:
        from_: Folders, patterns, manifests, s3:// and other URIs.
        modality: image, text, table or audio; None: told by the names of the first items.
        task: What a label is.
        classes: Names of the classes; None: learned from the labels.
        labels: Manifests with the labels that there are already.
        columns: Role (id, uri, text, label ...) -> column, in manifests whose names are others.
        transform: How an item is decoded: {size: 64} of images.
        sources: Options by URI scheme.
        access: What may be read.
    """

    from_: Places = Field(alias="from", min_length=1)
    modality: Literal["image", "text", "table", "audio"] | None = None
    task: Task = "classification"
    classes: tuple[ClassName, ...] | None = None
    labels: Places = ()
    columns: dict[str, str] = Field(default_factory=dict)
    transform: dict[str, Any] = Field(default_factory=dict)
    sources: dict[str, dict[str, Any]] = Field(default_factory=dict)
    access: dict[str, Any] = Field(default_factory=dict)


class StrategySection(Section):
    """How items are picked: a name that ``querist strategies`` lists, and its options."""

    use: str
    options: dict[str, Any] = Field(default_factory=dict)


class QuerySection(Section):
    """How the pool is scanned.

    Attributes:
        where: Which items are candidates.
        seed: Two queries with one seed pick the same.
        engine: "inline", "processes" or "mpi", or with options: {kind: processes, workers: 4}.
        scan: Sizes and limits of the scan.
    """

    where: str | dict[str, Any] = "unlabelled"
    seed: int = Field(default=0, ge=0)
    engine: Annotated[dict[str, Any], BeforeValidator(kind_alone)] = Field(default_factory=dict)
    scan: dict[str, Any] = Field(default_factory=dict)


def _count(value: Any) -> Any:
    return {"count": value} if isinstance(value, int) and not isinstance(value, bool) else value


class RoundsSection(Section):
    """Pick, label, train, and again with what was trained; ``budget`` items each time.

    Attributes:
        count: How many rounds.
        name: Several rounds of one pool are told apart by it.
        labels: Who labels: a file, or the URL of a service; None for people, who are waited for.
        trainer: "linear_head", "fine_tune", an import path, or with options.
        holdout: Items drawn at random that judge each model; 0 for none.
        start: Strategy while nothing is trained yet; None for the one that fits.
    """

    count: int = Field(ge=1)
    name: str = Field(default="main", pattern=r"^[\w.-]{1,40}$")
    labels: str | None = None
    trainer: Annotated[dict[str, Any] | None, BeforeValidator(_used)] = None
    holdout: int = Field(default=0, ge=0)
    start: str | None = None


class ServerSection(Section):
    """A service that does the work; the key comes from QUERIST_API_KEY, never from a file.

    Attributes:
        use: Its URL.
        insecure: Whether the key may travel over http:// to another machine.
    """

    use: str
    insecure: bool = False


class PoolFile(Section):
    """All of ``pool.yaml``.

    Attributes:
        name: Of the pool.
        folder: Where it is kept; None: a folder of its name beside the file.
        data: What is to be labelled.
        model: What predicts; None: built-in features.
        strategy: How items are picked; None: chosen by what the model gives.
        budget: Items to pick: a number, or a share.
        query: How the pool is scanned.
        rounds: Pick, label, train, and again; None picks once.
        server: A service; None: this machine does the work.
    """

    name: str = Field(default="pool", min_length=1, max_length=200)
    folder: str | None = None
    data: DataSection
    model: Annotated[dict[str, Any] | None, BeforeValidator(_used)] = None
    strategy: Annotated[StrategySection | None, BeforeValidator(_used)] = None
    budget: Budget
    query: QuerySection = QuerySection()
    rounds: Annotated[RoundsSection | None, BeforeValidator(_count)] = None
    server: Annotated[ServerSection | None, BeforeValidator(_used)] = None

    @field_validator("name", mode="before")
    @classmethod
    def _name(cls, value: Any) -> Any:
        return _text(value)

    def settings(self) -> PoolSettings:
        """Those of the pool.

        Raises:
            ConfigError: If they cannot be used.
        """
        data, transform = self.data, dict(self.data.transform)
        if data.modality is not None:
            transform["modality"] = data.modality
        return parse_settings(
            {
                "name": self.name,
                "task": data.task,
                "classes": data.classes,
                "transform": transform,
                "sources": data.sources,
                "access": data.access,
            },
            "data",
        )

    def asked(self) -> dict[str, Any]:
        """The query, in the words of a query's settings; what was left out is not there."""
        said = {"model": self.model, "budget": self.budget, **self.query.model_dump()}
        if self.strategy is not None:
            said |= {"strategy": self.strategy.use, "options": self.strategy.options}
        return {name: value for name, value in said.items() if value not in (None, {})}

    def rounds_asked(self) -> dict[str, Any]:
        """The rounds, in the words of their settings; what was left out is not there."""
        if self.rounds is None:
            return {}
        labels, asked = self.rounds.labels, self.asked()
        said = {name: asked.get(name) for name in ("model", "strategy", "options", "budget")}
        said |= {name: asked.get(name) for name in ("seed", "engine", "scan")}
        said |= {name: getattr(self.rounds, name) for name in ("trainer", "holdout", "start")}
        said["rounds"] = self.rounds.count
        if labels:
            said |= {"oracle": "service" if "://" in labels else "file", "labels": labels}
        return {name: value for name, value in said.items() if value not in (None, {}, 0)}


def load_pool_file(path: Path | str) -> PoolFile:
    """Read ``pool.yaml``; relative paths in it are relative to it, and modules beside it are found.

    Raises:
        ConfigError: With every problem found, each with its line.
    """
    path = Path(path)
    located = read_yaml(path)
    if not isinstance(located.value, Mapping):
        raise ConfigError(
            f"{path} should hold keys such as data and budget, got {located.value!r:.80}. "
            "A commented one is written by: querist init pool"
        )
    try:
        found = PoolFile.model_validate(located.value)
    except ValidationError as error:
        raise ConfigError(f"{path} cannot be used:", tuple(_problems(error, located))) from error
    deep = tuple(_deep_problems(found, located))
    if deep:
        raise ConfigError(f"{path} cannot be used:", deep)
    importable(path.absolute().parent)
    return _beside(found, path.absolute().parent)


_SECTIONS: Mapping[str, type[Section]] = {
    "data": DataSection,
    "strategy": StrategySection,
    "query": QuerySection,
    "rounds": RoundsSection,
    "server": ServerSection,
}


def _problems(error: ValidationError, located: Located) -> Iterator[str]:
    """One sentence a place; unions say the same thing several times."""
    said: dict[str, str] = {}
    for item in error.errors():
        place = place_of(item["loc"])
        said.setdefault(_where(place, located), _sentence(item, place))
    return (f"{where}: {sentence}" for where, sentence in said.items())


def _where(place: Place, located: Located) -> str:
    name = ".".join(str(part) for part in place)
    return f"line {located.line(place)}, {name}"


def _sentence(item: Any, place: Place) -> str:
    if item["type"] == "extra_forbidden":
        known = _known(place[:-1])
        hint = nearest(str(place[-1]), known) or f" Known: {', '.join(known)}."
        return f"unknown key.{hint}"
    if item["type"] == "missing":
        return "is required but missing."
    if place == ("budget",):
        return (
            "should be a number of items from 1 on, or a share above 0 and below 1 "
            f"(0.05 or 5 %), got {item['input']!r}."
        )
    message = item["msg"].removeprefix("Value error, ").replace("Input should be", "should be")
    got = "" if item["type"] == "value_error" else f", got {item['input']!r:.80}"
    return f"{message}{got}."


def _known(place: Place) -> list[str]:
    section = _SECTIONS.get(str(place[0]), PoolFile) if place else PoolFile
    return [field.alias or name for name, field in section.model_fields.items()]


def _deep_problems(found: PoolFile, located: Located) -> Iterator[str]:
    """What only the makers of things can tell: transforms, models, strategies, access."""
    from querist.pool.choosing import check_choice
    from querist.sources.transforms.opening import open_transform

    if found.data.modality is not None:
        transform = {**found.data.transform, "modality": found.data.modality}
        yield from _tried(("data", "transform"), located, lambda: open_transform(transform))
    yield from _tried(("data",), located, found.settings)
    yield from _tried(("data", "sources"), located, lambda: refuse_plain(found.data.sources))
    for uri in found.data.from_:
        yield from _tried(("data", "from"), located, lambda uri=uri: refuse_password(uri))
    at = ("strategy",) if found.strategy is not None else ("model",)
    if found.rounds is None:
        yield from _tried(at, located, lambda: check_choice(found.model, found.strategy))
    else:
        yield from _tried(("rounds",), located, lambda: _check_rounds(found))


def _check_rounds(found: PoolFile) -> None:
    """As at the start of the rounds."""
    from querist.models.inference_settings import parse
    from querist.pool.rounds import check_rounds
    from querist.pool.rounds_settings import parse_rounds

    if not isinstance(found.budget, int):
        raise ConfigError("with rounds, budget should be a number of items a round, not a share.")
    if found.query.where != "unlabelled":
        raise ConfigError("rounds pick of what is unlabelled; leave query.where out.")
    if found.model is not None:
        parse(found.model)
    check_rounds(parse_rounds(found.rounds_asked()), found.settings())


def _tried(place: Place, located: Located, make: Any) -> Iterator[str]:
    try:
        make()
    except QueristError as error:
        problems = getattr(error, "problems", ()) or (str(error),)
        for problem in problems:
            yield f"{_where(place, located)}: {problem}"


def _beside(found: PoolFile, folder: Path) -> PoolFile:
    """The same with absolute paths."""
    places = {name: _absolute(getattr(found.data, name), folder) for name in ("from_", "labels")}
    kept = str(folder / (found.folder or found.name))
    if found.rounds is not None and found.rounds.labels:
        (labels,) = _absolute((found.rounds.labels,), folder)
        found = found.model_copy(
            update={"rounds": found.rounds.model_copy(update={"labels": labels})}
        )
    data = found.data.model_copy(update=places)
    model = None if found.model is None else beside(found.model, folder)
    return found.model_copy(update={"data": data, "folder": kept, "model": model})


def _absolute(uris: tuple[str, ...], folder: Path) -> tuple[str, ...]:
    return tuple(str(folder / uri) if scheme_of(uri) == "" else uri for uri in uris)
