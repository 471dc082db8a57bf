"""Drives a study: proposals by Optuna, trials on Ray Tune, every result in the store.

The only room that imports ray or optuna, and the only writer to the store.
"""

from ressearch.search.distribute import Interrupted
from ressearch.search.run import run_study
from ressearch.search.study import Progress

__all__ = ["Interrupted", "Progress", "run_study"]
