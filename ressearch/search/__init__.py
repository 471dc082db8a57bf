"""Drives a study: proposals by Optuna, trials on Ray Tune, every result in the store.

The only room that imports ray or optuna, and the only writer to the store. `run.run_study` is the way in. No module is
imported here, since every worker process imports this package and needs little of it; only Ray's environment is set,
because this file runs before any of the package's modules can import ray.
"""

import os

# Read by numpy's algebra when it is imported: the driver's matrices are small, and the workers need the cores.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# Whoever reaches a Ray without tokens runs code on it. Who has such a cluster must say RAY_AUTH_MODE=disabled.
os.environ.setdefault("RAY_AUTH_MODE", "token")

# Read by ray when it is imported, and inherited by its processes.
os.environ |= {
    "RAY_USAGE_STATS_ENABLED": "0",  # no network
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # no warning about it
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",  # no raylet messages on our stdout
    "RAY_AIR_NEW_OUTPUT": "0",  # its tables appear whatever the verbosity
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # so that a relative --data means the same to a worker
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1e9",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
}
