"""A generator of the gest-api standard, as its users write them; needs gest-api."""

from __future__ import annotations

from gest_api.generator import Generator
from scipy.stats import qmc


class Halton(Generator):
    """Points of a sequence, with identifiers that must come back."""

    returns_id = True

    def __init__(self, vocs, seed: int = 0) -> None:
        super().__init__(vocs)
        self.vocs, self.ingested = vocs, []
        self._sequence = qmc.Halton(len(vocs.variables), rng=seed)
        self._open, self._next = set(), 0

    def _validate_vocs(self, vocs) -> None:
        if len(vocs.objectives) != 1:
            raise ValueError("one objective, please")

    def suggest(self, num_points):
        found = []
        for row in self._sequence.random(num_points or 2):
            point = {n: one(u) for (n, one), u in zip(self._makers(), row, strict=True)}
            self._open.add(self._next)
            found.append({**point, "_id": self._next})
            self._next += 1
        return found

    def _makers(self):
        for name, variable in self.vocs.variables.items():
            if hasattr(variable, "values"):
                values = sorted(variable.values, key=str)
                yield name, lambda u, v=values: v[int(u * len(v))]
            else:
                low, high = variable.domain
                yield name, lambda u, a=low, b=high: a + u * (b - a)

    def ingest(self, results) -> None:
        for result in results:
            if "_id" in result:
                self._open.remove(result["_id"])
            missing = set(self.vocs.all_names) - set(result)
            if missing:
                raise ValueError(f"results lack {missing}")
        self.ingested += results
