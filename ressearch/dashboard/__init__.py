"""A study of the store for tools that others made: optuna-dashboard, whatever reads an Optuna storage, TensorBoard.

Each is a copy, made anew from the store, which stays the only truth; nothing is ever read back. `snapshot` reads the
store once, `copy` makes an Optuna study of it, `serve` shows that in a browser, `tensorboard` writes event files.
"""

from ressearch.dashboard.copy import copy_into
from ressearch.dashboard.files import write_events, write_storage
from ressearch.dashboard.serve import Dashboard, Server, require_dashboard
from ressearch.dashboard.snapshot import Snapshot

__all__ = ["Dashboard", "Server", "Snapshot", "copy_into", "require_dashboard", "write_events", "write_storage"]
