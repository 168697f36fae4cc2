import numpy as np
import pytest

from querist.models.gradient_domain.kernel import KERNELS, kernel_named, squared_distances

SQUARED = np.linspace(0.01, 4.0, 50)
LENGTH = np.asarray(0.8)


@pytest.mark.parametrize("name", KERNELS)
def test_the_functions_are_derivatives_of_each_other(name):
    step = 1e-5
    here, above, below = (KERNELS[name](SQUARED + shift, LENGTH) for shift in (0.0, step, -step))
    # With u = r^2: d/dr / r = 2 d/du.
    assert -(above.value - below.value) / step == pytest.approx(here.first, rel=1e-6)
    assert -(above.first - below.first) / step == pytest.approx(here.second, rel=1e-6)


@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_is_one_at_zero_and_finite_there(name):
    radial = KERNELS[name](np.zeros(1), LENGTH)
    assert radial.value == pytest.approx(1.0)
    assert np.isfinite(radial.first).all()
    assert np.isfinite(radial.second).all()
    assert KERNELS[name](np.array([1e4]), LENGTH).value == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("name", KERNELS)
def test_the_drop_keeps_its_digits_near_zero(name):
    tiny = KERNELS[name](np.array([1e-10]), LENGTH)
    assert tiny.drop == pytest.approx(-0.5 * tiny.first * 1e-10, rel=1e-3, abs=0)


def test_an_unknown_kernel_is_refused_by_name():
    with pytest.raises(ValueError, match=r"matern52.*'cubic'"):
        kernel_named("cubic")


def test_squared_distances_by_products():
    rng = np.random.default_rng(0)
    left, right = rng.normal(size=(3, 4)), rng.normal(size=(2, 5, 4))
    direct = ((left[None, :, None] - right[:, None]) ** 2).sum(axis=-1)
    assert squared_distances(left[None], right) == pytest.approx(direct)
    assert np.all(squared_distances(left, left) >= 0.0)
