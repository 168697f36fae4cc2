"""Features of texts."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from querist.models.features.text import SIZE, text_features


@given(st.lists(st.text(max_size=40), min_size=1, max_size=4))
def test_rows_are_finite_and_do_not_depend_on_the_batch(texts: list[str]) -> None:
    rows = text_features(texts)
    assert rows.shape == (len(texts), SIZE)
    lengths = np.linalg.norm(rows, axis=1)
    assert np.all((lengths < 1e-6) | (np.abs(lengths - 1) < 1e-5))
    alone = np.concatenate([text_features([text]) for text in texts])
    assert np.array_equal(rows, alone)


def test_texts_of_one_matter_are_nearer() -> None:
    weather, storm, price = text_features(
        [
            "The storm brought heavy rain and wind to the coast",
            "Heavy rain and wind are expected when the storm reaches the land",
            "The price of the shares fell when the bank raised its rates",
        ]
    )
    assert weather @ storm > max(weather @ price, storm @ price) + 0.2


def test_texts_without_words_are_zero() -> None:
    assert not text_features(["", " ... "]).any()
