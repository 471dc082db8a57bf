"""The results store: every measurement ever made, in typed columns. The one place with SQL.

It is an SQLite file, or a PostgreSQL database that many searches write to at once. At most one measurement is accepted
per architecture, recipe, fidelity and seed; studies share them. An acknowledged write is on the disk. A file of an
older version is migrated when it is opened, see `ressearch.store.upgrade`.
"""

from ressearch.store.address import database_of
from ressearch.store.best import Asked, By, Floor
from ressearch.store.bulk import Finished
from ressearch.store.course import Course, NetworkFacts
from ressearch.store.database import Upgrade
from ressearch.store.history import Event, What
from ressearch.store.overview import Latest, Overview, Status, StudyState
from ressearch.store.schema import SCHEMA_VERSION
from ressearch.store.sql import Answer
from ressearch.store.standing import Limits, Merit, Result, Standing
from ressearch.store.store import Store, version_of
from ressearch.store.workers import NodeUse, WorkerUse

__all__ = [
    "SCHEMA_VERSION",
    "Answer",
    "Asked",
    "By",
    "Course",
    "Event",
    "Finished",
    "Floor",
    "Latest",
    "Limits",
    "Merit",
    "NetworkFacts",
    "NodeUse",
    "Overview",
    "Result",
    "Standing",
    "Status",
    "Store",
    "StudyState",
    "Upgrade",
    "What",
    "WorkerUse",
    "database_of",
    "version_of",
]
