"""The verb `export`: one network as a file for others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ressearch.cli.completion import complete_id_or_file
from ressearch.cli.named import chosen_name, file_and_name
from ressearch.cli.notes import note
from ressearch.cli.options import opened_store, store_option
from ressearch.cli.spaces import networks_of

if TYPE_CHECKING:
    from ressearch.export import Subject

FORMATS = ("python", "onnx", "pt2", "safetensors", "yaml", "dot", "hub")


@click.command()
@click.argument("what", metavar="ID|FILE[:NAME]", shell_complete=complete_id_or_file)
@click.option("-f", "--format", "form", type=click.Choice(FORMATS), required=True, help="What is written.")
@click.option("--out", type=click.Path(path_type=Path), help="File or folder.  [default: network_ID.SUFFIX]")
@click.option(
    "--weights", metavar="FILE|none", help="Weights of a file, or fresh ones.  [default: those that are kept]"
)
@click.option("--seed", type=click.IntRange(0), help="Of the retraining whose weights are meant, or of fresh weights.")
@click.option("--force", is_flag=True, help="Replace what is there.")
@store_option
def export(
    what: str,
    form: str,
    out: Path | None,
    weights: str | None,
    seed: int | None,
    force: bool,
    store: str | Path,
) -> None:
    """Write a network for use elsewhere, and check that what was written computes the same.

    ID is the beginning of an id in the store; FILE is a search space, of whose named networks NAME chooses one.
    Formats: python, one readable file of plain torch and its weights; onnx; pt2, of torch.export; safetensors, weights
    and graph; yaml, a search space of this network alone; dot, for Graphviz; hub, a folder with config, weights, model
    card and the Python file.

    The weights are those that `ressearch retrain ID --keep` kept: of most epochs, then of the highest test accuracy.
    Each file is read back and compared with the network on random images, in fp32; it is there only if they agree to
    1e-5.
    """
    from ressearch.export import FORMATS as TABLE
    from ressearch.export import export as export_

    subject = _subject(what, weights, seed, store)
    if TABLE[form].weighs:
        _tell(subject, weights)
    exported = export_(subject, form, out, force=force)
    for path in exported.paths:
        click.echo(str(path))
    note(f"checked: {exported.checked}")


def _subject(what: str, weights: str | None, seed: int | None, store: str | Path) -> Subject:
    from ressearch.export import file_subject, stored_subject
    from ressearch.space import SearchSpace

    parts = file_and_name(what)
    if parts:
        file, name = parts
        return file_subject(SearchSpace.load(file), chosen_name(file, name, networks_of(file)), weights, seed)
    return stored_subject(opened_store(store), what, weights, seed)


def _tell(subject: Subject, asked: str | None) -> None:
    """Which weights are written, and how to get trained ones where they are not."""
    count = subject.weights.chosen_of
    others = f"; the best of {count} that are kept, --seed takes another" if count > 1 else ""
    note(f"weights: {subject.weights.origin}{others}")
    if not subject.weights.trained and asked is None:
        id = subject.architecture.id
        note(f"no trained weights are kept; `ressearch retrain {id} --epochs N --keep` makes some")
