"""What a store asks of its database, whichever that is. `sqlite.py` and `postgresql.py` answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DatabaseError, IntegrityError

from ressearch.errors import StoreError, StudyError
from ressearch.store.driver import Driver
from ressearch.store.schema import SCHEMA_VERSION
from ressearch.store.sql import Answer


@dataclass(frozen=True)
class Upgrade:
    """What opening a store did: it was of `version`; as it was then it is kept in `backup`, where it is a file."""

    version: int
    backup: Path | None


class Database(ABC):
    """Where a store is, or is to be. Nothing is read or written before one of the methods is called.

    name: how messages call it, without a password. secret: whether its address holds one. checkpoints: the folder for
    those of its running trials, on this machine. artifacts: the folder for weights that are kept, on this machine too.
    shared: whether other machines use it, which have such folders of their own.
    """

    name: str
    checkpoints: Path
    artifacts: Path
    secret = False
    shared = False

    @cached_property
    def engine(self) -> Engine:
        """SQLAlchemy's access to it; connected when it is first used."""
        return self._engine()

    @abstractmethod
    def _engine(self) -> Engine: ...

    @abstractmethod
    def version(self) -> int | None:
        """The version of the store there; None where there is none yet. Raises StoreError if it cannot be used."""

    @abstractmethod
    def open(self) -> Upgrade | None:
        """Check the store that is there, and migrate it if it must be; what that did."""

    @abstractmethod
    def create(self) -> Upgrade | None:
        """The same; a store is made where there is none."""

    @abstractmethod
    def reading(self) -> AbstractContextManager[Connection]:
        """A transaction that reads one state of the store."""

    @abstractmethod
    def writing(self) -> AbstractContextManager[Connection]:
        """A transaction that writes; all or nothing of it is kept.

        Several may write at once: what depends on a row's not being there, or on its state, is said in one statement
        (ON CONFLICT, WHERE). They wait for each other's rows; so that none waits for one that waits for it, each goes
        through the tables in the order: recipes, architectures, measurements or retrainings, trials.
        """

    @abstractmethod
    def ask(self, statement: str, limit: int, seconds: float) -> Answer:
        """The answer to one SELECT as a user wrote it, over a connection of its own that cannot write."""

    @abstractmethod
    def sole_driver(self, study: str) -> AbstractContextManager[None]:
        """Refuses a second process that drives the same study; ends with the process, however it ends."""

    @abstractmethod
    def undisturbed(self, connection: Connection, study: str) -> AbstractContextManager[None]:
        """While it is entered, in a writing transaction of this connection, nobody may begin to drive the study.

        Raises StudyError if somebody does.
        """

    @abstractmethod
    def driven(self, connection: Connection) -> Iterator[str]:
        """Names of studies that other processes are driving."""

    @abstractmethod
    def driver(self, connection: Connection, study: str) -> Driver | None:
        """Who drives a study that somebody drives; None where that is not known."""

    @abstractmethod
    def _explained(self, error: DatabaseError) -> StoreError: ...

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """The database's own errors as ours; a broken constraint goes through: the caller knows what it means."""
        try:
            yield
        except IntegrityError:
            raise
        except DatabaseError as error:
            raise self._explained(error) from error

    @contextmanager
    def closed_on_error(self) -> Iterator[None]:
        """Give everything back if the block fails; its traceback would hold on to it."""
        try:
            yield
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Give everything back: files, connections."""
        if "engine" in self.__dict__:
            self.engine.dispose()

    def missing(self) -> StoreError:
        """That there is no store."""
        return StoreError(f"there is no results store at {self.name}", hint="`ressearch search FILE` makes one")

    def require_not_newer(self, version: int) -> int:
        """The version, which this program knows."""
        if version > SCHEMA_VERSION:
            raise StoreError(
                f"{self.name} was written by a newer ressearch "
                f"(schema {version}, this one reads up to {SCHEMA_VERSION})",
                hint="upgrade ressearch, or give another --store",
            )
        return version


def driven_by_another(study: str) -> StudyError:
    """That a second driver is not let in."""
    hint = "wait for it, or give this one another --name"
    return StudyError(f"another process is driving the study {study!r}", hint=hint)


def under_way(store: str, study: str) -> StoreError:
    """That a search of an older version is not to be disturbed."""
    return StoreError(
        f"{store} is of an older version, and a search of that version is at work on it: the study {study!r}",
        hint="it is migrated when that search has ended",
    )
