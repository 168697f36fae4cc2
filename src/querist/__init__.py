"""Active learning that keeps every worker busy and loses nothing.

- What people begin with: ``Campaign`` (learn from an expensive oracle; ``RunResult``,
  ``model_of``), ``Pool`` (which of many items to label), ``select`` (a query strategy on arrays;
  ``Selection``), ``Surrogate`` (a simulation with a model in front of it), ``Study`` (its best
  settings), ``Client`` and ``AsyncClient`` (of a service).
- Inputs and answers: ``Sample``, ``Batch``, ``atoms_sample``; ``Question``, ``Label``, ``Failure``,
  ``Abstention``, ``Reason``, ``Purpose``, ``Dataset``.
- For roles of one's own: ``Proposal``, ``Prediction``, ``Verdict``, ``Feedback`` (generators and
  gates), ``FitRequest``, ``FitResult``, ``ModelState`` (models), ``WorkerContext`` and ``Factory``
  (how a role is made in its worker), ``BandGate``, ``View`` (what a policy sees).
- ``QueristError``: the root of all errors that are raised on purpose.

Names are loaded when they are first used, so that ``import querist`` costs next to nothing and
pulls in no heavy package. All else is in the module that its page of the documentation names.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from querist.campaign.campaign import Campaign as Campaign
    from querist.campaign.campaign import RunResult as RunResult
    from querist.campaign.models import model_of as model_of
    from querist.control.gate import BandGate as BandGate
    from querist.control.rules import View as View
    from querist.core.answers import Abstention as Abstention
    from querist.core.answers import Dataset as Dataset
    from querist.core.answers import Failure as Failure
    from querist.core.answers import Label as Label
    from querist.core.answers import Purpose as Purpose
    from querist.core.answers import Question as Question
    from querist.core.answers import Reason as Reason
    from querist.core.atoms import atoms_sample as atoms_sample
    from querist.core.batch import Batch as Batch
    from querist.core.batch import Sample as Sample
    from querist.core.errors import QueristError as QueristError
    from querist.core.prediction import Feedback as Feedback
    from querist.core.prediction import Prediction as Prediction
    from querist.core.prediction import Proposal as Proposal
    from querist.core.prediction import Verdict as Verdict
    from querist.core.roles import FitRequest as FitRequest
    from querist.core.roles import FitResult as FitResult
    from querist.core.roles import ModelState as ModelState
    from querist.core.roles import WorkerContext as WorkerContext
    from querist.core.tasks import Factory as Factory
    from querist.pool.pool import Pool as Pool
    from querist.service.client.client import AsyncClient as AsyncClient
    from querist.service.client.client import Client as Client
    from querist.strategies.contract import Selection as Selection
    from querist.strategies.selecting import select as select
    from querist.surrogate.surrogate import Surrogate as Surrogate
    from querist.tuning.study import Study as Study

__version__ = "0.1.0"

# Public name -> module that defines it. A name added here is also added to `__all__` below and,
# as `from querist.room.module import Name as Name`, under `if TYPE_CHECKING:` so that type
# checkers and editors see it; tests/law/test_public_api.py compares the three.
_HOMES: dict[str, str] = {
    "Abstention": "querist.core.answers",
    "AsyncClient": "querist.service.client.client",
    "BandGate": "querist.control.gate",
    "Batch": "querist.core.batch",
    "Campaign": "querist.campaign.campaign",
    "Client": "querist.service.client.client",
    "Dataset": "querist.core.answers",
    "Factory": "querist.core.tasks",
    "Failure": "querist.core.answers",
    "Feedback": "querist.core.prediction",
    "FitRequest": "querist.core.roles",
    "FitResult": "querist.core.roles",
    "Label": "querist.core.answers",
    "ModelState": "querist.core.roles",
    "Pool": "querist.pool.pool",
    "Prediction": "querist.core.prediction",
    "Proposal": "querist.core.prediction",
    "Purpose": "querist.core.answers",
    "QueristError": "querist.core.errors",
    "Question": "querist.core.answers",
    "Reason": "querist.core.answers",
    "RunResult": "querist.campaign.campaign",
    "Sample": "querist.core.batch",
    "Selection": "querist.strategies.contract",
    "Study": "querist.tuning.study",
    "Surrogate": "querist.surrogate.surrogate",
    "Verdict": "querist.core.prediction",
    "View": "querist.control.rules",
    "WorkerContext": "querist.core.roles",
    "atoms_sample": "querist.core.atoms",
    "model_of": "querist.campaign.models",
    "select": "querist.strategies.selecting",
}

__all__ = [
    "Abstention",
    "AsyncClient",
    "BandGate",
    "Batch",
    "Campaign",
    "Client",
    "Dataset",
    "Factory",
    "Failure",
    "Feedback",
    "FitRequest",
    "FitResult",
    "Label",
    "ModelState",
    "Pool",
    "Prediction",
    "Proposal",
    "Purpose",
    "QueristError",
    "Question",
    "Reason",
    "RunResult",
    "Sample",
    "Selection",
    "Study",
    "Surrogate",
    "Verdict",
    "View",
    "WorkerContext",
    "__version__",
    "atoms_sample",
    "model_of",
    "select",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'querist' has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
