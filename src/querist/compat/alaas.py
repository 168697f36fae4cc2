"""ALaaS's configuration as ours: what its YAML says, in the words of pool.yaml and service.yaml.

ALaaS (Huang et al. 2022, arXiv 2207.09109) has one file for model, strategy and server; the data
come with each request. What it did without saying so is said here: how it decoded images, and that
the code of a hub's repository runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from querist.campaign.nearest import suggest
from querist.core.errors import ConfigError

Values = dict[str, Any]

STRATEGIES: Mapping[str, str] = {
    "RandomSampling": "random",
    "LeastConfidence": "least-confidence",
    "MarginConfidence": "margin",
    "RatioConfidence": "ratio",
    "VarRatioSampling": "variation-ratios",
    "EntropySampling": "entropy",
    "BayesianDisagreement": "bald",
    "MeanSTDSampling": "mean-std",
    "KCenterSampling": "k-center",
    "KMeansSampling": "k-means",
    "CoreSet": "robust-k-center",
    "DiverseMiniBatch": "dbal",
    "BadgeSampling": "badge",
    "DeepFool": "deepfool",
}
"""Its strategy types, those that its documentation names but its code lacks included."""

OF_MEMBERS = ("bald", "mean-std", "variation-ratios")
PASSES = 20

# Its image preprocessor, which no setting of its reaches.
IMAGES: Mapping[str, Any] = {"modality": "image", "size": 224, "short": 256, "resize": "crop"}
NORMALISE: Mapping[str, Any] = {
    "mean": [0.4914, 0.4822, 0.4465],
    "std": [0.2023, 0.1994, 0.2010],
}

_MODEL_KEYS = "name hub model batch_size device tokenizer task args kwargs".split()  # noqa: SIM905
_SECTIONS: Mapping[str, list[str]] = {
    "": ["name", "version", "active_learning"],
    "active_learning": ["strategy", "al_worker"],
    "active_learning.strategy": ["type", "model"],
    "active_learning.strategy.model": _MODEL_KEYS,
    "active_learning.al_worker": ["protocol", "host", "port", "replicas"],
}


@dataclass
class Translated:
    """The two files, and what a person should know of them.

    Attributes:
        pool: For pool.yaml, but for ``data: from`` and the budget, which its requests held.
        service: For service.yaml.
        notes: Sentences.
    """

    pool: Values = field(default_factory=dict)
    service: Values = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def read(path: Path | str) -> Translated:
    """Read a configuration of ALaaS.

    Raises:
        ConfigError: If it cannot be read, or is none.
    """
    try:
        found = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read as YAML: {error}") from error
    return translate(found, str(path))


def translate(config: Any, where: str, n_drop: int | None = None) -> Translated:
    """Put a configuration into our words.

    Args:
        config: What its YAML holds.
        where: Its name, for errors.
        n_drop: Of ``query_by_uri`` and its kin: passes with dropout.

    Raises:
        ConfigError: If it is none of ALaaS's, or has a key or strategy that ALaaS did not know.
    """
    section = _section(config, "", where)
    learning = _section(section.get("active_learning"), "active_learning", where)
    strategy = _section(learning.get("strategy"), "active_learning.strategy", where)
    model = _section(strategy.get("model") or {}, "active_learning.strategy.model", where)
    worker = _section(learning.get("al_worker") or {}, "active_learning.al_worker", where)
    made = Translated()
    name = _strategy(made, str(strategy.get("type")), n_drop, where)
    made.pool = {"name": str(section.get("name", "alaas")), "data": {"from": "photos"}}
    if name != "random":
        _model(made, model, name, n_drop)
    made.pool |= {"strategy": name, "budget": 100}
    _query(made, model, worker)
    _service(made, worker)
    return made


def _section(found: Any, place: str, where: str) -> Mapping[str, Any]:
    if not isinstance(found, Mapping):
        raise ConfigError(f"{where} is no configuration of ALaaS: {place or 'it'} is no mapping.")
    for key in found:
        if key not in _SECTIONS[place]:
            hint = suggest(str(key), _SECTIONS[place])
            place = place or "its file"
            raise ConfigError(f"{where}: ALaaS knows no key {key!r} in {place}.{hint}")
    return found


def _strategy(made: Translated, kind: str, n_drop: int | None, where: str) -> str:
    if kind not in STRATEGIES:
        raise ConfigError(f"{where}: ALaaS has no strategy {kind!r}.{suggest(kind, STRATEGIES)}")
    if kind == "VarRatioSampling" and n_drop is None:
        made.notes.append("VarRatioSampling without n_drop is least confidence there, and here.")
        return "least-confidence"
    return STRATEGIES[kind]


def _model(made: Translated, model: Mapping[str, Any], strategy: str, n_drop: int | None) -> None:
    if "huggingface" in str(model.get("hub", "")):
        made.pool["data"] = {"from": "texts.csv", "modality": "text"}
        said: Values = {"use": "huggingface", "name": model.get("name")}
        if model.get("tokenizer") not in (None, model.get("name")):
            made.notes.append(
                f"The tokenizer is that of the model {model.get('name')}, not "
                f"{model['tokenizer']}; save both in one folder and name it to change that."
            )
    else:
        made.pool["data"] = {"from": "photos", **_images()}
        said = _hub(made, model)
    if strategy in OF_MEMBERS or n_drop is not None:
        said["mc_dropout"] = {"passes": n_drop or PASSES}
        made.notes.append("Members are passes with dropout on; in ALaaS it was off in all of them.")
    made.pool["model"] = said


def _images() -> Values:
    rest = dict(IMAGES)
    return {"modality": rest.pop("modality"), "transform": rest}


def _hub(made: Translated, model: Mapping[str, Any]) -> Values:
    made.notes.append(
        "Loading from torch.hub runs the code of that repository; ALaaS did so unasked. Set "
        "'trust: true' of the model if you trust it."
    )
    options = {"pretrained": True} | dict(model.get("kwargs") or {})
    return {
        "use": "hub",
        "repo": model.get("hub"),
        "model": model.get("model") or model.get("name"),
        "options": options,
        "trust": False,
        "normalise": dict(NORMALISE),
    }


def _query(made: Translated, model: Mapping[str, Any], worker: Mapping[str, Any]) -> None:
    engine: Values = {}
    if model.get("device") not in (None, "cpu"):
        engine = {"kind": "inline", "device": model["device"]}
    if int(worker.get("replicas") or 1) > 1:
        engine |= {"kind": "processes", "workers": int(worker["replicas"])}
    query: Values = {"where": "all", "engine": engine}
    if int(model.get("batch_size") or 1) > 1:
        query["scan"] = {"batch": int(model["batch_size"])}
    made.pool["query"] = {name: value for name, value in query.items() if value}


def _service(made: Translated, worker: Mapping[str, Any]) -> None:
    host = str(worker.get("host", "0.0.0.0"))
    made.service = {"listen": {"host": host, "port": int(worker.get("port") or 8600)}}
    made.service["jobs"] = {"workers": max(1, int(worker.get("replicas") or 1))}
    use = made.pool.get("model", {}).get("use")
    if use == "hub":
        allowed = {"use": ["onnx", "sklearn", "torch", "hub"], "hub": [made.pool["model"]["repo"]]}
        made.service["models"] = allowed
    if use == "huggingface":
        names = [made.pool["model"]["name"]]
        made.service["models"] = {"use": ["onnx", "sklearn", "torch", use], "huggingface": names}
    made.service["tenants"] = {"default": {"roots": [], "hosts": []}}
    made.notes.append(
        "Requests from other machines need a key, and items may come from no host and no folder "
        "until service.yaml allows them under 'tenants'; ALaaS let everybody read everything."
    )
    if str(worker.get("protocol", "http")) not in ("http", "https"):
        made.notes.append(f"The service speaks HTTP; there is no {worker['protocol']}.")
