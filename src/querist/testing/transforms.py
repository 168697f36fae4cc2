"""The contract of a transform, as checks that any implementation must pass.

Put every implementation in the parameter list::

    @pytest.mark.parametrize("check", TRANSFORM_CHECKS, ids=lambda check: check.__name__)
    @pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
    def test_contract(check, case):
        check(case)
"""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from querist.core.errors import ConfigError
from querist.sources.transforms.contract import BadItem, Decoded, Transform
from querist.sources.transforms.opening import open_transform


@dataclass(frozen=True, slots=True)
class TransformCase:
    """One transform under test.

    Attributes:
        name: For the test's id.
        settings: For ``open_transform``.
        good: Items of different sizes that it decodes.
        bad: Bytes that it refuses.
        other: Settings to add that change what comes out.
    """

    name: str
    settings: Mapping[str, Any]
    good: Sequence[bytes]
    bad: Sequence[bytes]
    other: Mapping[str, Any]

    def opened(self) -> Transform:
        """The transform."""
        return open_transform(self.settings)


def _same(one: Decoded, other: Decoded) -> bool:
    if isinstance(one, str) or isinstance(other, str):
        return one == other
    return one.dtype == other.dtype and bool(np.array_equal(one, other))


def is_a_transform(case: TransformCase) -> None:
    """It has what the contract asks for."""
    transform = case.opened()
    assert isinstance(transform, Transform)
    assert transform.modality == case.settings["modality"]


def gives_the_same_for_the_same_bytes(case: TransformCase) -> None:
    """Also from another transform of these settings."""
    for data in case.good:
        assert _same(case.opened().decode(data), case.opened().decode(data))


def gives_items_of_one_shape(case: TransformCase) -> None:
    """And stacks them."""
    transform = case.opened()
    items = [transform.decode(data) for data in case.good]
    batch = transform.stack(items)
    assert len(batch) == len(items)
    assert all(_same(one, other) for one, other in zip(batch, items, strict=True))
    if isinstance(batch, list):
        assert transform.item_bytes == 0
    else:
        assert transform.item_bytes in (0, batch[0].nbytes)
        assert {item.shape for item in items if not isinstance(item, str)} == {batch.shape[1:]}


def gives_arrays_of_ones_own(case: TransformCase) -> None:
    """Writable, and not shared with the bytes or with another item."""
    transform = case.opened()
    one, other = transform.decode(case.good[0]), transform.decode(case.good[0])
    if not isinstance(one, str) and not isinstance(other, str):
        one[...] = 1
        assert not np.shares_memory(one, other)
        assert _same(other, transform.decode(case.good[0]))


def refuses_what_it_cannot_decode(case: TransformCase) -> None:
    """With a sentence that survives pickling."""
    transform = case.opened()
    for data in case.bad:
        error = _refusal(BadItem, lambda data=data: transform.decode(data))  # type: ignore[misc]
        assert str(pickle.loads(pickle.dumps(error))) == str(error)
        assert str(error).endswith((".", "?"))


def has_a_digest_of_its_settings(case: TransformCase) -> None:
    """The same for the same settings, another for others."""
    changed = open_transform({**case.settings, **case.other})
    assert case.opened().digest == case.opened().digest
    assert changed.digest != case.opened().digest


def survives_pickling(case: TransformCase) -> None:
    """Workers get it that way."""
    again = pickle.loads(pickle.dumps(case.opened()))
    assert again.digest == case.opened().digest
    assert _same(again.decode(case.good[0]), case.opened().decode(case.good[0]))


def decodes_in_many_threads(case: TransformCase) -> None:
    """At once."""
    transform = case.opened()
    expected = [transform.decode(data) for data in case.good]
    wrong: list[int] = []

    def work() -> None:
        for _ in range(5):
            for n, data in enumerate(case.good):
                if not _same(transform.decode(data), expected[n]):
                    wrong.append(n)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert wrong == []


def refuses_unknown_settings(case: TransformCase) -> None:
    """Naming what it takes."""
    settings = {**case.settings, "no_such_setting": 1}
    assert "no_such_setting" in str(_refusal(ConfigError, lambda: open_transform(settings)))


def _refusal(kind: type[Exception], call: Callable[[], object]) -> Exception:
    try:
        found = call()
    except kind as error:
        return error
    raise AssertionError(f"not refused, but {str(found)[:80]}")


TRANSFORM_CHECKS: tuple[Callable[[TransformCase], None], ...] = (
    is_a_transform,
    gives_the_same_for_the_same_bytes,
    gives_items_of_one_shape,
    gives_arrays_of_ones_own,
    refuses_what_it_cannot_decode,
    has_a_digest_of_its_settings,
    survives_pickling,
    decodes_in_many_threads,
    refuses_unknown_settings,
)
