"""A space in which sums of settings are bounded: its points are those that keep the bounds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ConfigError
from querist.tuning.region import Region
from querist.tuning.space import Floats, Space, Value, Values
from querist.tuning.sums import Sum, missed, read_sums

EXACT = 1e-12  # of what a sum varies by: rounding


@dataclass(frozen=True)
class BoundedSpace(Space):
    """A space of which the points exist where all sums are kept.

    Attributes:
        sums: The bounds.
        region: Their geometry.
    """

    sums: tuple[Sum, ...] = ()
    region: Region = field(kw_only=True, repr=False, compare=False)

    @classmethod
    def keeping(cls, space: Space, told: Any) -> BoundedSpace:
        """The points of a space that keep what :func:`~querist.tuning.sums.read_sums` reads.

        Raises:
            ConfigError: If a bound cannot be used, or they leave no room.
        """
        sums = read_sums(told, space.settings)
        return cls(space.settings, sums, region=Region(space.settings, sums))

    @property
    def texts(self) -> list[str]:
        """The bounds, as they were written."""
        return list(dict.fromkeys(one.text for one in self.sums))

    def missed(self, values: Values) -> str:
        """Which bound a point does not keep, a sentence without an end; "" where it keeps all."""
        return missed(self.sums, values, self.region.slack)

    def own(self, values: Mapping[str, Any]) -> dict[str, Value]:
        """The point in this space's types.

        Raises:
            ConfigError: If it is none, or does not keep the bounds; with the sum that it has.
        """
        found = super().own(values)
        if told := self.missed(found):
            raise ConfigError(f"{told}.")
        return found

    def allowed(self, values: Values) -> dict[str, Value]:
        """The nearest point that keeps the bounds."""
        region = self.region
        z = region.coordinates(values)
        if region.inside(z[None], EXACT)[0]:
            return dict(values)
        moved = dict(zip(region.names, region.numbers(region.nearest(z)), strict=True))
        return {name: moved.get(name, value) for name, value in values.items()}

    def point(self, places: Sequence[float] | Floats) -> dict[str, Value]:
        """The point at ``(d,)`` coordinates in the unit cube, or the nearest that is allowed."""
        return self.allowed(super().point(places))

    def keeps(self, places: Floats) -> NDArray[np.bool_]:
        """``(n,)`` whether ``(n, d)`` coordinates in the unit cube keep the bounds."""
        columns = [list(self.settings).index(name) for name in self.region.names]
        return self.region.inside(self.region.at(places[:, columns]))

    def _product(self, axes: Sequence[Sequence[Value]]) -> Iterator[dict[str, Value]]:
        yield from (values for values in super()._product(axes) if not self.missed(values))
