"""Which extra brings a package: a campaign that lacks one is refused before it has a folder."""

from __future__ import annotations

import sys
from importlib.util import find_spec

from querist.core.errors import MissingExtra

# By the name that is imported; tests/law/test_optional.py compares it with pyproject.toml.
EXTRA_OF: dict[str, str] = {
    "PIL": "pool",
    "PeptideBuilder": "sampling",
    "alembic": "service",
    "anyio": "service",
    "ase": "atoms",
    "botocore": "s3",
    "botorch": "botorch",
    "cleanlab": "cleanlab",
    "dask": "dask",
    "deeptime": "sampling",
    "distributed": "dask",
    "fastapi": "service",
    "fsspec": "pool",
    "gemmi": "docking",
    "gest_api": "gest",
    "gpytorch": "botorch",
    "httpx": "client",
    "huggingface_hub": "huggingface",
    "joblib": "sklearn",
    "lmdb": "pool",
    "mace": "mace",
    "meeko": "docking",
    "mlflow": "mlflow",
    "mpi4py": "mpi",
    "numba": "numba",
    "onnx": "onnx",
    "onnxruntime": "onnx",
    "onnxscript": "onnx",
    "openmm": "openmm",
    "openvino": "openvino",
    "optuna": "optuna",
    "parsl": "parsl",
    "prometheus_client": "service",
    "psij": "queue",
    "psycopg": "service",
    "pyarrow": "parquet",
    "pyscf": "chem",
    "pysindy": "sindy",
    "rdkit": "docking",
    "simplejpeg": "pool",
    "sklearn": "sklearn",
    "skops": "sklearn",
    "soundfile": "audio",
    "soxr": "audio",
    "sqlalchemy": "service",
    "tblite": "xtb",
    "tensorboardX": "tensorboard",
    "threadpoolctl": "sklearn",
    "torch": "torch",
    "transformers": "huggingface",
    "umap": "umap",
    "uvicorn": "service",
    "vina": "docking",
}
# Package without which what comes with Querist does nothing, by the module of a role or search.
_WANTED: dict[str, str] = {
    "querist.models.committee": "skops",
    "querist.models.mc_dropout": "torch",
    "querist.models.torch_classifier": "torch",
    "querist.models.torch_ensemble": "torch",
    "querist.oracles.calculator": "ase",
    "querist.oracles.pyscf": "pyscf",
    "querist.oracles.queued": "psij",
    "querist.oracles.xtb": "tblite",
    "querist.tuning.searches.botorch": "botorch",
    "querist.tuning.searches.gest": "gest_api",
    "querist.tuning.searches.optuna": "optuna",
}


def missing_extra(target: str, called: str) -> str:
    """What is not installed of what a role wants, a sentence; "" where nothing is known to lack.

    Args:
        target: "package.module:attribute" of the role.
        called: Its name in the configuration.
    """
    package = _WANTED.get(target.partition(":")[0], "")
    if not package or sys.modules.get(package) or find_spec(package):
        return ""
    return f"{MissingExtra(package, EXTRA_OF[package], called)}."


def brought_by(error: BaseException | None) -> str:
    """The command that installs what an import did not find, where an extra of Querist has it."""
    if not isinstance(error, ModuleNotFoundError) or error.name is None:
        return ""
    extra = EXTRA_OF.get(error.name.partition(".")[0])
    return f" Install it with: pip install 'querist[{extra}]'." if extra else ""
