import json

import numpy as np
import pytest
from toy_molecule import NUMBERS, geometries, settings, training_set

from querist.models.gradient_domain import Predictor, fit_committee, member_indices, merge_states


@pytest.fixture(scope="module")
def fitted():
    return fit_committee(training_set(np.random.default_rng(0), 12), settings())


def test_a_state_survives_files(fitted, tmp_path):
    np.savez(tmp_path / "state.npz", **fitted.arrays)
    with np.load(tmp_path / "state.npz") as arrays:
        loaded = Predictor.from_state(dict(arrays), json.loads(json.dumps(fitted.metadata)))
    positions = geometries(np.random.default_rng(1), 3)
    before, after = fitted.predictor().predict(positions), loaded.predict(positions)
    assert np.array_equal(before.energies, after.energies)
    assert np.array_equal(before.forces, after.forces)


def test_the_arrays_are_flat_float_and_prefixed(fitted):
    assert member_indices(fitted.arrays) == [0, 1, 2, 3]
    for name, array in fitted.arrays.items():
        assert name.split(".")[0] in {"m0", "m1", "m2", "m3"}
        assert array.dtype == np.float64
        assert array.flags.c_contiguous


def test_other_formats_are_refused(fitted):
    with pytest.raises(ValueError, match="another kind of model"):
        Predictor.from_state(fitted.arrays, {"format": "something/2"})


def test_a_missing_array_is_named(fitted):
    arrays = {name: array for name, array in fitted.arrays.items() if name != "m2.offset"}
    with pytest.raises(ValueError, match=r"member 2.*m2\.offset"):
        Predictor.from_state(arrays, fitted.metadata)


def test_a_wrong_shape_is_named(fitted):
    arrays = fitted.arrays | {"m1.force_coefficients": np.zeros((3, len(NUMBERS), 3))}
    with pytest.raises(ValueError, match=r"m1\.force_coefficients of shape"):
        Predictor.from_state(arrays, fitted.metadata)


def test_no_member_is_refused(fitted):
    with pytest.raises(ValueError, match="no member"):
        Predictor.from_state({}, fitted.metadata)


def test_merging_the_same_member_twice_is_refused(fitted):
    with pytest.raises(ValueError, match="every member once"):
        merge_states([fitted.arrays, {"m0.offset": np.zeros(1)}])
