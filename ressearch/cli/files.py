"""Files that verbs write for their users."""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(target: Path, data: bytes) -> None:
    """All of it or nothing: what is half written has another name. Raises OSError."""
    half = target.with_name(f".{target.name[:50]}.{os.getpid()}")
    try:
        half.write_bytes(data)
        os.replace(half, target)
    except BaseException:
        half.unlink(missing_ok=True)
        raise
