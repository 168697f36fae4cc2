"""Labels of an earlier run, or from a file, for a surrogate to begin with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from querist.campaign.labels import LabelReader
from querist.campaign.starting import imported_facts
from querist.core.answers import Dataset, Purpose
from querist.core.batch import Array, Batch
from querist.core.errors import ConfigError
from querist.store.run_folder import RunFolder
from querist.surrogate.record import Entry

Labels = Dataset | Path | str


def entries(labels: Labels) -> list[Entry]:
    """The facts of labels to learn from; whatever they were for, none of them ever judges a model.

    Args:
        labels: A dataset, the folder of a run (a campaign, a study or a surrogate), or a file that
            :func:`querist.sources.formats.read` reads.

    Raises:
        ConfigError: If there are none.
    """
    data, origin = _read(labels)
    if not len(data):
        raise ConfigError(f"labels: there are none in {origin}.")
    data = replace(data, purposes=(Purpose.TRAIN.value,) * len(data))
    return [Entry(fact.kind, fact.data, fact.arrays) for fact in imported_facts(data, origin)]


def _read(labels: Labels) -> tuple[Dataset, str]:
    if isinstance(labels, Dataset):
        return labels, "a dataset"
    path = Path(labels)
    if (path / "manifest.json").exists():
        return LabelReader(RunFolder(path).journal).all(), path.name
    if not path.exists():
        raise ConfigError(f"labels: {path} does not exist.")
    from querist.sources.formats import read

    return read(path), path.name


def fitting(
    parts: tuple[Batch, Batch], inputs: Mapping[str, Array], outputs: Mapping[str, Array]
) -> Iterator[tuple[dict[str, Array], dict[str, Array]]]:
    """Labels as the simulation would have given them; none where they are of another kind.

    Inputs have the same names. Of outputs those that the simulation gives are kept; where both have
    one only, it is the same one, whatever it is called.

    Args:
        parts: Inputs and outputs of labels.
        inputs: Of an answer of the simulation.
        outputs: Likewise.
    """
    given, said = parts
    if set(given.columns) != set(inputs):
        return
    names = {name: name for name in outputs}
    if len(outputs) == len(said.columns) == 1:
        names = dict(zip(outputs, said.columns, strict=True))
    if not set(names.values()) <= set(said.columns):
        return
    for row in range(len(given)):
        found = said.arrays(row)
        yield dict(given.arrays(row)), {name: found[old] for name, old in names.items()}
