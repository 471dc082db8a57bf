"""The results store: every measurement ever made, in typed columns of an SQLite file. The one place with SQL.

The driver of a search is the only writer. An acknowledged write is on the disk (write-ahead log, synchronous=FULL).
At most one measurement is accepted per architecture, recipe, fidelity and seed; studies share them. A file of an
older version is migrated when it is opened, see `ressearch.store.upgrade`.
"""

from ressearch.store.engine import version_of
from ressearch.store.schema import SCHEMA_VERSION
from ressearch.store.store import Result, Store
from ressearch.store.upgrade import Upgrade

__all__ = ["SCHEMA_VERSION", "Result", "Store", "Upgrade", "version_of"]
