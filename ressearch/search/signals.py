"""SIGINT and SIGTERM during a search: remembered when they come, raised where it is safe."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupted(BaseException):
    """SIGINT or SIGTERM came. Not an Exception, so that Tune lets it pass without its slow cleanup."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signal = signum


class Signals:
    """Remembers the first SIGINT or SIGTERM; `check` raises it where it is safe to."""

    def __init__(self) -> None:
        self.received: int | None = None

    def install(self) -> None:
        """Take both signals; to be called again after what takes them from us (`ray.init`)."""
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, self._remember)

    def _remember(self, signum: int, frame: FrameType | None) -> None:
        self.received = self.received or signum

    def check(self) -> None:
        """Raise Interrupted if a signal came."""
        if self.received is not None:
            raise Interrupted(self.received)


@contextmanager
def caught_signals() -> Iterator[Signals]:
    """Our handling of SIGINT and SIGTERM, and afterwards the one that was there before."""
    before = {signum: signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM)}
    signals = Signals()
    signals.install()
    try:
        yield signals
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
