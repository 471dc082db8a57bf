"""`ressearch store`: looking after the results store itself."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ressearch.cli.notes import note
from ressearch.cli.options import checked_name, migrated_first, opened_store, store_option
from ressearch.errors import ExitStatus, StoreError

if TYPE_CHECKING:
    from ressearch.store import Store
    from ressearch.store.merge import Imported

file_type = click.Path(dir_okay=False, allow_dash=True, path_type=Path)


@click.group("store")
def store_group() -> None:
    """Look after the results store itself."""


@store_group.command()
@store_option
def migrate(store: str | Path) -> None:
    """Bring a store of an older version to the present one; a copy of it is kept beside it.

    Every verb that opens a store does so, and says so. This one does nothing else.
    """
    from ressearch.store import version_of

    if version_of(store) is None and Path(store).is_file():
        raise StoreError(f"{store} is empty", hint="`ressearch search FILE` makes a store of it")
    opened = opened_store(store)
    if opened.upgraded is None:
        note(f"{opened.name} is of the present version")


@store_group.command("export")
@click.argument("file", type=file_type)
@click.option("--study", metavar="NAME", help="Only this study, and what is known of its networks.")
@store_option
def export(file: Path, study: str | None, store: str | Path) -> None:
    """Write the store to FILE as JSON lines, one record a line; - is stdout. FILE.gz is compressed.

    Files beside the store stay where they are: checkpoints, and weights that `retrain --keep` has kept.
    """
    opened = opened_store(store)
    if str(file) == "-":
        sys.stdout.writelines(opened.export(study))
    else:
        from ressearch.store.lines import write_file

        write_file(file, opened.export(study))
    if kept := len(opened.artifacts()):
        note(f"the weights of {kept} retraining(s) stay where they are")


def _renames(context: click.Context, parameter: click.Parameter, pairs: Sequence[str]) -> dict[str, str]:
    found = {}
    for pair in pairs:
        old, separator, new = pair.partition("=")
        if not separator:
            raise click.BadParameter(f"expected OLD=NEW, got {pair!r}")
        found[old] = checked_name(context, parameter, new) or ""
    return found


@store_group.command("import")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=file_type)
@click.option("--rename", "renames", metavar="OLD=NEW", multiple=True, callback=_renames, help="Rename a study.")
@store_option
def import_(files: Sequence[Path], renames: dict[str, str], store: str | Path) -> None:
    """Merge what `ressearch store export` wrote into the store, which is made if need be; - is stdin.

    What the store has already counts, so importing a file again changes nothing. All of a file is taken or nothing: it
    is refused if a line is damaged, or if a study of the same name is another one here. A search may be at work on
    the store meanwhile, but not on a study that the file would change.
    """
    from ressearch.store import Store

    if renames and len(files) > 1:
        raise click.UsageError("--rename is for one FILE")
    migrated_first(store)
    opened = Store.create(store)
    click.get_current_context().call_on_close(opened.close)
    for file in files:
        note(_told(file, _imported(opened, file, renames)))


def _imported(opened: Store, file: Path, renames: dict[str, str]) -> Imported:
    from ressearch.store.lines import read_file, read_stream

    lines = read_stream("stdin", sys.stdin.buffer) if str(file) == "-" else read_file(file)
    return opened.import_("stdin" if str(file) == "-" else str(file), lines, renames)


PLURALS = {
    "recipe": "recipes",
    "architecture": "networks",
    "study": "studies",
    "measurement": "measurements",
    "retraining": "retrainings",
    "latency": "latencies",
    "proxies": "training-free scores",
    "trial": "trials",
}


def _told(file: Path, found: Imported) -> str:
    parts = [f"{found.new[kind]:,} of {count:,} {PLURALS[kind]} are new" for kind, count in found.records.items()]
    further = [f"{found.further:,} trials went on"] if found.further else []
    return f"{file}: {'; '.join([*parts, *further]) or 'it holds nothing'}"


@store_group.command()
@click.option("--all", "everything", is_flag=True, help="Look at every network, not at a sample of 1,000.")
@store_option
def check(everything: bool, store: str | Path) -> None:
    """Look for what is inconsistent in the store, and say what to do about it, a line each.

    The database's own checks, rows that do not fit each other, networks whose id, costs or facts are not those of
    their graph, weights that are gone or changed. Exit status 4 if anything is wrong; a remark is not.
    """
    wrong = 0
    for finding in opened_store(store).findings(everything):
        wrong += not finding.remark
        click.echo(str(finding))
    if wrong:
        sys.exit(ExitStatus.MISSING)
    note("nothing is inconsistent")


@store_group.command()
@click.option("--keep-front", is_flag=True, help="Remove weights of networks that are on no study's front, too.")
@click.option("--older-than", metavar="DAYS", type=click.FloatRange(0), help="Remove older weights; of those above.")
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@store_option
def prune(keep_front: bool, older_than: float | None, dry_run: bool, store: str | Path) -> None:
    """Remove weights that no retraining in the store has, and forget those whose file is gone.

    With --keep-front weights are removed unless their network is on the front of a study, with --older-than those
    that were written so long ago, with both those to which both applies. Nothing else of the store is touched.
    """
    found = opened_store(store).prune(off_front=keep_front, older_than=older_than, dry_run=dry_run)
    for removal in found:
        click.echo(str(removal))
    freed = sum(removal.bytes for removal in found)
    note(f"{len(found)} file(s), {freed:,} bytes{' would be' if dry_run else ''} removed")
