"""A committee of smooth diabatic Hamiltonians, learned from adiabatic answers alone.

Adiabatic energies have kinks and couplings have poles where surfaces meet; the matrix behind them
is smooth. A network gives its elements as functions of the coordinates (``descriptors.py`` says of
which, and how they keep a molecule's symmetry), and is fitted so that the matrix's eigenvalues,
their gradients, and the interstate couplings ``u_k . (grad H) u_j`` of its eigenvectors agree with
the answers; of each coupling only up to its sign, which an electronic-structure program leaves
open. No diabatic labels are needed (compare Guan, Xie, Yarkony and Guo, Phys. Chem. Chem. Phys. 23,
24962, 2021). A constant rotation of the diabatic states changes nothing that is seen, so members
are compared by their eigenvalues, never by their matrices.

Of two states the matrix is ``m`` plus ``((-d, c), (c, d))``, with eigenvalues
``m -+ sqrt(d^2 + c^2)``.

Units: Angstrom, eV, eV/A.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as held
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from descriptors import FEATURES, Seen
from numpy.typing import NDArray

from querist.core.answers import Dataset, Purpose
from querist.core.batch import Batch
from querist.core.prediction import Prediction
from querist.core.roles import FitRequest, FitResult, ModelState, WorkerContext

_LARGEST = 2e6  # numbers in a Jacobian
FORMAT = "photodynamics.diabatic/1"
Floats = NDArray[np.float64]
Weights = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Answers:
    """What is fitted, of ``s`` states and ``p`` pairs of them.

    Attributes:
        seen: Of the places.
        energies, gradients, couplings: ``(n, s)``, ``(n, s, q)`` and ``(n, p, q)``.
    """

    seen: Seen
    energies: torch.Tensor
    gradients: torch.Tensor
    couplings: torch.Tensor

    def first(self, count: int | None) -> Answers:
        """Of so many labels."""
        return Answers(
            self.seen.first(count),
            self.energies[:count],
            self.gradients[:count],
            self.couplings[:count],
        )


@dataclass(eq=False)
class DiabaticCommittee:
    """Networks of one shape that differ by their random start.

    Attributes:
        members: How many.
        states: How many.
        features: Name in :data:`descriptors.FEATURES` of what the networks see.
        field: Name of the coordinates.
        hidden: Width of the two hidden layers.
        iterations: Most steps of a fit; later fits begin at the previous weights.
        starts: Most random starts of a member in one fit, of which it keeps the best.
        enough: Loss with which a member is content.
        length: In Angstrom, weighs gradients against energies.
        near: Share of the energies' spread below which a gap counts no more.
        far: Share of the energies' spread: where half the gap is wider, the coupling, which moves
            nobody there and which two states alone do not explain, counts less; None for never.
        aside: In eV: where the highest state is so far above the next, it counts half; there it may
            meet others that are not learned. None for always in full.
        softening: In eV, keeps the pole of the derivative coupling, where surfaces meet, out of
            "steering".
        hop: In eV, weighs the derivative coupling against the gradients in "steering": about the
            kinetic energy, of which a wrong gradient, too, takes its share.
        rough: Of the first layer's random start: small ones begin smooth.
        decay: Weighs the squares of weights in a fit by L-BFGS.
        evaluations: Most evaluations of a fit by L-BFGS, which large ones use.
        trial: Evaluations after which the best of the starts by L-BFGS is chosen, which alone goes
            on; None lets each go on to its end. Of three states half of the random starts settle at
            ten times the loss of the others, where the order of states is wrong between labels.
        few: Labels, the first ones, that starts are tried on; None for all. With many, more starts
            settle badly.
    """

    members: int = 4
    states: int = 2
    features: str = "coordinates"
    field: str = "positions"
    hidden: int = 24
    iterations: int = 60
    starts: int = 5
    enough: float = 1e-5
    length: float = 0.3
    near: float = 0.02
    far: float | None = None
    aside: float | None = None
    softening: float = 0.02
    hop: float = 3.0
    rough: float = 2.0
    decay: float = 0.0
    evaluations: int = 800
    trial: int | None = None
    few: int | None = None
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

    @property
    def _pairs(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The lower and the upper state of each pair."""
        return np.triu_indices(self.states, 1)

    def _answers(self, rows: Dataset) -> Answers:
        def flat(values: Any, *shape: int) -> torch.Tensor:
            return torch.tensor(np.asarray(values, np.float64).reshape(*shape))

        count, places = len(rows.inputs), rows.inputs[self.field]
        return Answers(
            FEATURES[self.features](flat(places, count, -1), self.states),
            flat(rows.outputs["energies"], count, self.states),
            flat(rows.outputs["gradients"], count, self.states, -1),
            flat(rows.outputs["couplings"], count, len(self._pairs[0]), -1),
        )

    def _scaling(self, answers: Answers) -> dict[str, torch.Tensor]:
        seen = answers.seen.values
        return {
            "center": seen.mean(0),
            "width": seen.std(0).clamp(min=1e-3 if self.features == "coordinates" else 1e-6),
            "zero": answers.energies.mean().reshape(1),
            "unit": answers.energies.std().clamp(min=0.01).reshape(1),
        }

    def _member(
        self, answers: Answers, scales: Weights, request: FitRequest, member: int
    ) -> tuple[Weights, float]:
        before = _weights(request.previous, member) if request.previous else {}
        generator = torch.Generator().manual_seed(1_000_003 * request.seed + member)
        best: tuple[Weights, float] = {}, math.inf
        most, some = self.trial or self.evaluations, answers.first(self.few)
        if before:
            kept = {name: torch.tensor(before[f"s/{name}"]) for name in scales}
            start = _rescaled(before, kept, scales, 1 if self.states == 2 else self.states)
            best = self._minimised(start, some, scales, request, most)
        # The signs of couplings are unknown, and a fit may settle where they are wrong between
        # two labels: its loss is then a hundred times that of a good one.
        for _ in range(self.starts):
            if best[1] <= self.enough or request.should_stop():
                break
            start = self._fresh(answers.seen, generator)
            found = self._minimised(start, some, scales, request, most)
            best = min(best, found, key=lambda pair: pair[1])
        if self.trial and not request.should_stop():
            best = self._minimised(best[0], answers, scales, request, self.evaluations)
        return best

    def _fresh(self, seen: Seen, generator: torch.Generator) -> Weights:
        sizes = [seen.values.shape[1], self.hidden, self.hidden, len(seen.elements)]
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
        evaluations: int,
    ) -> tuple[Weights, float]:
        """By Levenberg and Marquardt, or by L-BFGS where the Jacobian would be large."""
        numbers = answers.energies.numel() + answers.gradients.numel() + answers.couplings.numel()
        if numbers * sum(value.numel() for value in weights.values()) > _LARGEST:
            return self._descended(weights, answers, scales, request, evaluations)
        return self._damped(weights, answers, scales, request)

    def _descended(
        self,
        weights: Weights,
        answers: Answers,
        scales: Weights,
        request: FitRequest,
        evaluations: int,
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
        while done < evaluations and before - now > 1e-4 * now and not request.should_stop():
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
        """What is left of energies, gradients and couplings; its squares add up to means."""
        energies, gradients, couplings = self._surfaces(weights, answers.seen, scales)
        unit, (low, high) = scales["unit"], self._pairs
        # Where surfaces are near, hops are decided: the gap counts there by what it is.
        near = (answers.energies[:, high] - answers.energies[:, low]) / 2 + self.near * unit
        far = (near / self.far)[..., None] if self.far else 0.0
        near = torch.minimum(near, unit)
        weight = self._weight(answers.energies)
        off = (energies - answers.energies) * weight
        tilt = (gradients - answers.gradients) * self.length * weight[..., None]
        signs = torch.sign((couplings * answers.couplings).sum(2, keepdim=True)).detach()
        signs = torch.where(signs == 0, torch.ones_like(signs), signs)
        turned = (signs * couplings - answers.couplings) * self.length * weight[:, high, None]
        parts = [
            off.sum(1) / (self.states * unit),
            (off[:, high] - off[:, low]) / 2 / near,
            tilt.sum(1) / (self.states * unit),
            (tilt[:, high] - tilt[:, low]) / 2 / near[..., None],
            turned / near[..., None] / (1 + far),
        ]
        return torch.cat([part.reshape(-1) / part.numel() ** 0.5 for part in parts])

    def _weight(self, energies: torch.Tensor) -> torch.Tensor:
        """``(n, s)`` how much each state counts; the highest less where nobody comes to it."""
        weight = torch.ones_like(energies)
        if self.aside:
            apart = (energies[:, -1] - energies[:, -2]) / self.aside
            weight[:, -1] = 1 / (1 + apart.square())
        return weight

    def _surfaces(
        self, weights: Weights, seen: Seen, scales: Weights
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """``(n, s)`` energies, ``(n, s, q)`` gradients, ``(n, p, q)`` couplings of one member."""
        matrix, slopes = self._matrix(weights, seen, scales)
        solved = _of_two(matrix, slopes) if self.states == 2 else self._of_many(matrix, slopes)
        energies, gradients, couplings = solved
        unit = scales["unit"]
        return energies * unit + scales["zero"], gradients * unit, couplings * unit

    def _of_many(
        self, matrix: torch.Tensor, slopes: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Eigenvalues, their slopes and the couplings of any number of states."""
        upper = np.triu_indices(self.states, 1)
        place = np.zeros((self.states, self.states), np.int64)
        place[np.diag_indices(self.states)] = np.arange(self.states)
        place[upper] = place[upper[::-1]] = self.states + np.arange(len(upper[0]))
        values, vectors = torch.linalg.eigh(matrix[:, place])
        turned = vectors.mT[:, None] @ slopes.mT[:, :, place] @ vectors[:, None]
        gradients = turned.diagonal(dim1=2, dim2=3).mT
        return values, gradients, turned[:, :, upper[0], upper[1]].mT

    def _matrix(
        self, weights: Weights, seen: Seen, scales: Weights
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """``(n, e)`` elements of the upper triangle; ``(n, e, q)`` their slopes."""
        features = (seen.values - scales["center"]) / scales["width"]
        first = torch.tanh(features @ weights["w0"].T + weights["b0"])
        second = torch.tanh(first @ weights["w1"].T + weights["b1"])
        outputs = second @ weights["w2"].T + weights["b2"]
        back = (weights["w2"] * (1 - second.square())[:, None]) @ weights["w1"]
        back = (back * (1 - first.square())[:, None]) @ (weights["w0"] / scales["width"])
        slopes = back @ seen.slopes * seen.carriers[..., None] + outputs[..., None] * seen.tilts
        return _gathered(outputs * seen.carriers, seen), _gathered(slopes, seen)

    # ---- predicting

    def load(self, state: ModelState) -> None:
        """Use this state from the next prediction on."""
        count = int(state.data["members"])
        self._state = []
        for member in range(count):
            named = _weights(state, member)
            self._state.append({name: torch.tensor(value) for name, value in named.items()})

    def weights(self) -> dict[str, Floats]:
        """Arrays of the state in use."""
        assert self._state is not None, "load comes first"
        own = {
            f"m{member}/{name}": value.numpy()
            for member, weights in enumerate(self._state)
            for name, value in weights.items()
            if not name.startswith("s/")
        }
        shared = self._state[0].items()
        return own | {n: value.numpy() for n, value in shared if n.startswith("s/")}

    def predict(self, batch: Batch) -> Prediction:
        """Mean and standard deviation over the members, coupling signs agreed on.

        Beside the answers' names there is "steering", for the gate: the gradients of all states,
        and the derivative couplings ``h / (E_j - E_k + softening)`` times ``hop``, all in eV/A.
        Where states are near it is the coupling, not the gradients, that decides where
        trajectories go.
        """
        assert self._state is not None, "load comes first"
        shape = batch[self.field].shape
        places = np.asarray(batch[self.field], np.float64).reshape(shape[0], -1)
        seen = FEATURES[self.features](torch.tensor(places), self.states)
        said: list[dict[str, Floats]] = []
        with torch.no_grad():
            for weights in self._state:
                scales = {name[2:]: value for name, value in weights.items() if name[1] == "/"}
                e, g, h = (part.numpy() for part in self._surfaces(weights, seen, scales))
                if said:
                    h = _with_signs(h, said[0]["couplings"].reshape(h.shape))
                parts = {"gradients": g, "couplings": h, "steering": self._steering(e, g, h)}
                whole = {n: part.reshape(*part.shape[:2], *shape[1:]) for n, part in parts.items()}
                said.append({"energies": e, **whole})
        stacked = {name: np.stack([one[name] for one in said]) for name in said[0]}
        mean = Batch.stack(**{name: value.mean(0) for name, value in stacked.items()})
        std = Batch.stack(**{name: value.std(0) for name, value in stacked.items()})
        return Prediction(mean, std, tuple(Batch.stack(**one) for one in said))

    def steering(self, answers: Batch, like: Floats) -> Floats:
        """``(n, s + p, ...)`` of labels, couplings with the signs of ``like``, predicted ones."""
        energies, gradients, couplings = (
            np.asarray(answers[name], np.float64) for name in ("energies", "gradients", "couplings")
        )
        flat, wide = couplings.reshape(*couplings.shape[:2], -1), gradients.shape[2:]
        signed = _with_signs(flat, like.reshape(flat.shape))
        made = self._steering(energies, gradients.reshape(*gradients.shape[:2], -1), signed)
        return made.reshape(*made.shape[:2], *wide)

    def _steering(self, energies: Floats, gradients: Floats, couplings: Floats) -> Floats:
        """``(n, s + p, q)`` of ``(n, s)``, ``(n, s, q)`` and ``(n, p, q)``."""
        low, high = self._pairs
        gaps = energies[:, high] - energies[:, low] + self.softening
        return np.concatenate([gradients, self.hop * couplings / gaps[..., None]], axis=1)


def _with_signs(couplings: Floats, like: Floats) -> Floats:
    """``(n, p, q)``, each pair's turned to the side of ``like``."""
    return couplings * np.where((couplings * like).sum(2, keepdims=True) < 0, -1.0, 1.0)


def _of_two(
    matrix: torch.Tensor, slopes: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Eigenvalues of ``(n, 3)`` elements m, d, c, their slopes, and the coupling."""
    mean, half, other = matrix.unbind(1)
    dmean, dhalf, dother = slopes.unbind(1)
    gap = (half.square() + other.square() + 1e-16).sqrt()
    dgap = (half[:, None] * dhalf + other[:, None] * dother) / gap[:, None]
    coupling = (half[:, None] * dother - other[:, None] * dhalf) / gap[:, None]
    energies = torch.stack([mean - gap, mean + gap], 1)
    return energies, torch.stack([dmean - dgap, dmean + dgap], 1), coupling[:, None]


def _gathered(outputs: torch.Tensor, seen: Seen) -> torch.Tensor:
    """Sums of ``(n, o, ...)`` outputs of the same element."""
    if len(seen.elements) == int(seen.elements[-1]) + 1:
        return outputs
    sums = torch.zeros(len(outputs), int(seen.elements[-1]) + 1, *outputs.shape[2:])
    return sums.to(outputs.dtype).index_add(1, seen.elements, outputs)


def _unflat(flat: torch.Tensor, shapes: Mapping[str, torch.Size]) -> Weights:
    pieces = flat.split([shape.numel() for shape in shapes.values()])
    return {n: one.reshape(shape) for (n, shape), one in zip(shapes.items(), pieces, strict=True)}


def _weights(state: ModelState, member: int) -> dict[str, Any]:
    """A member's arrays, with the scales that they were fitted with, which all members share."""
    own = {n.partition("/")[2]: v for n, v in state.arrays.items() if n.startswith(f"m{member}/")}
    shared = {name: value for name, value in state.arrays.items() if name.startswith("s/")}
    return own | shared if own else {}


def _rescaled(before: Mapping[str, Any], old: Weights, new: Weights, means: int) -> Weights:
    """Previous weights that say the same of differently scaled inputs and outputs.

    The first ``means`` outputs hold energies, the others differences.
    """
    weights = {n: torch.tensor(v) for n, v in before.items() if not n.startswith("s/")}
    first = weights["w0"]
    weights["b0"] = weights["b0"] + first @ ((new["center"] - old["center"]) / old["width"])
    weights["w0"] = first * (new["width"] / old["width"])
    ratio = old["unit"] / new["unit"]
    weights["w2"], weights["b2"] = weights["w2"] * ratio, weights["b2"] * ratio
    weights["b2"][:means] += ((old["zero"] - new["zero"]) / new["unit"])[0]
    return weights
