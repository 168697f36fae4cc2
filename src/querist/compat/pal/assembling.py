"""A campaign from PAL's settings and user package."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from querist.campaign.campaign import Campaign, RunResult
from querist.compat.pal.kernels import LABEL, STOPPED, load
from querist.compat.pal.model import FORMAT, SCORE
from querist.compat.pal.settings import PalSettings
from querist.core.errors import ConfigError
from querist.store.arrays import save_arrays

HERE = "querist.compat.pal"
ENDLESS = 10**12  # labels: a PAL run ends when its user's code says so
UNTRAINED = "querist-untrained.safetensors"


def load_settings(path: Path | str) -> dict[str, Any]:
    """``AL_SETTING`` of PAL's settings file, a Python module or JSON.

    Raises:
        ConfigError: If there is none.
    """
    path = Path(path).resolve()
    if not path.is_file():
        raise ConfigError(f"{path} does not exist; give PAL's settings file.")
    if path.suffix == ".json":
        import json

        return dict(json.loads(path.read_text(encoding="utf-8")))
    module = load(str(path))
    if not isinstance(getattr(module, "AL_SETTING", None), Mapping):
        raise ConfigError(f"{path} should define the dictionary AL_SETTING, but does not.")
    return dict(module.AL_SETTING)


def campaign(
    settings: Mapping[str, Any],
    package: Path | str | None = None,
    *,
    explorers: int = 1,
    retrain_seconds: float = 600.0,
    oracle: Mapping[str, Any] | None = None,
    **values: Any,
) -> Campaign:
    """A campaign that runs a PAL package unchanged, on any engine.

    Args:
        settings: PAL's ``AL_SETTING``.
        package: Folder with generator.py, model.py, oracle.py and utils.py; None takes
            ``usr_pkg`` of the settings, relative to the working directory as in PAL.
        explorers: Processes that generate and predict. PAL's generators are shared out over them;
            ``prediction_check`` sees those of one explorer together. 1 is PAL's meaning. With
            ``placement="split"`` in ``values`` there are none: each generator has a rank of its own
            and the members are spread over as many ranks as PAL's ``pred_process`` (engine "mpi").
        retrain_seconds: Longest ``retrain`` of one member when no new labels come (to be seen in
            ``req_data.Test()``). On the engine "inline" none can come meanwhile.
        oracle: Further settings of the oracle, such as ``{"timeout": 60}`` (seconds).
        values: Further settings of the campaign, such as ``budget``, ``engine`` or ``folder``.

    Raises:
        ConfigError: With every problem found; unknown settings with the nearest known one.
    """
    found = PalSettings.read(settings, None if package is None else Path(package))
    if not 1 <= explorers <= found.gene_process:
        raise ConfigError(
            f"explorers should be from 1 to gene_process ({found.gene_process}), got {explorers}."
        )
    apart = _apart(found, values.pop("placement", "colocated"))
    roles = _roles(found, found.gene_process if apart else explorers, retrain_seconds)
    if apart:
        roles |= {"explorers": 1, "placement": apart}
    roles["oracles"] = {"oracle": {**roles.pop("oracle"), **(oracle or {})}}
    return Campaign(**{**roles, **_defaults(found), **values})


def ended_as_asked(result: RunResult) -> bool:
    """Whether the user's code ended the run, which is how a PAL run ends."""
    return result.status == "stopped" and result.reason.startswith(STOPPED)


def _roles(settings: PalSettings, explorers: int, seconds: float) -> dict[str, Any]:
    plain = settings.plain()
    walkers = range(settings.gene_process)
    generators = [
        _role("generator:PalGenerator", settings=plain, walkers=[*walkers[slot::explorers]])
        for slot in range(explorers)
    ]
    return {
        "generators": generators,
        "explorers": explorers,
        "model": _role("model:PalModel", settings=plain, retrain_seconds=seconds),
        "oracle": {
            **_role("oracle:PalOracle", settings=plain),
            "workers": settings.orcl_process,
        },
    }


def _apart(settings: PalSettings, placement: Any) -> dict[str, Any]:
    """PAL's own placement, where ranks are to be apart; further settings of it may be given."""
    given = {"kind": placement} if isinstance(placement, str) else dict(placement)
    if given.get("kind", "colocated") == "colocated":
        return {}
    ranks = {"generators": settings.gene_process, "predictors": settings.pred_process}
    return {"by": "member", **ranks, **given}


def _role(target: str, **options: Any) -> dict[str, Any]:
    return {"use": f"{HERE}.{target}", "options": options}


def _defaults(settings: PalSettings) -> dict[str, Any]:
    return {
        "name": "pal",
        "gate": {"output": SCORE},
        "error_metric": f"{LABEL}.mae",
        "retrain": {"every_labels": settings.retrain_size},
        "stop": {"labels": ENDLESS},
        "holdout": 0.0,
        "initial": 0,
        "final_fit": False,
        "start": {"weights": _untrained(settings)},
    }


def _untrained(settings: PalSettings) -> str:
    """Weights of no member: PAL predicts from the start, with models as their class makes them."""
    folder = Path(settings.result_dir).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / UNTRAINED
    if not path.exists():
        save_arrays(path, {"none": np.zeros(1)}, {"format": FORMAT})
    return str(path)
