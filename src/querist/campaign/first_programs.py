"""What a first program may give: short names, functions, estimators, and arrays of candidates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from querist.core.batch import Batch
from querist.generators.candidates import Candidates
from querist.models.given import as_model
from querist.oracles.function import FunctionOracle


def full_names(values: Mapping[str, Any]) -> dict[str, Any]:
    """The short names of a first program, and roles in place of what stands for them."""
    named = dict(values)
    for short, long in (("generator", "generators"), ("oracle", "oracles")):
        if short in named:
            named[long] = named.pop(short)
    if "generators" in named:
        named["generators"] = _explored(named["generators"])
    if "model" in named:
        named["model"] = as_model(named["model"])
    if "output" in named:
        named["gate"] = {**(named.get("gate") or {}), "output": named.pop("output")}
    oracles, gate = named.get("oracles"), named.get("gate")
    if oracles is not None and isinstance(gate, Mapping):
        several = isinstance(oracles, Mapping) and not {"use", "live"} & set(oracles)
        given = oracles if several else {"oracle": oracles}
        named["oracles"] = {name: _asked(one, gate.get("output")) for name, one in given.items()}
    return named


def _explored(generators: Any) -> Any:
    """Candidates where an array, a batch or a data frame was given."""
    is_frame = hasattr(generators, "columns") and hasattr(generators, "shape")
    given = is_frame or isinstance(generators, np.ndarray | Batch)
    return Candidates(generators) if given else generators


def _asked(oracle: Any, output: Any) -> Any:
    """An oracle where a function was given: bare, as ``live``, or as that of ``use: function``."""
    if isinstance(oracle, Mapping):
        told, options = dict(oracle), oracle.get("options") or {}
        is_known = set(options) <= {one.name for one in fields(FunctionOracle) if one.init}
        if told.get("use") == "function" and callable(options.get("function")) and is_known:
            del told["use"], told["options"]
            told["live"] = FunctionOracle(**options)
        if told.get("live") is not None:
            told["live"] = _asked(told["live"], output)
        return told
    if callable(oracle) and not hasattr(oracle, "answer"):
        return FunctionOracle(oracle, outputs=output)
    return oracle
