"""A run in processes of its own, so that nothing of the benchmark's own process slows it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def run_alone(script: str, *told: object, ranks: int = 0, threads: bool = True) -> None:
    """Run ``script --one told...`` and wait for it; modules beside it can be imported.

    Args:
        script: The benchmark's own file.
        told: What follows ``--one``.
        ranks: Of a job of MPI; 0 for a plain process.
        threads: Whether libraries keep to one.

    Raises:
        CalledProcessError: If it failed.
    """
    command = [sys.executable, script, "--one", *map(str, told)]
    if ranks:
        launcher = ["mpiexec", "--allow-run-as-root", "--oversubscribe", "-n", str(ranks)]
        command = [*launcher, *command]
    paths = [str(HERE), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    if threads:
        environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    subprocess.run(command, check=True, env=environment, stdin=subprocess.DEVNULL)
