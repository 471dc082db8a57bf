"""optuna-dashboard over a copy of a study in memory, which is made anew from the store while trials come in.

It listens on this machine alone and lets nobody write: notes or deletions would be of the copy, and lost with it. Other
pages in the same browser may ask for it too, so it answers to no name but this machine's own.
"""

from __future__ import annotations

import errno
import importlib.util
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import BytesIO
from socketserver import ThreadingMixIn
from typing import Any, BinaryIO
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from optuna.artifacts.exceptions import ArtifactNotFound
from optuna.storages import InMemoryStorage

from ressearch.dashboard.copy import copy_into
from ressearch.dashboard.snapshot import Snapshot
from ressearch.errors import DashboardError

HOST = "127.0.0.1"
NAMES = {HOST, "localhost"}
SECONDS = 5.0
"""At most so often the store is asked whether there is news, and never more than a twentieth of the time is copying."""

Respond = Callable[[str, list[tuple[str, str]]], Any]
App = Callable[[dict[str, Any], Respond], Iterable[bytes]]


def require_dashboard() -> None:
    """Raises DashboardError where optuna-dashboard is not installed."""
    if importlib.util.find_spec("optuna_dashboard") is None:
        raise DashboardError("optuna-dashboard is not installed", hint="pip install 'ressearch[dashboard]'")


@dataclass(frozen=True)
class Drawings:
    """The drawings of a study's networks, each made when it is asked for; to Optuna, a store of artifacts."""

    snapshot: Snapshot

    def open_reader(self, artifact_id: str) -> BinaryIO:
        """An SVG; the artifact's id is the network's."""
        network = self.snapshot.networks.get(artifact_id)
        if network is None:
            raise ArtifactNotFound(f"no network {artifact_id}")
        from ressearch.drawing import svg

        return BytesIO(svg(network.architecture).encode())

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        """Nobody may."""
        raise PermissionError("drawings are made of the store")

    def remove(self, artifact_id: str) -> None:
        """Nobody may."""
        raise PermissionError("drawings are made of the store")


class Dashboard:
    """A WSGI application: optuna-dashboard over what `read` returns, which is read again when `stamp` has changed."""

    def __init__(self, read: Callable[[], Snapshot], stamp: Callable[[], object]) -> None:
        self._read, self._stamp = read, stamp
        self._lock = threading.Lock()
        self._due = 0.0
        self._renew(stamp())

    def __call__(self, environ: dict[str, Any], respond: Respond) -> Iterable[bytes]:
        """Answer a request."""
        refused = refusal(environ)
        if refused is not None:
            respond("403 Forbidden", [("Content-Type", "application/json")])
            return [f'{{"reason": "{refused}"}}'.encode()]
        return self._newest()(environ, respond)

    def _newest(self) -> App:
        with self._lock:
            if time.monotonic() >= self._due:
                stamp = self._stamp()
                self._due = time.monotonic() + SECONDS
                if stamp != self._known:
                    self._renew(stamp)
            return self._app

    def _renew(self, stamp: object) -> None:
        import optuna_dashboard  # type: ignore[import-untyped]

        begun, snapshot, storage = time.monotonic(), self._read(), InMemoryStorage()
        copy_into(storage, snapshot)
        self._app: App = optuna_dashboard.wsgi(storage, artifact_store=Drawings(snapshot))
        self._known = stamp
        self._due = time.monotonic() + max(SECONDS, 20 * (time.monotonic() - begun))


def refusal(environ: dict[str, Any]) -> str | None:
    """Why a request is not answered, if it is not."""
    host = environ.get("HTTP_HOST", "")
    if (host.rpartition(":")[0] or host) not in NAMES:
        return "the dashboard answers to localhost and 127.0.0.1 alone"
    if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
        return "this is a copy for reading: what is written here would be lost"
    return None


class Server:
    """A dashboard that listens on a port of this machine, 0 for any that is free; `url` is where.

    Raises DashboardError if it cannot.
    """

    def __init__(self, app: App, port: int) -> None:
        try:
            self._server = make_server(HOST, port, app, _Threaded, _Quiet)
        except OSError as error:
            raise _not_listening(port, error) from error
        self.url = f"http://{HOST}:{self._server.server_port}/dashboard/studies/0"

    def serve(self) -> None:
        """Answer requests until KeyboardInterrupt, or until `close` is called by another thread."""
        try:
            self._server.serve_forever(poll_interval=0.1)
        except KeyboardInterrupt:
            pass
        finally:
            self._server.server_close()

    def close(self) -> None:
        """End `serve`."""
        self._server.shutdown()


def _not_listening(port: int, error: OSError) -> DashboardError:
    taken = error.errno == errno.EADDRINUSE
    why = "another program listens there" if taken else error.strerror or "it is not permitted"
    return DashboardError(f"cannot listen on port {port}: {why}", hint="give another --port; 0 takes one that is free")


class _Threaded(ThreadingMixIn, WSGIServer):
    """A thread for each request, since a browser keeps several connections; they end with the process."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that hangs up is no error."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: who asks is the browser."""
