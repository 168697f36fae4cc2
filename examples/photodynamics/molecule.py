"""CH2NH2+ on surfaces learned from SA-CASSCF, against held-out answers and a torsion scan.

``python molecule.py`` fits the committee to the labels in ``labels.npz`` and runs trajectories,
without PySCF; ``--full`` asks the oracle again for everything: the scouts, a campaign that goes on
from them (``molecule.yaml``), the scan; copied beside this file, ``scouts.npz``, ``labels.npz`` and
``scan.npy`` of its run folder are the committed ones. Units: Angstrom, eV, fs.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import NamedTuple

for _library in ("OMP", "OPENBLAS", "MKL"):  # one thread a process
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

import numpy as np  # noqa: E402
from casscf import HARTREE, electronic, solution  # noqa: E402
from diabatic import DiabaticCommittee  # noqa: E402
from methaniminium import HERE, committee, reference, scouts, shaped, whole  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from voyage import Voyage, drift, lifetime, voyage  # noqa: E402

from querist.campaign.campaign import Campaign  # noqa: E402
from querist.core.answers import Dataset, Purpose  # noqa: E402
from querist.core.batch import Batch  # noqa: E402
from querist.core.roles import FitRequest  # noqa: E402
from querist.sources.formats import read, write  # noqa: E402

Floats = NDArray[np.float64]
ANGLES = np.arange(0.0, 91.0, 10.0)
"""Of the torsion scan, in degrees."""
BOND = 1.40
"""C-N in the scan, in Angstrom, between the ground state's and the twisted molecule's."""


SCOUTS = 100
"""Labels before there is a model."""
REACHABLE = 13.28
"""Of the upper surface above the ground state's minimum, in eV: a molecule's total energy after
the light (10.4 eV) with its zero-point energy (1.7 eV), and a margin."""
LOWEST = -2567.81
"""Energy of the ground state's minimum, in eV."""
DOUBT = 1.0
"""The committee's standard deviation of "steering" above which a step is doubted, in eV/A: what
``molecule.yaml`` asks above."""
DRIFT, GAP, GRADIENTS = 0.05, 0.6, 0.7
"""What the check allows: eV, eV, eV/A."""


class Errors(NamedTuple):
    """Mean absolute errors: of energies and the gap in eV, of gradients and coupling in eV/A."""

    energies: float
    gap: float
    gradients: float
    coupling: float


def reachable(labels: Dataset) -> Dataset:
    """Without places that no molecule has the energy for, or where it is broken.

    Trajectories on a young model may run into atoms; learning that only blurs the rest.
    """
    fit = whole(labels.inputs["positions"])
    fit &= labels.outputs["energies"][:, 1] < LOWEST + REACHABLE
    return labels.take(np.flatnonzero(fit))


def learned(labels: Dataset, members: int, evaluations: int = 2000) -> DiabaticCommittee:
    """A committee fitted to the training part of labels."""
    model = committee(members=members, evaluations=evaluations)
    model.load(model.fit(labels, FitRequest(seed=1)).state)
    return model


def errors(model: DiabaticCommittee, labels: Dataset) -> Errors:
    """On the part of the labels that was never trained on; the coupling's sign is free."""
    rows = labels.only(Purpose.HOLDOUT)
    said, true = model.predict(rows.inputs).mean, rows.outputs
    off = said["energies"] - true["energies"]
    signs = np.sign((said["couplings"] * true["couplings"]).sum(axis=(1, 2, 3), keepdims=True))
    return Errors(
        float(abs(off).mean()),
        float(abs(off[:, 1] - off[:, 0]).mean()),
        float(abs(said["gradients"] - true["gradients"]).mean()),
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
    """``(10, 2)`` the oracle's energies along the scan."""
    return np.array([solution(place).e_states for place in twisted()]) * HARTREE


def answered(places: Floats) -> Dataset:
    """Ask the oracle, one after the other; every seventh is held out."""
    rows = [electronic(place) for place in places]
    outputs = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    purposes = [Purpose.TRAIN, Purpose.HOLDOUT]
    chosen = tuple(purposes[k % 7 == 6].value for k in range(len(rows)))
    return Dataset(Batch.stack(positions=places), Batch.stack(**outputs), chosen)


def ask_all(folder: Path, engine: str | None) -> tuple[Dataset, Floats]:
    """The full form: scouts, then the campaign, then the scan; all by the oracle.

    What an interrupted one already has in the folder is gone on from.
    """
    folder.mkdir(parents=True, exist_ok=True)
    first, run = folder / "scouts.npz", folder / "run"
    if not first.exists():
        write(first, answered(scouts(SCOUTS, 3)))
    values = Campaign.load(HERE / "molecule.yaml", engine=engine).settings.model_dump()
    values["start"]["labels"] = [str(first.resolve())]
    if values["engine"]["kind"] == "inline":
        values["slice"] = {"steps": 5, "seconds": None}
    result = Campaign(**values).resume(run) if run.exists() else Campaign(**values).run(run)
    assert result.status == "finished", result.reason
    write(folder / "labels.npz", result.dataset())
    np.save(folder / "scan.npy", scan := scanned())
    return result.dataset(), scan


def told(labels: Dataset, found: Errors, scan: tuple[Floats, Floats], one: Voyage) -> None:
    """Print what was learned and what follows from it."""
    life, held = lifetime(one), len(labels.rows(Purpose.HOLDOUT))
    doubtful = float((one.doubts[np.isfinite(one.doubts)] > DOUBT).mean())
    print(
        f"CH2NH2+: {len(labels) - held} labels trained on, {held} held out: energies "
        f"{found.energies:.3f} eV, gap {found.gap:.3f} eV, gradients {found.gradients:.2f} eV/A, "
        f"coupling {found.coupling:.2f} eV/A (mean absolute errors)\n"
        f"torsion scan: largest error of the gap {abs(np.diff(scan[0] - scan[1])).max():.2f} eV\n"
        f"{one.active.shape[1]} trajectories of {one.times[-1]:.0f} fs: upper surface left for 1/e "
        f"after {life.value:.0f} fs (95 %: {life.low:.0f} to {life.high:.0f}); total energy "
        f"changes by {np.median(drift(one)):.3f} eV (median; at most {drift(one).max():.2f}), "
        f"norms by {np.nanmax(abs(one.norms - 1)):.0e}; {one.hops} hops; "
        f"{doubtful:.0%} of the steps in doubt\n"
        f"{one.steps_a_second:,.0f} steps of a molecule a second, {one.predicting:.0%} of the time "
        "predicting"
    )


def short() -> None:
    """What ``check.py`` runs: seconds, from the committed labels."""
    labels = reachable(read(HERE / "labels.npz"))
    model = learned(labels, 2, 250)
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
    assert found.gradients < GRADIENTS, f"gradients off by {found.gradients:.2f} eV/A"


def main() -> None:
    """Learn, run, compare, draw."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--full", action="store_true", help="ask the oracle again: an hour")
    parser.add_argument("--engine", choices=("processes", "inline"), help="of the campaign")
    parser.add_argument("--walkers", type=int, default=90, help="trajectories at once")
    options = parser.parse_args()
    folder = Path("runs") / "methaniminium"
    if options.full:
        labels, true = ask_all(folder, options.engine)
        labels = reachable(labels)
    else:
        folder.mkdir(parents=True, exist_ok=True)
        labels, true = reachable(read(HERE / "labels.npz")), np.load(HERE / "scan.npy")
    model = learned(labels, 4)
    one = voyage(model.predict, options.walkers)
    from portraits import draw

    print("pictures:", *draw(folder, labels, model, (twisted(), true), one))
    compare(labels, model, true, one)


if __name__ == "__main__":
    main()
