"""A member of a committee of MACE potentials, for the model ``external``.

MACE: Batatia et al., NeurIPS 2022, arXiv:2206.07697. Runs under the interpreter that has
``mace-torch``, which need not be Querist's. Energies in eV, forces in eV/Angstrom, all of one
electronic state: MACE sees neither charge nor multiplicity.

Options (``model.options.options`` of a campaign's file):
    atoms: Energies of the isolated atoms by atomic number, in eV, of the oracle's method; needed
        where there is no checkpoint, and where there is one they take the place of its own.
    epochs: Of a fit.
    channels, radius: Of the network: channels of each degree, and the cutoff in Angstrom.
    batch, rate: Geometries of a step, and Adam's first learning rate.
    precision: "float32" (the default) or "float64", in which a fit computes; predictions are
        made in float64.
    checkpoint: A whole model's file as ``torch.save`` or ``mace_run_train`` writes it, such as a
        foundation model (MACE-OFF, MACE-MP), to be fine-tuned instead of beginning from nothing.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import querist_side

FILE = "member.model"
# e3nn 0.4 reads tables of its own that way, and a MACE file is a whole model: load your own only.
os.environ.setdefault("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")


def frames(samples, model):
    """Samples as MACE's graphs."""
    from ase import Atoms
    from mace import data, tools

    table = tools.AtomicNumberTable([int(z) for z in model.atomic_numbers])
    made = []
    for sample in samples:
        atoms = Atoms(sample["numbers"], sample["positions"])
        graph = data.AtomicData.from_config(
            data.config_from_atoms(atoms), z_table=table, cutoff=float(model.r_max)
        )
        made.append(graph)
    return made


def batches(graphs, size):
    """Graphs, some at a time."""
    from mace.tools import torch_geometric

    return torch_geometric.dataloader.DataLoader(graphs, batch_size=size, shuffle=False)


def new_model(alone, how, scale):
    """A small MACE that has learned nothing yet but what isolated atoms have."""
    import torch
    from e3nn import o3
    from mace import modules

    size, kinds = int(how.get("channels", 16)), sorted(alone)
    block = modules.interaction_classes["RealAgnosticResidualInteractionBlock"]
    return modules.ScaleShiftMACE(
        r_max=float(how.get("radius", 4.0)),
        num_bessel=8,
        num_polynomial_cutoff=5,
        max_ell=2,
        interaction_cls=block,
        interaction_cls_first=block,
        num_interactions=2,
        num_elements=len(kinds),
        hidden_irreps=o3.Irreps(f"{size}x0e + {size}x1o"),
        MLP_irreps=o3.Irreps("16x0e"),
        atomic_energies=np.array([alone[z] for z in kinds]),
        avg_num_neighbors=12.0,
        atomic_numbers=kinds,
        correlation=2,
        gate=torch.nn.functional.silu,
        atomic_inter_scale=scale,
        atomic_inter_shift=0.0,
    )


def beginning(samples, labels, request):
    """The last weights, a checkpoint at the labels' level, or a new model."""
    how = request["options"]
    alone = {int(z): float(energy) for z, energy in how.get("atoms", {}).items()}
    if request["previous"]:
        return read(Path(request["previous"]) / FILE)
    if how.get("checkpoint"):
        model = read(how["checkpoint"])
        own_atoms(model, alone)
        said = [float(one["energy"]) for one in predictor(model)(samples)]
    else:
        scale = float(np.sqrt(np.mean([np.square(label["forces"]).mean() for label in labels])))
        model = new_model(alone, how, scale)
        said = [sum(alone[int(z)] for z in sample["numbers"]) for sample in samples]
    # What remains of energies on the average is given to all atoms alike.
    left = [
        (float(np.ravel(label["energy"])[0]) - energy) / len(sample["numbers"])
        for sample, label, energy in zip(samples, labels, said, strict=True)
    ]
    model.scale_shift.shift += float(np.mean(left))
    return model


def read(path):
    """A whole model of a file, in the precision of this fit."""
    import torch

    model = torch.load(path, map_location="cpu", weights_only=False)
    return model.to(torch.get_default_dtype())


def own_atoms(model, alone):
    """Put the oracle's energies of isolated atoms in the place of a checkpoint's."""
    known = model.atomic_energies_fn.atomic_energies
    for place, number in enumerate(model.atomic_numbers.tolist()):
        if int(number) in alone:
            known[..., place] = alone[int(number)]


def fit(samples, labels, request):
    """Train one member on labels of which it leaves a tenth out, which its seed chooses."""
    import torch

    how, chance = request["options"], np.random.default_rng(request["seed"])
    torch.set_default_dtype(getattr(torch, how.get("precision", "float32")))
    torch.set_num_threads(1)
    torch.manual_seed(request["seed"] % 2**31)
    order = chance.permutation(len(samples))
    held, used = np.split(order, [max(1, len(order) // 10)])
    model = beginning(samples, labels, request)
    graphs, size = frames(samples, model), int(how.get("batch", 5))
    epochs, rate = int(how.get("epochs", 50)), float(how.get("rate", 0.01))
    optimizer = torch.optim.Adam(model.parameters(), lr=rate, amsgrad=True)
    decay = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.02 ** (1.0 / epochs))
    for epoch in range(epochs):
        # The last quarter makes energies right, as MACE's own second stage does. Its weights, a
        # hundredth of these, leave barriers to forces: 0.05 eV of 25 atoms is 2 meV an atom.
        weight = 1e5 if 4 * epoch >= 3 * epochs else 1e3
        chance.shuffle(used)
        for start in range(0, len(used), size):
            rows = used[start : start + size]
            step(model, optimizer, [graphs[n] for n in rows], [labels[n] for n in rows], weight)
        decay.step()
    torch.save(model, Path(request["folder"]) / FILE)
    said = predictor(model)([samples[n] for n in held])
    wrong = [one["forces"] - labels[n]["forces"] for one, n in zip(said, held, strict=True)]
    return {"left_out_force_mae": np.abs(wrong).mean(), "labels": len(samples)}


def step(model, optimizer, graphs, labels, weight):
    """One step on the squared errors of forces, and by a weight of energies for each atom."""
    import torch

    (batch,) = batches(graphs, len(graphs))
    said = model(batch.to_dict(), training=True, compute_force=True)
    kind = torch.get_default_dtype()
    forces = torch.tensor(np.concatenate([label["forces"] for label in labels]), dtype=kind)
    energy = torch.tensor([float(np.ravel(label["energy"])[0]) for label in labels], dtype=kind)
    count = batch.ptr[1:] - batch.ptr[:-1]
    loss = 100.0 * ((said["forces"] - forces) ** 2).mean()
    loss = loss + weight * (((said["energy"] - energy) / count) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
    optimizer.step()


def predictor(model):
    """What a model says of samples."""

    def predict(samples):
        found = []
        for batch in batches(frames(samples, model), 32):
            said = model(batch.to_dict(), training=False, compute_force=True)
            forces, ends = said["forces"].detach().numpy(), batch.ptr.numpy()
            for n, energy in enumerate(said["energy"].detach().numpy()):
                found.append({"energy": energy, "forces": forces[ends[n] : ends[n + 1]]})
        return found

    return predict


def load(folder):
    """What the files of a member predict."""
    import torch

    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    return predictor(read(Path(folder) / FILE))


if __name__ == "__main__":
    querist_side.main(fit, load)
