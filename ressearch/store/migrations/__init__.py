"""From each version of the tables to the next: one file per step in `versions`, run by Alembic, never changed later.

A step knows the tables by its own words, not by `schema.py`, which is always about the present ones; a test compares
what all steps make with what `schema.py` makes. Only what follows from a graph is computed by today's `analysis`.

Every version leaves small real stores of its own in `tests/stores`, opened by every later one: who adds a step adds
the file `vN.db` that the version before it made, and what `pg_dump --inserts` says of one on PostgreSQL, `vN.sql`.

On PostgreSQL stores begin with version 2: the steps up to 0002 are for SQLite alone, all later ones for both.

There is no alembic.ini: all that Alembic needs to know stands here and in `env.py`.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection


def run_all(connection: Connection, version: int) -> None:
    """Run the steps after a version, 0 for no tables at all, in the connection's transaction."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    if version == 1:  # it did not know of Alembic
        command.stamp(config, "0001")
    command.upgrade(config, "head")
