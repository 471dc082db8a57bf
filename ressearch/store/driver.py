"""Who drives a study: the process that holds its lock, so that others can find it and ask it to stop."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass


@dataclass(frozen=True)
class Driver:
    """A process on a machine."""

    host: str
    pid: int

    @property
    def is_here(self) -> bool:
        """Whether it runs on this machine."""
        return self.host == socket.gethostname()

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"

    def text(self) -> str:
        """As it is written down."""
        return f"{self.host}/{self.pid}"


def this_driver() -> Driver:
    """The process itself."""
    return Driver(socket.gethostname(), os.getpid())


def driver_of(text: str) -> Driver | None:
    """Of what was written down; None if it says nothing."""
    host, _, pid = text.rpartition("/")
    return Driver(host, int(pid)) if host and pid.isdecimal() else None
