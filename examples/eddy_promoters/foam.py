"""OpenFOAM as a second, dearer oracle: the same channel on a mesh that fits the promoters.

``blockMesh`` makes hexahedra, a ring of them around each promoter; ``simpleFoam`` finds the steady
laminar flow by second-order finite volumes, ``scalarTransportFoam`` the temperature carried along.
Lengths are in H, velocities in U, as in ``problem.py``.

As a command (of a ``CommandOracle`` with ``files: {input.json: json}``) it reads ``input.json``,
works in the current folder, and writes ``output.json``: ``python foam.py``. For a single design:
``python foam.py 2 1.0 0.4 1.0``.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

REYNOLDS, PRANDTL, LENGTH, GAP = 100.0, 0.71, 6.0, 0.1  # as in problem.py, which needs numba
CELLS = 16
"""Cells across each of three layers between the walls."""
RING, THICK = 0.06, 0.1
"""Least thickness of the ring of cells around a promoter, and depth of the only layer in z."""
PROGRAMS = ("blockMesh", "simpleFoam", "scalarTransportFoam")
INSTALL = "OpenFOAM is not here; install it with: apt-get install --no-install-recommends openfoam"

Point = tuple[float, float]


def missing() -> str | None:
    """A sentence with the command that installs it, or None where OpenFOAM is."""
    return None if all(map(shutil.which, PROGRAMS)) else INSTALL


# ---------------------------------------------------------------------------------------- mesh


def circles(design: Sequence[float]) -> list[tuple[float, float, float]]:
    """``(x, y, radius)`` of the promoters in H, as ``problem.bodies`` places them."""
    count, place, diameter, spread = round(float(design[0])), *map(float, design[1:])
    nearest = GAP + diameter / 2
    low = nearest + place * (0.5 - nearest)
    return [
        (1.0 + 4.0 * spread * (n + 0.5) / count, low if n % 2 == 0 else 1.0 - low, diameter / 2)
        for n in range(count)
    ]


class Mesh:
    """Vertices, blocks, arcs and outer faces of a channel with promoters, for ``blockMesh``."""

    def __init__(self, design: Sequence[float], cells: int = CELLS) -> None:
        self.cells, self.points = cells, list[Point]()
        self.blocks: list[str] = []
        self.arcs: list[str] = []
        self.patches: dict[str, list[str]] = {
            name: [] for name in ("inlet", "outlet", "walls", "promoters")
        }
        thirds = [0.0, 1 / 3, 2 / 3, 1.0]
        x, left = 0.0, self.station(0.0, thirds)
        self.outside("inlet", left)
        for cx, cy, radius in circles(design):
            side = radius + RING
            levels = [0.0, cy - side, cy + side, 1.0]
            into, out = self.station(cx - side, levels), self.station(cx + side, levels)
            self.column(left, into, self.along(cx - side - x))
            self.column(into, out, cells, (cx, cy, radius))
            x, left = cx + side, out
        right = self.station(LENGTH, thirds)
        self.column(left, right, self.along(LENGTH - x))
        self.outside("outlet", right)

    def along(self, width: float) -> int:
        """Cells along a stretch: about as long as they are across an undisturbed channel."""
        return max(2, round(width * 2 * self.cells))

    def point(self, x: float, y: float) -> int:
        """Number of a new vertex in front; the one behind it is the next."""
        self.points.append((x, y))
        return 2 * (len(self.points) - 1)

    def station(self, x: float, levels: Sequence[float]) -> list[int]:
        """The vertices where layers meet at ``x``."""
        return [self.point(x, y) for y in levels]

    def outside(self, patch: str, ends: Sequence[int]) -> None:
        """Make faces between following vertices part of a patch."""
        for a, b in itertools.pairwise(ends):
            self.patches[patch].append(f"({a} {a + 1} {b + 1} {b})")

    def block(self, corners: Sequence[int], nx: int, ny: int) -> None:
        """A block between four vertices, counter-clockwise."""
        front = " ".join(map(str, corners))
        back = " ".join(str(corner + 1) for corner in corners)
        self.blocks.append(f"hex ({front} {back}) ({nx} {ny} 1) simpleGrading (1 1 1)")

    def column(
        self, a: list[int], b: list[int], nx: int, hole: tuple[float, float, float] | None = None
    ) -> None:
        """The three layers between two stations, the middle one around a promoter if any."""
        for layer in range(3):
            corners = a[layer], b[layer], b[layer + 1], a[layer + 1]
            if layer == 1 and hole is not None:
                self.ring(corners, hole)
            else:
                self.block(corners, nx, self.cells)
        self.outside("walls", [a[0], b[0]])
        self.outside("walls", [a[3], b[3]])

    def ring(self, outer: Sequence[int], hole: tuple[float, float, float]) -> None:
        """Four blocks between a square and the circle in it."""
        x, y, radius = hole
        corner = radius / math.sqrt(2)
        signs = ((-1, -1), (1, -1), (1, 1), (-1, 1))
        inner = [self.point(x + sx * corner, y + sy * corner) for sx, sy in signs]
        middles = ((0, -1), (1, 0), (0, 1), (-1, 0))
        for n, (mx, my) in enumerate(middles):
            m = (n + 1) % 4
            self.block((outer[n], outer[m], inner[m], inner[n]), self.cells, self.cells)
            self.outside("promoters", [inner[n], inner[m]])
            for z, shift in ((0.0, 0), (THICK, 1)):
                middle = f"({x + mx * radius:.9g} {y + my * radius:.9g} {z})"
                self.arcs.append(f"arc {inner[n] + shift} {inner[m] + shift} {middle}")

    def text(self) -> str:
        """``blockMeshDict``."""
        vertices = [f"({x:.9g} {y:.9g} {z})" for x, y in self.points for z in (0.0, THICK)]
        sides = "".join(
            f"{name} {{ type {'wall' if name in ('walls', 'promoters') else 'patch'}; "
            f"faces ({' '.join(faces)}); }}\n"
            for name, faces in self.patches.items()
            if faces
        )
        return head("dictionary", "blockMeshDict") + (
            f"scale 1;\nvertices\n(\n{lines(vertices)}\n);\nblocks\n(\n{lines(self.blocks)}\n);\n"
            f"edges\n(\n{lines(self.arcs)}\n);\nboundary\n(\n{sides});\n"
            "defaultPatch { name sides; type empty; }\n"
        )


def lines(parts: Iterable[str]) -> str:
    """One a line."""
    return "\n".join(parts)


def head(kind: str, name: str) -> str:
    """What every file of OpenFOAM begins with."""
    return f"FoamFile {{ version 2.0; format ascii; class {kind}; object {name}; }}\n"


# ---------------------------------------------------------------------------------------- case

SOLVER = "solver PBiCGStab; preconditioner DILU; tolerance 1e-10; relTol 0.05;"
EXACT = "solver PBiCGStab; preconditioner DILU; tolerance 1e-12; relTol 0;"
CONTROL = """application simpleFoam; startFrom latestTime; startTime 0; stopAt endTime;
endTime 3000; deltaT 1; writeControl timeStep; writeInterval 3000; purgeWrite 1; writeFormat ascii;
writePrecision 10; timeFormat general; runTimeModifiable false;
functions { forces { type forces; libs (forces); patches (walls promoters); rho rhoInf; rhoInf 1;
CofR (0 0 0); writeControl timeStep; writeInterval 20; } }
"""
HEAT = """application scalarTransportFoam; startFrom startTime; startTime 0; stopAt endTime;
endTime 8; deltaT 1; writeControl timeStep; writeInterval 8; writeFormat ascii; writePrecision 10;
timeFormat general; runTimeModifiable false;
"""
SCHEMES = """ddtSchemes { default steadyState; } gradSchemes { default Gauss linear; }
divSchemes { default none; div(phi,U) bounded Gauss linear; div(phi,T) bounded Gauss linear;
div((nuEff*dev2(T(grad(U))))) Gauss linear; }
laplacianSchemes { default Gauss linear corrected; } interpolationSchemes { default linear; }
snGradSchemes { default corrected; }
"""
SOLUTION = f"""solvers {{ p {{ solver GAMG; smoother GaussSeidel; tolerance 1e-10; relTol 0.05; }}
U {{ {SOLVER} }} T {{ {EXACT} }} }}
SIMPLE {{ nNonOrthogonalCorrectors 1; consistent yes; residualControl {{ p 1e-6; U 1e-6; }} }}
relaxationFactors {{ equations {{ U 0.9; }} }}
"""


def sides(bodies: bool, **values: str) -> str:
    """Boundary conditions by patch."""
    known = {**values, "sides": "type empty;"}
    if not bodies:
        known.pop("promoters")
    return "boundaryField { " + " ".join(f"{n} {{ {v} }}" for n, v in known.items()) + " }\n"


def field_files(promoters: bool) -> dict[str, str]:
    """Initial and boundary conditions; the stream comes in as a parabola, at temperature zero."""
    steps = np.linspace(0.0, 1.0, 201)
    table = " ".join(f"({y:.4g} ({6 * y * (1 - y):.9g} 0 0))" for y in steps)
    into = f"type fixedProfile; profile table ({table}); direction (0 1 0); origin 0;"
    free, still = "type zeroGradient;", "type noSlip;"
    u = sides(promoters, inlet=into, outlet=free, walls=still, promoters=still)
    level = "type fixedValue; value uniform 0;"
    p = sides(promoters, inlet=free, outlet=level, walls=free, promoters=free)
    hot = "type fixedValue; value uniform 1;"
    away = "type inletOutlet; inletValue uniform 0; value uniform 0;"  # it writes its values
    t = sides(promoters, inlet=level, outlet=away, walls=hot, promoters=free)
    return {
        "U": head("volVectorField", "U")
        + f"dimensions [0 1 -1 0 0 0 0]; internalField uniform (1 0 0); {u}",
        "p": head("volScalarField", "p")
        + f"dimensions [0 2 -2 0 0 0 0]; internalField uniform 0; {p}",
        "T": head("volScalarField", "T")
        + f"dimensions [0 0 0 1 0 0 0]; internalField uniform 0; {t}",
    }


def write_case(folder: Path, design: Sequence[float] | None, cells: int = CELLS) -> None:
    """Everything that OpenFOAM wants to read (None: the empty channel)."""
    for name in ("0", "system", "constant"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    chosen = [0.0, 0.0, 0.0, 1.0] if design is None else design
    system = {"blockMeshDict": Mesh(chosen, cells).text()}
    for name, text in {
        "controlDict": CONTROL,
        "fvSchemes": SCHEMES,
        "fvSolution": SOLUTION,
    }.items():
        system[name] = head("dictionary", name) + text
    constant = {
        "transportProperties": f"transportModel Newtonian; nu {1 / REYNOLDS:.9g}; "
        f"DT {1 / REYNOLDS / PRANDTL:.9g};\n",
        "turbulenceProperties": "simulationType laminar;\n",
    }
    for name, text in system.items():
        (folder / "system" / name).write_text(text)
    for name, text in constant.items():
        (folder / "constant" / name).write_text(head("dictionary", name) + text)
    for name, text in field_files(design is not None).items():
        (folder / "0" / name).write_text(text)


# ----------------------------------------------------------------------------------- run and read


def program(name: str, folder: Path) -> None:
    """Run one program in a case.

    Raises:
        RuntimeError: If it is not here, or fails; with the end of what it printed.
    """
    found = shutil.which(name)
    if found is None:
        raise RuntimeError(INSTALL)
    share = Path(found).resolve().parents[1] / "share" / "openfoam"
    environment = {"WM_PROJECT_DIR": str(share), **os.environ}
    done = subprocess.run(
        [found], cwd=folder, env=environment, text=True, capture_output=True, check=False
    )
    (folder / f"log.{name}").write_text(done.stdout + done.stderr)
    if done.returncode:
        raise RuntimeError(f"{name} failed: {(done.stdout + done.stderr)[-800:]}")


def latest(folder: Path) -> Path:
    """The folder of the last time that was written."""
    times = [one for one in folder.iterdir() if re.fullmatch(r"[0-9.]+", one.name)]
    return max(times, key=lambda one: float(one.name))


def patch_values(path: Path, patch: str) -> NDArray[np.float64]:
    """``(faces,)`` or ``(faces, 3)`` values of a field on a patch."""
    text = path.read_text()
    there = text[re.search(rf"\n\s*{patch}\s*\{{", text).end() :]  # type: ignore[union-attr]
    found = re.search(r"value\s+nonuniform\s+List<\w+>\s*\d+\s*\((.*?)\)\s*;", there, re.S)
    rows = found[1].replace("(", " ").replace(")", " ").split("\n")  # type: ignore[index]
    return np.squeeze(np.array([row.split() for row in rows if row.strip()], np.float64))


def drag_of(folder: Path) -> float:
    """Force along the channel on walls and promoters, over ``0.5 rho U^2 H`` (depth one)."""
    path = next((folder / "postProcessing" / "forces").rglob("force.dat"))
    row = path.read_text().strip().split("\n")[-1].replace("(", " ").replace(")", " ").split()
    return float(row[1]) / (0.5 * THICK)


def solve(folder: Path) -> dict[str, float]:
    """Run a case that was written: ``drag``, ``stanton`` and ``cells``.

    Raises:
        RuntimeError: If a program fails, or the flow does not become steady.
    """
    program("blockMesh", folder)
    program("simpleFoam", folder)
    log = (folder / "log.simpleFoam").read_text()
    if "SIMPLE solution converged" not in log:
        raise RuntimeError("simpleFoam found no steady flow in 3000 steps.")
    drag, flow = drag_of(folder), latest(folder)
    for name in ("U", "phi"):
        shutil.copy(flow / name, folder / "0" / name)
    shutil.rmtree(flow)
    (folder / "system" / "controlDict").write_text(head("dictionary", "controlDict") + HEAT)
    program("scalarTransportFoam", folder)
    warm = patch_values(latest(folder) / "T", "outlet") @ patch_values(
        folder / "0" / "phi", "outlet"
    )
    stanton = -math.log(1.0 - float(warm) / THICK) / (2.0 * LENGTH)
    size = re.search(r"nCells:\s*(\d+)", (folder / "log.blockMesh").read_text())
    return {"drag": drag, "stanton": stanton, "cells": float(size[1]) if size else math.nan}


def simulate(design: Sequence[float] | None, folder: Path, cells: int = CELLS) -> dict[str, float]:
    """Write and run a case in a folder."""
    write_case(folder, design, cells)
    return solve(folder)


def main(arguments: Sequence[str]) -> None:
    """One design in the current folder."""
    if sentence := missing():
        raise SystemExit(sentence)
    given = [float(number) for number in arguments]
    design = given or json.loads(Path("input.json").read_text())["fields"]["x"]
    found = simulate(design, Path("case"))
    Path("output.json").write_text(json.dumps(found))
    print(found)


if __name__ == "__main__":
    main(sys.argv[1:])
