"""Storages as fsspec has them, in this process: a store of objects, and files with fewer virtues than a disk has."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from fsspec.implementations.local import LocalFileSystem
from fsspec.spec import AbstractFileSystem


class ObjectStore(AbstractFileSystem):  # type: ignore[misc]
    """Buckets of objects, with what is strange about s3fs.

    There are no folders: to list a prefix that nothing begins with is an error, to make a folder makes the bucket, and
    to remove one removes the bucket. What was listed is remembered. Times are those of whole seconds.
    """

    protocol = ("s3", "s3a")
    buckets: ClassVar[dict[str, dict[str, tuple[bytes, datetime]]]] = {}
    denied: ClassVar[set[str]] = set()
    asked: ClassVar[list[str]] = []

    def _bucket(self, deed: str, path: str) -> dict[str, tuple[bytes, datetime]]:
        self.asked.append(deed)
        if deed in self.denied:
            raise PermissionError("Access Denied")
        name = self._strip_protocol(path).partition("/")[0]
        if name not in self.buckets:
            raise FileNotFoundError("The specified bucket does not exist")
        return self.buckets[name]

    def ls(self, path: str, detail: bool = True, **words: Any) -> Any:
        path = self._strip_protocol(path)
        if path not in self.dircache:
            keys = [key for key in self._bucket("list", path) if key.startswith(f"{path}/")]
            if not keys:
                raise FileNotFoundError(path)
            self.dircache[path] = keys
        keys = self.dircache[path]
        return [{"name": key, "size": 1, "type": "file"} for key in keys] if detail else keys

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **words: Any) -> None:
        key = self._strip_protocol(path)
        self._bucket("write", path)[key] = (value, datetime.now(UTC).replace(microsecond=0))

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **words: Any) -> bytes:
        return self._object("read", path)[0]

    def put_file(self, lpath: str, rpath: str, *rest: Any, **words: Any) -> None:
        self.pipe_file(rpath, Path(lpath).read_bytes())

    def get_file(self, rpath: str, lpath: str, *rest: Any, **words: Any) -> None:
        Path(lpath).write_bytes(self.cat_file(rpath))

    def modified(self, path: str) -> datetime:
        return self._object("read", path)[1]

    def rm_file(self, path: str) -> None:
        self._bucket("remove", path).pop(self._strip_protocol(path), None)

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        self.buckets.setdefault(self._strip_protocol(path).partition("/")[0], {})

    def rmdir(self, path: str) -> None:
        self.buckets.pop(self._strip_protocol(path).partition("/")[0], None)

    def invalidate_cache(self, path: str | None = None) -> None:
        self.dircache.clear()

    def _object(self, deed: str, path: str) -> tuple[bytes, datetime]:
        bucket, key = self._bucket(deed, path), self._strip_protocol(path)
        if key not in bucket:
            raise FileNotFoundError(path)
        return bucket[key]


class PlainFiles(LocalFileSystem):  # type: ignore[misc]
    """Files and folders, where no file is renamed onto another, and nobody knows when one was written."""

    protocol = ("plain",)

    def mv(self, path1: str, path2: str, recursive: bool = True, **words: Any) -> None:
        if self.exists(path2):
            raise FileExistsError(path2)
        super().mv(path1, path2, recursive, **words)

    def modified(self, path: str) -> datetime:
        raise NotImplementedError
