"""Commands that move labels in and out of runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from querist.cli.shared import RUN, sentences


@click.command(name="import")
@click.argument("sources", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--output", "-o", type=click.Path(path_type=Path), help="Labels file to write (.npz)."
)
@click.option("--into", type=click.Path(path_type=Path), help="A stopped run to add them to.")
@click.option("--format", "form", help="Format of the sources, where their suffix does not tell.")
@click.option("--inputs", help="Fields that are inputs: x,y or ours=theirs, with commas.")
@click.option("--labels", help="Fields that are labels: energy=REF_energy,forces=REF_forces.")
@click.option("--energy-unit", help="Of atoms, where it is not eV: Hartree, kcal/mol ...")
@click.option("--length-unit", help="Of atoms, where it is not A: Bohr, nm ...")
@click.option("--holdout", type=float, default=0.0, help="Share drawn at random for the hold-out.")
@click.option("--calibration", type=float, default=0.0, help="Share drawn for calibration.")
@click.option("--level", default="", help="Level of theory of labels that do not say theirs.")
@click.option("--seed", type=int, default=0, help="Of the random split.")
@sentences
def import_(sources: tuple[Path, ...], output: Path | None, into: Path | None, **how: Any) -> None:
    """Read labelled data: extended XYZ, ASE databases, DeePMD npy, npz, Parquet, CSV."""
    from querist.campaign.exchanging import Split, import_into, import_to

    if (output is None) == (into is None):
        raise click.UsageError("give either --output FILE or --into RUN.")
    options = {"inputs": _names(how.pop("inputs")), "outputs": _names(how.pop("labels"))}
    options |= {name: how.pop(name) for name in ("energy_unit", "length_unit")}
    how["options"] = {name: value for name, value in options.items() if value}
    how["format"] = how.pop("form")
    how["split"] = Split(*(how.pop(name) for name in ("holdout", "calibration", "seed")))
    if output is not None:
        click.echo(import_to(output, sources, **how))
    elif into is not None:
        click.echo(import_into(into, sources, **how))


def _names(text: str | None) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in (text or "").split(",") if pair]
    return {our.strip(): (its or our).strip() for our, _, its in pairs}


@click.command()
@RUN
@click.argument("output", type=click.Path(path_type=Path))
@click.option("--format", "form", help="extxyz, npz, parquet, csv ...; by default from the suffix.")
@click.option(
    "--purpose",
    type=click.Choice(["all", "train", "holdout", "calibration", "audit"]),
    default="all",
    help="Only labels of this purpose.",
)
@sentences
def export(run: Path, output: Path, form: str | None, purpose: str) -> None:
    """Write the labels of a run: extended XYZ, npz, Parquet, CSV ..."""
    from querist.campaign.exchanging import export_from

    click.echo(export_from(run, output, form, purpose))
