"""A committee of smooth diabatic Hamiltonians of two states, learned from adiabatic answers alone.

Adiabatic energies have kinks and couplings have poles where surfaces meet; the 2 x 2 matrix behind
them is smooth. A network gives its three elements, a mean ``m`` and the halves ``(d, c)`` of the
difference and the coupling, as functions of the coordinates, and is fitted so that the matrix's
eigenvalues ``m -+ sqrt(d^2 + c^2)``, their gradients, and the interstate coupling
``(d grad c - c grad d) / sqrt(d^2 + c^2)`` agree with the answers; of the coupling only up to its
sign, which an electronic-structure program leaves open. No diabatic labels are needed (compare
Guan, Xie, Yarkony and Guo, Phys. Chem. Chem. Phys. 23, 24962, 2021). A constant rotation of
``(d, c)`` changes nothing that is seen, so members are compared by their eigenvalues, never by
their matrices.

A molecule's equal atoms may be exchanged: the matrix is then averaged over the exchanges, with a
sign of ``c``, so that the symmetry is exact, and each label counts for all of them. When one end
of a double bond turns, ``c`` changes sign where the ends are at right angles, as it does when the
two atoms of one end are exchanged: there ``c`` vanishes by symmetry, which no network has to learn.

Units: Angstrom, eV, eV/A.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as held
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from querist.core.answers import Dataset, Purpose
from querist.core.batch import Batch
from querist.core.prediction import Prediction
from querist.core.roles import FitRequest, FitResult, ModelState, WorkerContext

_LARGEST = 2e6  # numbers in a Jacobian
FORMAT = "photodynamics.diabatic/1"
Floats = NDArray[np.float64]
Weights = dict[str, torch.Tensor]


def coordinates(places: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Of samples of few dimensions: ``(n, q)`` coordinates themselves; ``(n, q, q)`` slopes."""
    return places, torch.eye(places.shape[1], dtype=places.dtype).expand(len(places), -1, -1)


def inverse_distances(places: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Of one molecule's ``(n, 3 atoms)``: inverse distances in 1/A and their slopes in 1/A^2.

    Returns:
        ``(n, pairs)`` and ``(n, pairs, 3 atoms)``.
    """
    atoms = places.reshape(len(places), -1, 3)
    first, second = torch.triu_indices(atoms.shape[1], atoms.shape[1], 1)
    apart = atoms[:, first] - atoms[:, second]
    inverse = 1 / apart.norm(dim=2)
    slopes = torch.zeros(*inverse.shape, *atoms.shape[1:], dtype=places.dtype)
    pairs = torch.arange(len(first))
    slopes[:, pairs, first] = -apart * inverse[..., None] ** 3
    slopes[:, pairs, second] = apart * inverse[..., None] ** 3
    return inverse, slopes.flatten(2)


def exchanges(count: int, alike: Sequence[tuple[int, int]]) -> list[tuple[torch.Tensor, float]]:
    """What exchanging atoms does to :func:`inverse_distances`, and to the sign of ``c``.

    Args:
        count: Features, ``atoms (atoms - 1) / 2``.
        alike: Pairs of atoms, each of which may be exchanged.

    Returns:
        ``(count,)`` the feature that comes to each place, and the sign; the identity first.
    """
    atoms = round((1 + (1 + 8 * count) ** 0.5) / 2) if alike else 0
    first, second = torch.triu_indices(atoms, atoms, 1)
    place = torch.zeros(atoms, atoms, dtype=torch.long)
    place[first, second] = place[second, first] = torch.arange(len(first))
    found = [(torch.arange(count), 1.0)]
    for one, other in alike:
        order = torch.arange(atoms)
        order[[one, other]] = order[[other, one]]
        moved = place[order[first], order[second]]
        found += [(moved[index], -sign) for index, sign in found]
    return found


Seen = tuple[torch.Tensor, torch.Tensor]
FEATURES: Mapping[str, Callable[[torch.Tensor], Seen]] = {
    "coordinates": coordinates,
    "inverse_distances": inverse_distances,
}


@dataclass(frozen=True)
class Answers:
    """What is fitted: features of places, ``(n, 2)`` energies, ``(n, 2, q)``, ``(n, q)``."""

    seen: Seen
    energies: torch.Tensor
    gradients: torch.Tensor
    coupling: torch.Tensor


@dataclass(eq=False)
class DiabaticCommittee:
    """Networks of one shape that differ by their random start.

    Attributes:
        members: How many.
        features: Name in :data:`FEATURES` of what the networks see.
        alike: Pairs of equal atoms whose exchange changes the sign of ``c`` and nothing else; for
            "inverse_distances".
        field: Name of the coordinates.
        hidden: Width of the two hidden layers.
        iterations: Most steps of a fit; later fits begin at the previous weights.
        starts: Most random starts of a member in one fit, of which it keeps the best.
        enough: Loss with which a member is content.
        length: In Angstrom, weighs gradients against energies.
        near: Share of the energies' spread below which a gap counts no more.
        far: Share of the energies' spread: where half the gap is wider, the coupling, which moves
            nobody there and which two states alone do not explain, counts less; None for never.
        softening: In eV, keeps the pole of the derivative coupling, where surfaces meet, out of
            "steering".
        hop: In eV, weighs the derivative coupling against the gradients in "steering": about the
            kinetic energy, of which a wrong gradient, too, takes its share.
        rough: Of the first layer's random start: small ones begin smooth.
        decay: Weighs the squares of weights in a fit by L-BFGS.
        evaluations: Most evaluations of a fit by L-BFGS, which large ones use.
    """

    members: int = 4
    features: str = "coordinates"
    alike: Sequence[tuple[int, int]] = ()
    field: str = "positions"
    hidden: int = 24
    iterations: int = 60
    starts: int = 5
    enough: float = 1e-5
    length: float = 0.3
    near: float = 0.02
    far: float | None = None
    softening: float = 0.02
    hop: float = 3.0
    rough: float = 2.0
    decay: float = 0.0
    evaluations: int = 800
    _state: list[Weights] | None = held(default=None, init=False, repr=False)
    _scales: dict[str, torch.Tensor] = held(default_factory=dict, init=False, repr=False)
    _shape: tuple[int, ...] = held(default=(), init=False, repr=False)

    def open(self, context: WorkerContext) -> None:
        """Take the worker's number of threads."""
        torch.set_num_threads(max(1, context.threads))

    # ---- fitting

    def fit(self, dataset: Dataset, request: FitRequest) -> FitResult:
        """Fit the members that are asked for; ``should_stop`` is polled between iterations."""
        rows = dataset.only(Purpose.TRAIN)
        answers = self._answers(rows)
        scales = self._scaling(answers)
        chosen = request.members or tuple(range(self.members))
        arrays: dict[str, Any] = {f"s/{name}": value.numpy() for name, value in scales.items()}
        losses = []
        for member in chosen:
            weights, loss = self._member(answers, scales, request, member)
            arrays |= {f"m{member}/{name}": value.numpy() for name, value in weights.items()}
            losses.append(loss)
        metrics = {"train.rows": float(len(rows.inputs)), "train.loss": float(np.mean(losses))}
        data = {"format": FORMAT, "members": self.members, "features": self.features}
        return FitResult(ModelState(arrays, data), metrics)

    def _answers(self, rows: Dataset) -> Answers:
        def flat(values: Any, *shape: int) -> torch.Tensor:
            return torch.tensor(np.asarray(values, np.float64).reshape(*shape))

        count, places = len(rows.inputs), rows.inputs[self.field]
        return Answers(
            FEATURES[self.features](flat(places, count, -1)),
            flat(rows.outputs["energies"], count, 2),
            flat(rows.outputs["gradients"], count, 2, -1),
            flat(rows.outputs["couplings"], count, -1),
        )

    def _scaling(self, answers: Answers) -> dict[str, torch.Tensor]:
        orders = exchanges(answers.seen[0].shape[1], self.alike)
        seen = torch.cat([answers.seen[0][:, order] for order, _ in orders])
        return {
            "center": seen.mean(0),
            "width": seen.std(0).clamp(min=1e-3),
            "zero": answers.energies.mean().reshape(1),
            "unit": answers.energies.std().clamp(min=0.01).reshape(1),
        }

    def _member(
        self, answers: Answers, scales: Weights, request: FitRequest, member: int
    ) -> tuple[Weights, float]:
        before = _weights(request.previous, member) if request.previous else {}
        generator = torch.Generator().manual_seed(1_000_003 * request.seed + member)
        best: tuple[Weights, float] = {}, math.inf
        if before:
            kept = {name: torch.tensor(before[f"s/{name}"]) for name in scales}
            start = _rescaled(before, kept, scales)
            best = self._minimised(start, answers, scales, request)
        # The signs of couplings are unknown, and a fit may settle where they are wrong between
        # two labels: its loss is then a hundred times that of a good one.
        for _ in range(self.starts):
            if best[1] <= self.enough or request.should_stop():
                break
            start = self._fresh(len(scales["center"]), generator)
            found = self._minimised(start, answers, scales, request)
            best = min(best, found, key=lambda pair: pair[1])
        return best

    def _fresh(self, inputs: int, generator: torch.Generator) -> Weights:
        sizes = [inputs, self.hidden, self.hidden, 3]
        weights: Weights = {}
        for layer, (before, after) in enumerate(pairwise(sizes)):
            scale = (self.rough if layer == 0 else 1.0) / before**0.5
            shape = {"generator": generator, "dtype": torch.float64}
            weights[f"w{layer}"] = scale * torch.randn(after, before, **shape)
            weights[f"b{layer}"] = torch.randn(after, **shape) * (
                0.5 * self.rough if layer == 0 else 0.1
            )
        return weights

    def _minimised(
        self,
        weights: Weights,
        answers: Answers,
        scales: Weights,
        request: FitRequest,
    ) -> tuple[Weights, float]:
        """By Levenberg and Marquardt, or by L-BFGS where the Jacobian would be large."""
        numbers = len(answers.energies) * (2 + 3 * answers.seen[1].shape[2])
        if numbers * sum(value.numel() for value in weights.values()) > _LARGEST:
            return self._descended(weights, answers, scales, request)
        return self._damped(weights, answers, scales, request)

    def _descended(
        self,
        weights: Weights,
        answers: Answers,
        scales: Weights,
        request: FitRequest,
    ) -> tuple[Weights, float]:
        """L-BFGS (Liu and Nocedal 1989) with a line search, all labels at once."""
        free = {name: value.clone().requires_grad_() for name, value in weights.items()}
        descent = torch.optim.LBFGS(
            free.values(), max_iter=50, history_size=50, line_search_fn="strong_wolfe"
        )

        def loss() -> torch.Tensor:
            descent.zero_grad()
            value = self._residuals(free, answers, scales).square().sum()
            value = value + self.decay * sum(free[f"w{n}"].square().sum() for n in range(3))
            value.backward()  # type: ignore[no-untyped-call]
            return value

        done, before = 0, math.inf
        now = float(loss().detach())
        while done < self.evaluations and before - now > 1e-4 * now and not request.should_stop():
            before = now
            descent.step(loss)
            now = float(loss().detach())
            state = descent.state[next(iter(free.values()))]
            done = int(state["func_evals"])
        return {name: value.detach() for name, value in free.items()}, now

    def _damped(
        self,
        weights: Weights,
        answers: Answers,
        scales: Weights,
        request: FitRequest,
    ) -> tuple[Weights, float]:
        """Levenberg and Marquardt: a step solves the linearised problem, damped as it fails.

        With fewer residuals than weights the damped system is solved in the residuals' space,
        ``-J^T (J J^T + damping)^-1 r``.
        """
        shapes = {name: value.shape for name, value in weights.items()}
        flat = torch.cat([value.reshape(-1) for value in weights.values()])

        def residuals(point: torch.Tensor) -> torch.Tensor:
            return self._residuals(_unflat(point, shapes), answers, scales)

        slopes = torch.func.jacrev(residuals, chunk_size=64)
        now, damping = residuals(flat), 1e-2
        for _ in range(self.iterations):
            if request.should_stop() or damping > 1e6:
                break
            jacobian = slopes(flat)
            gram = jacobian @ jacobian.T
            while damping <= 1e6:
                damped = gram + damping * torch.eye(len(now), dtype=now.dtype)
                step = -jacobian.T @ torch.linalg.solve(damped, now)
                then = residuals(flat + step)
                if then.square().sum() < now.square().sum():
                    break
                damping *= 4
            gain = 1 - float(then.square().sum() / now.square().sum())
            if damping > 1e6 or gain < 0:
                break
            flat, now, damping = flat + step, then, damping / 3
            if gain < 1e-4:
                break
        return _unflat(flat, shapes), float(now.square().sum())

    def _residuals(self, weights: Weights, answers: Answers, scales: Weights) -> torch.Tensor:
        """What is left of energies, gradients and coupling; its squares add up to means."""
        energies, gradients, coupling = self._surfaces(weights, answers.seen, scales)
        unit = scales["unit"]
        # Where surfaces are near, hops are decided: the gap counts there by what it is.
        near = (answers.energies[:, 1] - answers.energies[:, 0]) / 2 + self.near * unit
        far = (near / self.far)[:, None] if self.far else 0.0
        near = torch.minimum(near, unit)[:, None]
        off, tilt = energies - answers.energies, (gradients - answers.gradients) * self.length
        signs = torch.sign((coupling * answers.coupling).sum(1, keepdim=True)).detach()
        signs = torch.where(signs == 0, torch.ones_like(signs), signs)
        turned = (signs * coupling - answers.coupling) * self.length / near / (1 + far)
        parts = [
            off.sum(1, keepdim=True) / (2 * unit),
            (off[:, 1:] - off[:, :1]) / 2 / near,
            tilt.sum(1) / (2 * unit),
            (tilt[:, 1] - tilt[:, 0]) / 2 / near,
            turned,
        ]
        return torch.cat([part.reshape(-1) / part.numel() ** 0.5 for part in parts])

    def _surfaces(
        self, weights: Weights, seen: Seen, scales: Weights
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """``(n, 2)`` energies, ``(n, 2, q)`` gradients, ``(n, q)`` coupling of one member."""
        matrix, slopes = self._matrix(weights, seen[0], scales)
        mean, half, other = matrix.unbind(1)
        dmean, dhalf, dother = (slopes @ seen[1]).unbind(1)
        gap = (half.square() + other.square() + 1e-16).sqrt()
        dgap = (half[:, None] * dhalf + other[:, None] * dother) / gap[:, None]
        coupling = (half[:, None] * dother - other[:, None] * dhalf) / gap[:, None]
        unit, zero = scales["unit"], scales["zero"]
        energies = torch.stack([mean - gap, mean + gap], 1) * unit + zero
        return energies, torch.stack([dmean - dgap, dmean + dgap], 1) * unit, coupling * unit

    def _matrix(
        self, weights: Weights, features: torch.Tensor, scales: Weights
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """``(n, 3)`` the elements m, d, c; ``(n, 3, f)`` their slopes along the features."""
        value: torch.Tensor | float = 0.0
        slope: torch.Tensor | float = 0.0
        found = exchanges(features.shape[1], self.alike)
        for order, sign in found:
            seen = (features[:, order] - scales["center"]) / scales["width"]
            first = torch.tanh(seen @ weights["w0"].T + weights["b0"])
            second = torch.tanh(first @ weights["w1"].T + weights["b1"])
            signs = torch.tensor([1.0, 1.0, sign], dtype=features.dtype) / len(found)
            value = value + signs * (second @ weights["w2"].T + weights["b2"])
            back = (weights["w2"] * (1 - second.square())[:, None]) @ weights["w1"]
            back = (back * (1 - first.square())[:, None]) @ (weights["w0"] / scales["width"])
            slope = slope + signs[:, None] * back[:, :, order.argsort()]
        assert isinstance(value, torch.Tensor)
        assert isinstance(slope, torch.Tensor)
        return value, slope

    # ---- predicting

    def load(self, state: ModelState) -> None:
        """Use this state from the next prediction on."""
        count = int(state.data["members"])
        self._state = []
        for member in range(count):
            named = _weights(state, member)
            self._state.append({name: torch.tensor(value) for name, value in named.items()})

    def predict(self, batch: Batch) -> Prediction:
        """Mean and standard deviation over the members, coupling signs agreed on.

        Beside the answers' names there is "steering", for the gate: the gradients of both states,
        and the derivative coupling ``h / (E1 - E0 + softening)`` times ``hop``, all in eV/A. Where
        states are near it is the coupling, not the gradients, that decides where trajectories go.
        """
        assert self._state is not None, "load comes first"
        shape = batch[self.field].shape
        places = np.asarray(batch[self.field], np.float64).reshape(shape[0], -1)
        seen = FEATURES[self.features](torch.tensor(places))
        said: list[dict[str, Floats]] = []
        with torch.no_grad():
            for weights in self._state:
                scales = {name[2:]: value for name, value in weights.items() if name[1] == "/"}
                energies, gradients, coupling = self._surfaces(weights, seen, scales)
                h = coupling.numpy()
                if said:
                    first = said[0]["couplings"].reshape(h.shape)
                    h = h * np.where((h * first).sum(1, keepdims=True) < 0, -1.0, 1.0)
                e, g = energies.numpy(), gradients.numpy()
                said.append(
                    {
                        "energies": e,
                        "gradients": g.reshape(shape[0], 2, *shape[1:]),
                        "couplings": h.reshape(shape[0], 1, *shape[1:]),
                        "steering": self._steering(e, g, h).reshape(shape[0], 3, *shape[1:]),
                    }
                )
        stacked = {name: np.stack([one[name] for one in said]) for name in said[0]}
        mean = Batch.stack(**{name: value.mean(0) for name, value in stacked.items()})
        std = Batch.stack(**{name: value.std(0) for name, value in stacked.items()})
        return Prediction(mean, std, tuple(Batch.stack(**one) for one in said))

    def steering(self, answers: Batch, like: Floats) -> Floats:
        """``(n, 3, ...)`` of labels, the coupling with the sign of ``like``, one predicted."""
        energies, gradients, couplings = (
            np.asarray(answers[name], np.float64) for name in ("energies", "gradients", "couplings")
        )
        count = len(energies)
        flat = couplings.reshape(count, -1)
        signs = np.where((flat * like.reshape(count, -1)).sum(1, keepdims=True) < 0, -1.0, 1.0)
        made = self._steering(energies, gradients.reshape(count, 2, -1), signs * flat)
        return made.reshape(count, 3, *gradients.shape[2:])

    def _steering(self, energies: Floats, gradients: Floats, coupling: Floats) -> Floats:
        """``(n, 3, q)`` of ``(n, 2)``, ``(n, 2, q)`` and ``(n, q)``."""
        per_gap = self.hop * coupling / (energies[:, 1:] - energies[:, :1] + self.softening)
        return np.concatenate([gradients, per_gap[:, None]], axis=1)


def _unflat(flat: torch.Tensor, shapes: Mapping[str, torch.Size]) -> Weights:
    pieces = flat.split([shape.numel() for shape in shapes.values()])
    return {n: one.reshape(shape) for (n, shape), one in zip(shapes.items(), pieces, strict=True)}


def _weights(state: ModelState, member: int) -> dict[str, Any]:
    """A member's arrays, with the scales that they were fitted with, which all members share."""
    own = {n.partition("/")[2]: v for n, v in state.arrays.items() if n.startswith(f"m{member}/")}
    shared = {name: value for name, value in state.arrays.items() if name.startswith("s/")}
    return own | shared if own else {}


def _rescaled(before: Mapping[str, Any], old: Weights, new: Weights) -> Weights:
    """Previous weights that say the same of differently scaled inputs and outputs."""
    weights = {n: torch.tensor(v) for n, v in before.items() if not n.startswith("s/")}
    first = weights["w0"]
    weights["b0"] = weights["b0"] + first @ ((new["center"] - old["center"]) / old["width"])
    weights["w0"] = first * (new["width"] / old["width"])
    ratio = old["unit"] / new["unit"]
    weights["w2"], weights["b2"] = weights["w2"] * ratio, weights["b2"] * ratio
    weights["b2"][0] += ((old["zero"] - new["zero"]) / new["unit"])[0]
    return weights
