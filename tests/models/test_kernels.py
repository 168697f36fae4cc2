from __future__ import annotations

import numpy as np
import pytest

from querist.core.errors import ConfigError
from querist.models import kernels


@pytest.mark.parametrize("name", kernels.KERNELS)
def test_slope_is_the_derivative(name: str) -> None:
    squared = np.linspace(0.01, 9.0, 30)
    step = 1e-6
    change = kernels.correlation(name, squared + step) - kernels.correlation(name, squared - step)
    np.testing.assert_allclose(kernels.slope(name, squared), -change / step, rtol=1e-5)


@pytest.mark.parametrize("name", kernels.KERNELS)
def test_spectrum_gives_the_kernel(name: str) -> None:
    omega = kernels.frequencies(name, (2, 200_000), np.random.default_rng(0))
    for distance in (0.3, 1.0, 2.0):
        offset = np.array([distance, 0.0])
        estimate = np.cos(offset @ omega).mean()
        exact = kernels.correlation(name, np.array(distance**2))
        assert abs(estimate - exact) < 4 * np.sqrt(0.5 / 200_000)


def test_distances() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(4, 3)), rng.normal(size=(5, 3))
    exact = ((a[:, None] - b[None]) ** 2).sum(axis=-1)
    np.testing.assert_allclose(kernels.squared_distances(a, b), exact)
    assert (kernels.squared_distances(a, a) >= 0).all()


def test_unknown_kernels_are_refused() -> None:
    with pytest.raises(ConfigError, match="'cubic'"):
        kernels.check_kernel("cubic")
