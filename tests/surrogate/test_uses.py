"""A surrogate under an ASE calculator, over HTTP, on engines, and in the background."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from typing import Any

import numpy as np
import pytest

from querist import Batch, Surrogate
from querist.core.errors import ConfigError
from querist.models.gradient_domain import GradientDomain
from querist.oracles.calculator import CalculatorOracle
from querist.service.surrogates import LARGEST, SurrogateApp, check_host
from querist.surrogate.errors import SimulationFailed
from querist.testing.jobs import mpiexec


def wave(x, y):
    return float(np.sin(3 * x) * y)


def broken(x, y):
    raise ValueError("no such luck")


def teach(surrogate: Surrogate, batches: int = 5) -> None:
    rng = np.random.default_rng(0)
    for _ in range(batches):
        surrogate.many(x=rng.uniform(size=30), y=rng.uniform(size=30))


def request(app: SurrogateApp, method: str, path: str, body: Any = None, **headers: str) -> Any:
    sent: list[dict[str, Any]] = []
    held = body if isinstance(body, bytes) else json.dumps(body).encode()
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "headers": [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()],
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": held}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], json.loads(sent[1]["body"])


JSON = {"content_type": "application/json"}


def test_over_http() -> None:
    surrogate = Surrogate(wave, tolerance=0.2, coverage=0.8)
    teach(surrogate)
    app = SurrogateApp(surrogate)
    inputs = {"x": [0.1, 0.5, 0.3], "y": [0.5, 0.5, 0.2]}
    status, told = request(app, "POST", "/v1/answers", {"inputs": inputs}, **JSON)
    assert status == 200
    assert set(told["source"]) <= {"model", "simulation"}
    wanted = [wave(x, y) for x, y in zip(inputs["x"], inputs["y"], strict=True)]
    assert told["outputs"]["result"] == pytest.approx(wanted, abs=0.2)
    assert request(app, "GET", "/v1/status")[1]["answered_by_model"] >= told["source"].count(
        "model"
    )
    assert request(app, "GET", "/v1/health") == (200, {"alive": True})
    for body in (b"{", [], {"inputs": {}}, {"inputs": {"x": [[1], [1, 2]]}}, {"inputs": 3}):
        assert request(app, "POST", "/v1/answers", body, **JSON)[0] == 422
    assert request(app, "POST", "/v1/answers", {"inputs": inputs})[0] == 415
    assert request(app, "POST", "/v1/answers", b" " * (LARGEST + 1), **JSON)[0] == 413
    assert request(app, "GET", "/v2")[0] == 404


def test_over_http_with_a_key_and_with_failures() -> None:
    app = SurrogateApp(Surrogate(broken, tolerance=0.2), key="secret")
    body = {"inputs": {"x": [0.1], "y": [0.2]}}
    assert request(app, "POST", "/v1/answers", body, **JSON)[0] == 401
    status, told = request(app, "POST", "/v1/answers", body, authorization="Bearer secret", **JSON)
    assert status == 200
    assert told["source"] == ["failed"]
    assert "no such luck" in told["messages"]["0"]
    with pytest.raises(ConfigError, match="QUERIST_SURROGATE_KEY"):
        check_host("0.0.0.0", "")
    check_host("127.0.0.1", "")
    check_host("0.0.0.0", "secret")


def test_learning_in_the_background() -> None:
    surrogate = Surrogate(wave, tolerance=0.2, coverage=0.8, learn="background")
    rng = np.random.default_rng(0)
    # As long as it takes, up to a test's time limit: nothing is promised of when it is learned.
    while surrogate.many(x=rng.uniform(size=10), y=rng.uniform(size=10)).share() <= 0.5:
        time.sleep(0.001)
    surrogate.close()
    assert not any(thread.name == "surrogate" for thread in threading.enumerate())


def test_several_threads_may_call() -> None:
    surrogate, wrong = Surrogate(wave, tolerance=0.2, coverage=0.8), []

    def work(seed: int) -> None:
        for x, y in np.random.default_rng(seed).uniform(size=(60, 2)):
            if abs(surrogate(x, y) - wave(x, y)) > 1.0:
                wrong.append((x, y))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    status = surrogate.status()
    assert status["answered_by_model"] + status["answered_by_simulation"] == 180
    assert not wrong


@pytest.mark.slow
def test_on_processes() -> None:
    # What workers import has to lie where they can find it; lambdas travel by themselves.
    simulation, broken_one = (lambda x, y: float(x * x + y)), (lambda x, y: x.nonsense)
    with Surrogate(simulation, tolerance=0.2, coverage=0.8, engine="processes") as surrogate:
        teach(surrogate)
        assert surrogate.status()["threshold"] is not None
    engine = {"kind": "processes", "workers": 2}
    with Surrogate(broken_one, tolerance=0.2, engine=engine) as surrogate:
        with pytest.raises(SimulationFailed, match="nonsense"):
            surrogate(1.0, 2.0)
        assert list(surrogate.many(x=np.ones(3), y=np.ones(3)).source) == ["failed"] * 3


MPI = """
import numpy as np
from querist import Surrogate
with Surrogate(lambda x: x * x, tolerance=0.2, coverage=0.8, engine="mpi") as surrogate:
    answers = surrogate.many(x=np.linspace(0, 1, 20))
    print("told", np.abs(answers["result"] - np.linspace(0, 1, 20) ** 2).max() < 0.2)
"""


@pytest.mark.slow
@pytest.mark.mpi
def test_on_mpi_ranks() -> None:
    pytest.importorskip("mpi4py")
    command = [*mpiexec(3), sys.executable, "-c", MPI]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout.split()) == (0, ["told", "True"]), done.stderr


@pytest.mark.slow
def test_in_a_molecular_dynamics_run() -> None:
    ase = pytest.importorskip("ase")
    units = pytest.importorskip("ase.units")
    verlet = pytest.importorskip("ase.md.verlet")
    oracle = CalculatorOracle("ase.calculators.morse:MorsePotential", {"r0": 1.0, "epsilon": 1.0})
    surrogate = Surrogate(
        oracle,
        GradientDomain(members=3, length_scale=0.5),
        tolerance={"energy": 0.05, "forces": 0.3},
        coverage=0.8,
        growth=2.0,
    )
    atoms = ase.Atoms("Ar3", [[0, 0, 0], [1, 0, 0], [0.5, 0.87, 0]])
    atoms.calc = surrogate.calculator()
    rng = np.random.default_rng(0)
    atoms.set_momenta(rng.normal(scale=1.0, size=(3, 3)))
    verlet.VelocityVerlet(atoms, 5 * units.fs).run(400)
    status = surrogate.status()
    assert status["answered_by_model"] > 50
    assert status["answered_by_model"] + status["answered_by_simulation"] >= 400
    assert atoms.get_forces().shape == (3, 3)


def test_a_batch_of_nothing_is_no_answer() -> None:
    answers = Surrogate(wave, tolerance=0.1).ask(Batch.stack(x=np.zeros(0), y=np.zeros(0)))
    assert len(answers) == len(answers.answered) == 0
