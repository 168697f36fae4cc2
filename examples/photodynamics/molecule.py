"""CH2NH2+ on surfaces learned from SA-CASSCF, against held-out answers and a torsion scan.

``python molecule.py`` runs trajectories on the committee in ``committee.npz``, without PySCF;
``--full`` asks the oracle again for everything: the scouts, a campaign that goes on from them
(``molecule.yaml``), the scan, places that trajectories went to. Copied beside this file,
``scouts.npz``, ``labels.npz``, ``committee.npz`` and ``scan.npy`` of its run folder are the
committed ones. Units: Angstrom, eV, fs.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

for _library in ("OMP", "OPENBLAS", "MKL"):  # one thread a process
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

import numpy as np  # noqa: E402
from casscf import HARTREE, electronic, solution  # noqa: E402
from diabatic import DiabaticCommittee  # noqa: E402
from methaniminium import HERE, committee, reference, scouts, shaped, whole  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from voyage import Voyage, drift, lifetime, voyage  # noqa: E402

from querist import model_of  # noqa: E402
from querist.campaign.campaign import Campaign  # noqa: E402
from querist.core.answers import Dataset, Purpose  # noqa: E402
from querist.core.batch import Batch  # noqa: E402
from querist.core.errors import OracleRejected  # noqa: E402
from querist.core.roles import FitRequest, ModelState  # noqa: E402
from querist.sources.formats import read, write  # noqa: E402

Floats = NDArray[np.float64]
ANGLES = np.arange(0.0, 91.0, 10.0)
"""Of the torsion scan, in degrees."""
BOND = 1.40
"""C-N in the scan, in Angstrom, between the ground state's and the twisted molecule's."""


SCOUTS = 100
"""Labels before there is a model."""
REACHABLE = 13.3
"""Of the middle surface above the ground state's minimum, in eV: a molecule's total energy after
the light (10.5 eV at the minimum) with its zero-point energy (1.6 eV), and a margin."""
LOWEST = -2567.85
"""Energy of the ground state's minimum, in eV."""
DOUBT = 1.0
"""The committee's standard deviation of "steering" above which a step is doubted, in eV/A: what
``molecule.yaml`` asks above."""
MEMBERS = 3
"""Of the campaign's committee."""
VISITED = 40
"""Places along the learned trajectories that the full form asks the oracle about."""
DRIFT, GAP, GRADIENTS = 0.05, 0.4, 1.0
"""What the check allows: eV, eV, eV/A."""


class Errors(NamedTuple):
    """Mean absolute errors.

    Attributes:
        energies: ``(3,)`` of the states, in eV.
        gap: Between the lower two states, in eV.
        gradients: ``(3,)`` of the states, in eV/A.
        couplings: In eV/A.
    """

    energies: Floats
    gap: float
    gradients: Floats
    couplings: float


def reachable(labels: Dataset) -> Dataset:
    """Without places that no molecule has the energy for, or where it is broken.

    Trajectories on a young model may run into atoms; learning that only blurs the rest.
    """
    fit = whole(labels.inputs["positions"])
    fit &= labels.outputs["energies"][:, 1] < LOWEST + REACHABLE
    return labels.take(np.flatnonzero(fit))


def learned(labels: Dataset, members: int, evaluations: int = 1000, seed: int = 1) -> Any:
    """A committee fitted to the training part of labels, from random starts."""
    return _fitted(labels, FitRequest(seed=seed), members=members, evaluations=evaluations)


def relearned(labels: Dataset, before: ModelState, evaluations: int) -> DiabaticCommittee:
    """Fitted on from weights that are known."""
    request, members = FitRequest(seed=1, previous=before), int(before.data["members"])
    return _fitted(labels, request, members=members, evaluations=evaluations, starts=0, trial=None)


def _fitted(labels: Dataset, request: FitRequest, **options: Any) -> DiabaticCommittee:
    model = committee(**options)
    model.load(model.fit(labels, request).state)
    return model


def kept_weights(members: int = MEMBERS) -> ModelState:
    """Of the committee that the full form fitted."""
    with np.load(HERE / "committee.npz") as kept:
        return ModelState({name: kept[name] for name in kept}, {"members": members})


def errors(model: DiabaticCommittee, labels: Dataset) -> Errors:
    """On the part of the labels that was never trained on; the coupling's sign is free."""
    rows = labels.only(Purpose.HOLDOUT)
    said, true = model.predict(rows.inputs).mean, rows.outputs
    off = said["energies"] - true["energies"]
    signs = np.sign((said["couplings"] * true["couplings"]).sum(axis=(2, 3), keepdims=True))
    return Errors(
        abs(off).mean(axis=0),
        float(abs(off[:, 1] - off[:, 0]).mean()),
        abs(said["gradients"] - true["gradients"]).mean(axis=(0, 2, 3)),
        float(abs(signs * said["couplings"] - true["couplings"]).mean()),
    )


def calibration(model: DiabaticCommittee, labels: Dataset, parts: int = 4) -> list[Floats]:
    """Whether doubts tell errors: what ``gate.ask`` is chosen on.

    Held-out labels are sorted by their doubt of "steering" and cut into equal parts.

    Returns:
        Of each part the smallest and the largest doubt, and the median of the error of "steering"
        on the worst atom, in eV/A.
    """
    rows = labels.only(Purpose.HOLDOUT)
    said = model.predict(rows.inputs)
    doubts = said.uncertainty("steering")
    off = said.mean["steering"] - model.steering(rows.outputs, said.mean["couplings"])
    errors = np.linalg.norm(off, axis=-1).max(axis=(1, 2))
    return [
        np.array([doubts[part[0]], doubts[part[-1]], np.median(errors[part])])
        for part in np.array_split(np.argsort(doubts), parts)
    ]


def twisted() -> Floats:
    """``(10, 6, 3)`` the places of the torsion scan."""
    planar = reference().positions
    return np.array([shaped(planar, angle, BOND) for angle in ANGLES])


def scanned() -> Floats:
    """``(10, 3)`` the oracle's energies along the scan."""
    return np.array([solution(place).e_states for place in twisted()]) * HARTREE


def answered(places: Floats, file: Path, every: int = 7) -> Dataset:
    """Ask the oracle, one after the other, what is not in the file yet; it grows with each answer.

    One of so many is held out; places where the oracle fails are left out.
    """
    known = read(file) if file.exists() else None
    rows: list[Any] = []
    there: list[Floats] = []
    for place in places:
        answer, new = _known(known, place), False
        if answer is None:
            answer, new = _asked(place), True
        if answer is None:
            continue
        rows.append(answer)
        there.append(place)
        if new or len(there) == len(places):
            outputs = {name: np.array([row[name] for row in rows]) for name in rows[0]}
            both = Purpose.TRAIN.value, Purpose.HOLDOUT.value
            chosen = tuple(both[k % every == every - 1] for k in range(len(rows)))
            inputs = Batch.stack(positions=np.array(there))
            write(file, Dataset(inputs, Batch.stack(**outputs), chosen))
    return read(file)


def _known(labels: Dataset | None, place: Floats) -> Any:
    if labels is None:
        return None
    same = np.flatnonzero(abs(labels.inputs["positions"] - place).max(axis=(1, 2)) < 1e-8)
    return labels.outputs.arrays(int(same[0])) if len(same) else None


def _asked(place: Floats) -> Any:
    """The oracle's answer, or None where its orbitals do not converge."""
    try:
        return electronic(place)
    except OracleRejected:
        return None


def visited(one: Voyage, count: int = VISITED) -> Floats:
    """``(count, 6, 3)`` places where the learned trajectories were, drawn evenly."""
    times, walkers = np.nonzero(np.isfinite(one.gaps))
    chosen = np.random.default_rng(0).choice(len(times), count, replace=False)
    return one.positions[times[chosen], walkers[chosen]]


def ask_all(folder: Path, engine: str | None) -> tuple[Dataset, Floats]:
    """The full form: scouts, then the campaign, then the scan; all by the oracle.

    What an interrupted one already has in the folder is gone on from.
    """
    folder.mkdir(parents=True, exist_ok=True)
    first, run = folder / "scouts.npz", folder / "run"
    answered(scouts(SCOUTS, 3), first)
    values = Campaign.load(HERE / "molecule.yaml", engine=engine).settings.model_dump()
    values["start"]["labels"] = [str(first.resolve())]
    if values["engine"]["kind"] == "inline":
        values["slice"] = {"steps": 5, "seconds": None}
    result = Campaign(**values).resume(run) if run.exists() else Campaign(**values).run(run)
    assert result.status == "finished", result.reason
    write(folder / "labels.npz", lighter(result.dataset()))
    np.save(folder / "scan.npy", scan := scanned())
    return result.dataset(), scan


def lighter(labels: Dataset) -> Dataset:
    """With gradients and couplings in single precision, half as large."""
    outputs = {name: labels.outputs[name] for name in labels.outputs.columns}
    outputs |= {name: outputs[name].astype(np.float32) for name in ("gradients", "couplings")}
    return replace(labels, outputs=Batch.stack(**outputs))


def told(labels: Dataset, found: Errors, scan: tuple[Floats, Floats], one: Voyage) -> None:
    """Print what was learned and what follows from it."""
    held = len(labels.rows(Purpose.HOLDOUT))
    print(
        f"CH2NH2+: {len(labels) - held} labels trained on, {held} held out; mean absolute errors "
        f"there: energies of the three states {listed(found.energies)} eV, gap of the lower two "
        f"{found.gap:.2f} eV, gradients {listed(found.gradients)} eV/A, couplings "
        f"{found.couplings:.2f} eV/A\n"
        "torsion scan: largest error of the gap of the lower two "
        f"{abs(np.diff(scan[0] - scan[1])[:, 0]).max():.2f} eV"
    )
    for state, name in ((2, "in the bright state"), (1, "excited and whole")):
        life = lifetime(one, state)
        print(
            f"1/e of the molecules are still {name} after {life.value:.1f} fs (95 %: "
            f"{life.low:.1f} to {life.high:.1f})"
        )
    down, broken = one.fates
    print(f"{down:.0%} came down to the ground state, {broken:.0%} broke before")
    doubtful = float((one.doubts[np.isfinite(one.doubts)] > DOUBT).mean())
    print(
        f"{one.active.shape[1]} trajectories of up to {one.times[-1]:.0f} fs, {one.hops} hops; "
        f"total energy changes by {np.median(drift(one)):.3f} eV (median; at most "
        f"{drift(one).max():.2f}), norms by {np.nanmax(abs(one.norms - 1)):.0e}; {doubtful:.0%} of "
        f"the steps in doubt\n{one.steps_a_second:,.0f} steps of a molecule a second, "
        f"{one.predicting:.0%} of the time predicting"
    )


def listed(values: Floats) -> str:
    """Of the three states."""
    return ", ".join(f"{value:.2f}" for value in values)


def short() -> None:
    """What ``check.py`` runs: seconds, from the committed labels."""
    labels = reachable(read(HERE / "labels.npz"))
    model = relearned(labels, kept_weights(2), 60)
    compare(labels, model, np.load(HERE / "scan.npy"), voyage(model.predict, 20, duration=20.0))


def compare(labels: Dataset, model: DiabaticCommittee, true: Floats, one: Voyage) -> None:
    """Print, and assert what must hold."""
    found = errors(model, labels)
    said = model.predict(Batch.stack(positions=twisted())).mean["energies"]
    told(labels, found, (said, true), one)
    for low, high, error in calibration(model, labels):
        print(f"doubts of {low:.2f} to {high:.2f} eV/A: median error {error:.2f} eV/A")
    assert np.nanmax(abs(one.norms - 1)) < 1e-8, "amplitudes lost their norm"
    assert np.median(drift(one)) < DRIFT, "total energy is not kept"
    assert found.gap < GAP, f"gap off by {found.gap:.3f} eV"
    worst = found.gradients[:2].max()
    assert worst < GRADIENTS, f"gradients off by {worst:.2f} eV/A"


def follow(model: DiabaticCommittee, there: Dataset) -> None:
    """Print how good the model is where its trajectories went."""
    off = errors(model, there)
    print(
        f"at {len(there.inputs)} of {VISITED} places where the learned trajectories were (at the "
        f"others the oracle fails): energies {listed(off.energies)} eV, gap {off.gap:.2f} eV, "
        f"gradients {listed(off.gradients)} eV/A, couplings {off.couplings:.2f} eV/A"
    )
    for low, high, error in calibration(model, there):
        print(f"doubts of {low:.2f} to {high:.2f} eV/A: median error {error:.2f} eV/A")


def main() -> None:
    """Learn, run, compare, draw."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--full", action="store_true", help="ask the oracle again")
    parser.add_argument("--engine", choices=("processes", "inline"), help="of the campaign")
    parser.add_argument("--walkers", type=int, default=90, help="trajectories at once")
    options = parser.parse_args()
    folder = Path("runs") / "methaniminium"
    if options.full:
        labels, true = ask_all(folder, options.engine)
        labels = reachable(labels)
        model = model_of(folder / "run")  # the campaign's own, fitted to all its labels
    else:
        folder.mkdir(parents=True, exist_ok=True)
        labels, true = reachable(read(HERE / "labels.npz")), np.load(HERE / "scan.npy")
        model = committee(members=MEMBERS)
        model.load(kept_weights())
    one = voyage(model.predict, options.walkers)
    from portraits import draw

    print("pictures:", *draw(folder, labels, model, (twisted(), true), one))
    if options.full:
        np.savez(folder / "committee.npz", **model.weights())
        follow(model, answered(visited(one), folder / "visited.npz", every=1))
    compare(labels, model, true, one)


if __name__ == "__main__":
    main()
