"""`ressearch cluster`: files that start a search on many machines."""

from __future__ import annotations

from typing import Any

import click

from ressearch.deployment import KINDS, Cluster, template

_USUAL = Cluster()


@click.group("cluster")
def cluster_group() -> None:
    """Files that start a search on many machines."""


@cluster_group.command("template")
@click.argument("kind", required=False, metavar="KIND", shell_complete=lambda *_: list(KINDS))
@click.option("--list", "listed", is_flag=True, help="Say which kinds there are.")
@click.option("--nodes", type=int, help=f"Nodes that train.  [default: {_USUAL.nodes}]")
@click.option("--cpus", type=int, help=f"Cores of each that Ray may use.  [default: {_USUAL.cpus}]")
@click.option("--gpus", type=int, help=f"GPUs of each; with some, a trial has one.  [default: {_USUAL.gpus}]")
@click.option("--memory", type=int, metavar="GIB", help=f"Memory of each.  [default: {_USUAL.memory}]")
@click.option("--space", metavar="FILE", help=f"What to search, by its path there.  [default: {_USUAL.space}]")
@click.option("--storage", metavar="URL", help=f"Shared folder or URL for checkpoints.  [default: {_USUAL.storage}]")
@click.option("--image", help=f"Of the containers.  [default: {_USUAL.image}]")
def template_(kind: str | None, listed: bool, **flags: Any) -> None:
    """Print a file that starts a search on a cluster of this KIND: docker, kuberay, ray-up or slurm.

    It has the version of Ray that is installed here, Ray's token authentication turned on, and a first part that says
    how to use it: `ressearch cluster template slurm --nodes 8 > job.sh`.
    """
    if listed == bool(kind):
        raise click.UsageError("say either KIND or --list; kinds are " + ", ".join(KINDS))
    if kind is None:
        width = max(map(len, KINDS))
        for name, known in KINDS.items():
            click.echo(f"{name:{width}}  {known.title}")
        return
    given = {name: value for name, value in flags.items() if value is not None}
    click.echo(template(kind, Cluster(**given)), nl=False)
