"""The command line: one function per verb. The only room that prints or exits.

Data goes to stdout, everything else to stderr. Each verb imports what it needs when it runs, so that help and
questions to the store start without torch and ray.
"""

from __future__ import annotations

import os
import sys

import click

from ressearch import __version__
from ressearch.cli.cluster import cluster_group
from ressearch.cli.compare import compare
from ressearch.cli.completion import VARIABLE, completion
from ressearch.cli.dashboard import dashboard
from ressearch.cli.doctor import doctor
from ressearch.cli.draw import draw
from ressearch.cli.export import export
from ressearch.cli.history import history
from ressearch.cli.networks import latency, retrain
from ressearch.cli.notes import complain
from ressearch.cli.proxies import proxies
from ressearch.cli.query import query
from ressearch.cli.questions import best, show
from ressearch.cli.report import report
from ressearch.cli.resume import resume
from ressearch.cli.search import search
from ressearch.cli.spaces import cost, explain, sample, schema, size, validate
from ressearch.cli.stop import stop
from ressearch.cli.store import store_group
from ressearch.cli.studies import runs, status
from ressearch.cli.verbs import equip, name_variable
from ressearch.errors import EXIT_STATUSES, ExitStatus, RessearchError


@click.group(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=f"Exit status: {', '.join(f'{status:d} {meaning}' for status, meaning in EXIT_STATUSES.items())}.",
)
@click.version_option(__version__, prog_name="ressearch")
def cli() -> None:
    """Find residual networks that are worth their FLOPs.

    Write a search space in YAML, search it, and ask the results store which networks are best.
    """


for verb in (
    search,
    resume,
    status,
    stop,
    runs,
    best,
    query,
    show,
    draw,
    history,
    compare,
    dashboard,
    report,
    retrain,
    latency,
    proxies,
    export,
    validate,
    size,
    cost,
    sample,
    schema,
    explain,
    doctor,
    completion,
    store_group,
    cluster_group,
):
    cli.add_command(verb)
equip(cli)


def main() -> None:
    """The `ressearch` command: runs a verb; prints our errors as they are and exits with their status."""
    try:
        cli.main(standalone_mode=False, complete_var=VARIABLE)
        sys.stdout.flush()
    except RessearchError as error:
        complain(str(error))
        sys.exit(error.exit_status)
    except click.ClickException as error:
        name_variable(error)
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(ExitStatus.INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output went away (`| head`); nothing is left to say to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
