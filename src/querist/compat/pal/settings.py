"""PAL's settings dictionary, ``AL_SETTING``: read, checked, and what each key means here."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from querist.campaign.nearest import suggest
from querist.core.errors import ConfigError

KERNELS = ("generator", "model", "oracle", "utils")
RENAMED = {"dynamic_orcale_list": "dynamic_oracle_list"}
NOT_NEEDED = (
    "orcl_time",
    "orcl_penalty_time",
    "orcl_buffer_path",
    "ml_buffer_path",
    "fixed_size_data",
    "designate_task_number",
    "task_per_node",
)
"""Keys that tune PAL's messages and files; they are accepted and do nothing."""

COUNTS = ("pred_process", "orcl_process", "gene_process", "ml_process", "retrain_size")
FIRST_RANK = 2  # PAL's ranks 0 and 1 are its exchange and manager


@dataclass(frozen=True, slots=True)
class PalSettings:
    """What is used of ``AL_SETTING``.

    Attributes:
        usr_pkg: Absolute path of each of :data:`KERNELS`.
        result_dir: Given to the user's classes as it is.
        pred_process, ml_process: Committee members; equal.
        gene_process: Generators.
        orcl_process: Oracle workers.
        retrain_size: New labels after which models are retrained.
        progress_save_interval: Seconds between two ``save_progress`` of a generator.
        dynamic_oracle_list: Whether ``adjust_input_for_oracle`` is used.
        gpu_pred, gpu_ml: ``i_device`` of each member; -1 when empty.
    """

    usr_pkg: Mapping[str, str]
    result_dir: str
    pred_process: int
    ml_process: int
    gene_process: int
    orcl_process: int
    retrain_size: int
    progress_save_interval: float = 60.0
    dynamic_oracle_list: bool = False
    gpu_pred: tuple[int, ...] = field(default=())
    gpu_ml: tuple[int, ...] = field(default=())

    @classmethod
    def read(cls, settings: Mapping[str, Any], package: Path | None = None) -> PalSettings:
        """From PAL's dictionary.

        Args:
            settings: ``AL_SETTING``.
            package: Folder with generator.py, model.py, oracle.py and utils.py, in place of
                ``usr_pkg``.

        Raises:
            ConfigError: With every problem found.
        """
        named = {RENAMED.get(key, key): value for key, value in settings.items()}
        if package is not None:
            named["usr_pkg"] = {name: str(package / f"{name}.py") for name in KERNELS}
        found = [*_unknown(settings), *_missing(named)]
        if not found:
            found = [*_values(named), *_sense(named), *_files(named["usr_pkg"])]
        if found:
            raise ConfigError("the PAL settings cannot be used:", tuple(found))
        return cls.of({name: named[name] for name in _names() if name in named})

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> PalSettings:
        """From what :meth:`plain` gave (sound already)."""
        values = dict(plain)
        values["usr_pkg"] = {n: str(Path(values["usr_pkg"][n]).resolve()) for n in KERNELS}
        for name in ("gpu_pred", "gpu_ml"):
            values[name] = tuple(values.get(name) or ())
        return cls(**values)

    def plain(self) -> dict[str, Any]:
        """As a JSON-able mapping."""
        return {**dataclasses.asdict(self), "gpu_pred": [*self.gpu_pred], "gpu_ml": [*self.gpu_ml]}

    @property
    def members(self) -> int:
        """Size of the committee."""
        return self.ml_process

    def rank(self, kernel: str, index: int) -> int:
        """The rank that PAL gives to the ``index``-th process of "pred", "gene", "orcl", "ml".

        It is the one without ``designate_task_number``: kernels follow one another from rank 2.
        """
        order = ("pred", "gene", "orcl", "ml")
        counts = (self.pred_process, self.gene_process, self.orcl_process, self.ml_process)
        return FIRST_RANK + sum(counts[: order.index(kernel)]) + index

    def device(self, mode: str, member: int) -> int:
        """``i_device`` of a member in the mode "predict" or "train"."""
        devices = self.gpu_pred if mode == "predict" else self.gpu_ml
        return devices[member] if devices else -1


def _names() -> list[str]:
    return [known.name for known in dataclasses.fields(PalSettings)]


def _unknown(settings: Mapping[str, Any]) -> list[str]:
    known = [*_names(), *RENAMED, *NOT_NEEDED]
    odd = [key for key in settings if key not in known]
    return [f"{key}: PAL has no such setting.{suggest(str(key), known)}" for key in odd]


def _missing(named: Mapping[str, Any]) -> list[str]:
    wanted = ("usr_pkg", "result_dir", *COUNTS)
    return [f"{key}: is required but missing." for key in wanted if named.get(key) is None]


def _values(named: Mapping[str, Any]) -> list[str]:
    found = []
    for key in COUNTS:
        value = named[key]
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            found.append(f"{key}: should be a whole number of 1 or more, got {value!r}.")
    interval = named.get("progress_save_interval", 60.0)
    if not isinstance(interval, (int, float)) or interval < 0:
        found.append(f"progress_save_interval: should be seconds, got {interval!r}.")
    return found


def _sense(named: Mapping[str, Any]) -> list[str]:
    found = []
    if named["pred_process"] != named["ml_process"]:
        found.append(
            f"pred_process: is {named['pred_process']}, but ml_process is {named['ml_process']}; "
            "each trained member predicts, so they should be equal."
        )
    for key, count in (("gpu_pred", "pred_process"), ("gpu_ml", "ml_process")):
        devices = named.get(key)
        if devices and len(devices) != named[count]:
            found.append(f"{key}: has {len(devices)} devices for {count}: {named[count]}.")
    return found


def _files(usr_pkg: Any) -> list[str]:
    if not isinstance(usr_pkg, Mapping):
        return [f"usr_pkg: should be a mapping of {', '.join(KERNELS)} to files, got {usr_pkg!r}."]
    found = [f"usr_pkg.{name}: is missing." for name in KERNELS if name not in usr_pkg]
    found += [
        f"usr_pkg.{name}: there is no such kernel.{suggest(str(name), KERNELS)}"
        for name in usr_pkg
        if name not in KERNELS
    ]
    for name in KERNELS:
        if name in usr_pkg:
            found += _syntax(name, Path(usr_pkg[name]))
    return found


def _syntax(name: str, path: Path) -> list[str]:
    """A file that cannot be read or parsed is told at once, not by a worker."""
    if not path.is_file():
        return [f"usr_pkg.{name}: there is no file {path.resolve()}."]
    try:
        compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
    except SyntaxError as error:
        return [f"usr_pkg.{name}: {path}, line {error.lineno}: {error.msg}."]
    return []
