"""Whether a path is on a network file system, by Linux's list of what is mounted."""

from __future__ import annotations

import re
from pathlib import Path

from ressearch.errors import StoreError

MOUNTINFO = Path("/proc/self/mountinfo")
"""A line for each mount, the later above the earlier, see proc(5). Other systems than Linux have no such file."""

NETWORK = re.compile(r"nfs\d?|cifs|smb\d?|smbfs|ncpfs|afs|ceph|lustre|gpfs|beegfs|glusterfs|ocfs2|gfs2|9p|fuse\..+")
LOCAL_FUSE = re.compile(r"fuse\.(fuse-overlayfs|ntfs(-3g)?|exfat|encfs|gocryptfs|cryfs|bindfs|mergerfs|lxcfs|unionfs)")
"""Of the file systems in user space most are remote (sshfs, s3fs, rclone, ...); these keep what they hold on a disk."""


def require_local(path: Path) -> None:
    """Raises StoreError for an SQLite file on a network file system.

    SQLite's locks and its write-ahead log take it for granted that all who use a file share a kernel; where that is
    not so, files break (https://www.sqlite.org/useovernet.html).
    """
    try:
        mounts = MOUNTINFO.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return
    kind, point = _mounted_at(path.resolve(), mounts)
    sandbox = kind == "9p" and point == Path("/")  # gVisor shows its own root so, on whose files SQLite works
    if NETWORK.fullmatch(kind) and not LOCAL_FUSE.fullmatch(kind) and not sandbox:
        raise StoreError(
            f"{path} is on a network file system ({kind} at {point}), where SQLite may lose or damage results",
            hint="give a --store on a local disk, or a PostgreSQL database: --store postgresql://USER@HOST/DATABASE",
        )


def _mounted_at(path: Path, mounts: str) -> tuple[str, Path]:
    """The type of the file system that holds a path, and where that is mounted."""
    kind, point = "", Path("/")
    for line in mounts.splitlines():
        left, _, right = line.partition(" - ")
        if len(left.split(" ")) < 5 or not right:
            continue
        where = Path(_unescaped(left.split(" ")[4]))
        if path.is_relative_to(where) and len(where.parts) >= len(point.parts):
            kind, point = right.split(" ")[0], where
    return kind, point


def _unescaped(text: str) -> str:
    """Space, tab, line feed and backslash are written in octal."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)
