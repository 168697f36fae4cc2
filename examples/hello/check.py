"""Runs hello.py as a user would, then proves that the campaign learned, and better than chance.

Usage: ``python examples/hello/check.py``
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from querist import Batch, model_of

HERE = Path(__file__).resolve().parent
LIMIT = 0.02  # mean absolute error on fresh points; the function's standard deviation is 0.32


def main() -> None:
    """Run, load the model, compare with the truth on a grid that nobody was asked about."""
    subprocess.run([sys.executable, str(HERE / "hello.py")], check=True)

    model = model_of("runs/hello")
    axis = np.linspace(0.02, 1.98, 40)
    x = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    truth = np.sin(5 * x[:, 0]) * np.exp(-x[:, 1])
    error = float(np.abs(model.predict(Batch.stack(x=x)).mean["y"] - truth).mean())
    constant = float(np.abs(truth - truth.mean()).mean())
    print(f"error on a grid: {error:.4f} (wanted below {LIMIT}; a constant has {constant:.3f})")
    assert error < LIMIT, f"the model's error is {error:.4f}, wanted below {LIMIT}"


if __name__ == "__main__":
    main()
