"""The verb that looks at the machine: `doctor`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from ressearch.cli.options import format_option, store_option
from ressearch.errors import ExitStatus


@click.command()
@click.option("--ray", is_flag=True, help="Start Ray too, as a search does; that takes some seconds.")
@format_option("table", "json")
@store_option
def doctor(ray: bool, form: str, store: str | Path) -> None:
    """Look at what a search needs, a line each: ok, warn or fail, and what to do.

    Packages against the versions that were tested, GPUs, instructions for bf16, disks, shared memory, the store (which
    is neither made nor migrated), Ray. Exit status 4 if anything fails. Nothing leaves the machine.
    """
    from ressearch.doctor import Level, checks

    found = []
    for check in checks(store, ray):
        found.append(check)
        if form == "table":
            click.echo(str(check))
    if form == "json":
        click.echo(json.dumps([asdict(check) for check in found], indent=2))
    if any(check.level is Level.FAIL for check in found):
        sys.exit(ExitStatus.MISSING)
