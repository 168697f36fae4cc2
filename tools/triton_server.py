"""A real Triton server with one model, for `make triton`: nvidia-pytriton, Debian's own Python.

The wheel brings Triton 2.51 with its Python backend and works on processors alone, but only with
the Python that it was built for (Debian's 3.11). Prints the server's URL and serves until its
standard input is closed.
"""

from __future__ import annotations

import os
import socket
import sys
from importlib import import_module
from typing import Any

import numpy as np


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def main(seed: int) -> None:
    """Serve `linear`: scores are four numbers times a matrix drawn from the seed."""
    # Triton's log would fill a pipe that nobody reads on.
    told = os.dup(1)
    os.dup2(2, 1)
    # By name, as the package is not in the environment that checks this file.
    batch = import_module("pytriton.decorators").batch
    config = import_module("pytriton.model_config")
    server = import_module("pytriton.triton")
    weights = np.random.default_rng(seed).normal(size=(4, 3)).astype(np.float32)

    @batch  # type: ignore[untyped-decorator]  # what is imported by name has no types
    def linear(x: Any) -> dict[str, Any]:
        return {"scores": x @ weights, "features": x}

    http, grpc, metrics = free_port(), free_port(), free_port()
    addresses = server.TritonConfig(
        http_address="127.0.0.1",
        http_port=http,
        grpc_address="127.0.0.1",
        grpc_port=grpc,
        metrics_address="127.0.0.1",
        metrics_port=metrics,
    )
    outputs = [
        config.Tensor(name="scores", dtype=np.float32, shape=(3,)),
        config.Tensor(name="features", dtype=np.float32, shape=(4,)),
    ]
    with server.Triton(config=addresses) as triton:
        triton.bind(
            "linear",
            infer_func=linear,
            inputs=[config.Tensor(name="x", dtype=np.float32, shape=(4,))],
            outputs=outputs,
            config=config.ModelConfig(max_batch_size=32),
        )
        triton.run()
        os.write(told, f"http://127.0.0.1:{http}\n".encode())
        sys.stdin.read()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
