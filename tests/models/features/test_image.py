"""Features of images: what they see, and what they do not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from querist.core.errors import ShapeError
from querist.models.features.image import SIZE, image_features

sides = st.integers(4, 20)
batches = st.tuples(st.integers(1, 3), sides, sides, st.just(3)).flatmap(
    lambda shape: hnp.arrays(np.uint8, shape)
)


def stripes(angle: float, size: int = 32, colour: tuple[float, ...] = (1, 1, 1)) -> np.ndarray:
    down, across = np.mgrid[:size, :size]
    wave = 0.5 + 0.5 * np.sin((across * np.cos(angle) + down * np.sin(angle)) * 0.8)
    return (wave[..., None] * np.array(colour) * 255).astype(np.uint8)


@given(batches)
def test_rows_are_finite_of_unit_length_and_do_not_depend_on_the_batch(images) -> None:
    rows = image_features(images)
    assert rows.shape == (len(images), SIZE)
    assert rows.dtype == np.float32
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    alone = np.concatenate([image_features(image[None]) for image in images])
    assert np.allclose(rows, alone, atol=1e-6)


def test_directions_tell_apart_what_brightness_does_not() -> None:
    across, bright, down = image_features(
        np.stack([stripes(0.0), (stripes(0.0) * 0.6).astype(np.uint8), stripes(np.pi / 2)])
    )
    assert across[:144] @ bright[:144] > 0.95 * (bright[:144] @ bright[:144])
    assert across[:144] @ down[:144] < 0.5 * (across[:144] @ across[:144])


def test_colours_count() -> None:
    red, blue, red_too = image_features(
        np.stack([stripes(0, colour=(1, 0, 0)), stripes(0, colour=(0, 0, 1)), stripes(0.02)])
        * np.array([[[[1, 1, 1]]], [[[1, 1, 1]]], [[[1, 0, 0]]]], np.uint8)
    )
    assert red @ red_too > red @ blue + 0.2


def test_even_images_have_features_too() -> None:
    rows = image_features(
        np.stack([np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), 200, np.uint8)])
    )
    assert np.isfinite(rows).all()
    assert rows[0] @ rows[1] < 1


@pytest.mark.parametrize("shape", [(2, 8, 8), (2, 8, 8, 1), (2, 3, 8, 3)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="sides of at least 4"):
        image_features(np.zeros(shape, np.uint8))


@pytest.mark.sklearn
def test_of_twenty_picks_by_these_features_more_is_learned_than_of_random_ones() -> None:
    import querist

    datasets = pytest.importorskip("sklearn.datasets")
    neighbors = pytest.importorskip("sklearn.neighbors")
    digits = datasets.load_digits()
    images = np.repeat((digits.images / 16 * 255).astype(np.uint8)[..., None], 3, axis=3)
    rows = image_features(images.repeat(4, axis=1).repeat(4, axis=2))
    pool, test = rows[:1200], rows[1200:]

    def learned(picked) -> float:
        nearest = neighbors.KNeighborsClassifier(1).fit(pool[picked], digits.target[picked])
        return nearest.score(test, digits.target[1200:])

    rng = np.random.default_rng(0)
    chosen = [
        learned(querist.select("typiclust", 20, embeddings=pool, rng=s).indices) for s in (0, 1)
    ]
    random = [learned(rng.choice(1200, 20, replace=False)) for _ in range(8)]
    assert min(chosen) > np.mean(random) + 0.08
