"""Which molecule for which host: ``python pairs.py [--hosts alpha beta gamma]``.

The second axis: cyclodextrins of six, seven and eight glucoses or, where the kinase is, its
mutants. A candidate is a pair. The process sees the molecule's fingerprint and, beside it, bits of
the host, so that what was learned in one host speaks for the others, but not as if they were one.
Dockings come from the tables of :mod:`truth`; molecules that were docked into all hosts take part.
It also tells what each part of a molecule loses or gains from host to host, on average.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from drawing import draw_hosts, draw_parts
from molecules import HEADS, LINKERS, TAILS, fingerprints, library, parts_of
from numpy.typing import NDArray
from recall import BATCH, Pool, search
from truth import HERE, read

MARK = 12
"""Bits that mark a host: as many as a third of those of a molecule, about."""
ENOUGH, SHARE = 4 * BATCH, 0.25
"""Molecules from which on searches are compared, and the share of pairs that they dock."""
OFFLINE = ("alpha", "beta", "gamma")
Matrix = NDArray[np.float64]


def affinities(hosts: Sequence[str], dear: int, folder: Path) -> tuple[list[int], Matrix]:
    """Molecules docked into all hosts with an exhaustiveness, and affinities (molecules, hosts)."""
    tables = [read(folder / f"{host}-{dear}.csv") for host in hosts]
    rows = sorted(set.intersection(*(set(table) for table in tables)))
    return rows, np.array([[-table[row][0] for table in tables] for row in rows])


def pool_of(rows: Sequence[int], values: Matrix) -> Pool:
    """Pairs as a pool: all molecules of the first host, then of the second, and so on."""
    bits = fingerprints([library()[row] for row in rows])
    count = values.shape[1]
    marks = np.kron(np.eye(count), np.ones((1, MARK)))
    parts = [np.hstack([bits, np.tile(marks[host], (len(rows), 1))]) for host in range(count)]
    flat = values.T.ravel()
    return Pool(np.vstack(parts), flat, np.ones(len(flat)))


def best_found(order: NDArray[np.int64], values: Matrix, top: int = 10) -> Matrix:
    """Share of each host's ``top`` that was found after each docking (dockings, hosts)."""
    molecules, hosts = values.shape
    best = {
        host * molecules + row
        for host in range(hosts)
        for row in np.argsort(-values[:, host], kind="stable")[:top].tolist()
    }
    hits = np.zeros((len(order), hosts))
    for place, pair in enumerate(order.tolist()):
        hits[place, pair // molecules] = pair in best
    return np.cumsum(hits, axis=0) / top


def compared(values: Matrix, rows: Sequence[int], seeds: int, share: float) -> dict[str, Matrix]:
    """The mean share of the hosts' best when a share of pairs is docked, a number a seed.

    Together: one search over pairs, in order of the gain over each host's mean. Apart: one search a
    host, with as many dockings in all.
    """
    molecules, hosts = values.shape
    centred = values - values.mean(axis=0)
    together = pool_of(rows, centred)
    apart = [pool_of(rows, centred[:, [host]]) for host in range(hosts)]
    count = round(share * values.size)
    told: dict[str, list[float]] = {"together": [], "apart": [], "random": []}
    for seed in range(seeds):
        order = search(together, "ucb", seed, share=share)[:count]
        told["together"].append(float(best_found(order, values)[-1].mean()))
        each = []
        for host, pool in enumerate(apart):
            own = search(pool, "ucb", seed, share=share)[: round(share * molecules)]
            each.append(best_found(own, values[:, [host]])[-1, 0])
        told["apart"].append(float(np.mean(each)))
        drawn = np.random.default_rng(seed).permutation(values.size)[:count]
        told["random"].append(float(best_found(drawn, values)[-1].mean()))
    return {name: np.array(one) for name, one in told.items()}


def winners(hosts: Sequence[str], rows: Sequence[int], values: Matrix) -> dict[str, Any]:
    """The best molecule of each host, and what it is worth in the others."""
    told = {}
    for place, host in enumerate(hosts):
        best = int(values[:, place].argmax())
        told[host] = {
            "molecule": "-".join(parts_of(rows[best])),
            "affinity": dict(zip(hosts, values[best].round(2).tolist(), strict=True)),
        }
    return told


def correlations(values: Matrix) -> Matrix:
    """Of the affinities in two hosts each (hosts, hosts)."""
    return np.asarray(np.corrcoef(values.T))


def by_part(rows: Sequence[int], values: Matrix) -> dict[str, list[list[float]]]:
    """What molecules with a part gain in each host over the first: means and standard errors.

    Each part is in a tenth or a fifth of the library, so that the noise of a docking averages out.
    """
    change = values[:, 1:] - values[:, :1]
    told = {}
    for name in (*HEADS, *LINKERS, *TAILS):
        own = change[[name in parts_of(row) for row in rows]]
        if len(own) > 1:
            error = own.std(axis=0, ddof=1) / np.sqrt(len(own))
            told[name] = np.stack([own.mean(axis=0), error], axis=1).round(2).tolist()
    return told


def facts(rows: Sequence[int], values: Matrix, hosts: Sequence[str], seeds: int) -> dict[str, Any]:
    """All that is told; searches are compared where there are molecules enough for some batches."""
    told: dict[str, Any] = {
        "molecules": len(rows),
        "best of each": winners(hosts, rows, values),
        "means": values.mean(axis=0).round(2).tolist(),
        "correlations": correlations(values).round(2).tolist(),
        "by part": by_part(rows, values),
    }
    if len(rows) >= ENOUGH:
        shares: Mapping[str, Matrix] = compared(values, rows, seeds, SHARE)
        told["best found"] = {n: [float(v.mean()), float(v.std())] for n, v in shares.items()}
    return told


def main() -> None:
    """Tell which is best for which, and what one search over pairs saves."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--hosts", nargs="+", default=list(OFFLINE))
    parser.add_argument("--exhaustiveness", type=int, default=1)
    parser.add_argument("--table", type=Path, default=HERE / "results", help="folder of tables")
    parser.add_argument("--out", type=Path, default=Path("runs"))
    parser.add_argument("--seeds", type=int, default=10)
    options = parser.parse_args()
    rows, values = affinities(options.hosts, options.exhaustiveness, options.table)
    if not rows:
        raise SystemExit(f"No molecule was docked into all of {options.hosts}: see truth.py.")
    told = facts(rows, values, options.hosts, options.seeds)
    print(json.dumps(told, indent=2))
    options.out.mkdir(parents=True, exist_ok=True)
    stem = options.out / f"hosts-{options.hosts[0]}"
    draw_hosts(options.hosts, values, Path(f"{stem}.png"))
    draw_parts(told["by part"], options.hosts[1:], Path(f"{stem}-parts.png"))
    Path(f"{stem}.json").write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
