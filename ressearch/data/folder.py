"""Images in a folder for each class, as ImageNet and its relatives come: train/CLASS/*.png. Needs Pillow."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from ressearch.data.parts import Part, Parts
from ressearch.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

Labelled = tuple[Path, int]
Colours = Literal["L", "RGB"]

SUFFIXES = (".png", ".jpg", ".jpeg")
GREY = ("1", "L", "LA")
MODES = (*GREY, "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")
"""Pillow's names for pixels that are stored as bytes."""

DAMAGED = (OSError, EOFError, SyntaxError, ValueError, struct.error, zlib.error)
"""What Pillow raises for a damaged image."""


def is_image_folder(path: Path) -> bool:
    """Whether a directory has a directory `train`."""
    return (path / "train").is_dir()


def read_image_folder(directory: Path) -> Parts:
    """The parts of a directory: `train`; `test`, or else `val`; and `val` for validation if there are both."""
    _require_pillow()
    folders = _folders(directory)
    classes = _classes(directory / "train")
    files = {part: _files(folder, classes) for part, folder in folders.items()}
    colours = _require_one_size([path for listed in files.values() for path, _ in listed])
    parts = {part: _part(listed, colours) for part, listed in files.items()}
    return Parts(parts["train"], parts["test"], len(classes), parts.get("validation"))


def _require_pillow() -> None:
    try:
        import PIL.Image  # noqa: F401
    except ImportError as error:
        raise DataError("a folder of images needs Pillow", hint="pip install 'ressearch[images]'") from error


def _folders(directory: Path) -> dict[str, Path]:
    """Part -> its directory."""
    train, test, val = (directory / name for name in ("train", "test", "val"))
    if test.is_dir():
        return {"train": train, "test": test} | ({"validation": val} if val.is_dir() else {})
    if val.is_dir():
        return {"train": train, "test": val}
    message = f"{directory} holds train/, but neither test/ nor val/"
    raise DataError(message, hint="put images to test with into test/CLASS/")


def _classes(folder: Path) -> list[str]:
    """The names of the classes in a part, sorted."""
    names = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not names:
        raise DataError(f"{folder} holds no directories, one for each class")
    return names


def _files(folder: Path, classes: Sequence[str]) -> list[Labelled]:
    """The images of a part in the order of their classes and names."""
    found = _classes(folder)
    if found != list(classes):
        differences = [f"{name}/ is missing" for name in classes if name not in found]
        differences += [f"{name}/ is not in train/" for name in found if name not in classes]
        raise DataError(f"{folder} has other classes than train/: {', '.join(differences)}")
    return [(path, label) for label, name in enumerate(classes) for path in _images(folder / name)]


def _images(folder: Path) -> list[Path]:
    paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
    if not paths:
        raise DataError(f"{folder} holds no images: none of its files ends in {', '.join(SUFFIXES)}")
    return paths


def _require_one_size(paths: Sequence[Path]) -> Colours:
    """Grey if all images are, else RGB; only the headers are read."""
    first, colours = None, set()
    for path in paths:
        with _opened(path) as image:
            first = first or image.size
            if image.size != first:
                size, other = (f"{width} x {height}" for width, height in (image.size, first))
                message = f"{path}: {size} pixels, but {paths[0]} has {other}"
                raise DataError(message, hint="resize all images to one size first")
            if image.mode not in MODES:
                raise DataError(f"{path}: pixels of kind {image.mode}, not bytes", hint="save it with 8 bits a channel")
            colours.add(image.mode)
    return "L" if colours <= set(GREY) else "RGB"


def _part(listed: Sequence[Labelled], colours: Colours) -> Part:
    images = np.stack([_pixels(path, colours) for path, _ in listed])
    return Part(torch.from_numpy(images), torch.tensor([label for _, label in listed]))


def _pixels(path: Path, colours: Colours) -> NDArray[np.uint8]:
    """An image as C x H x W; what is transparent in it counts as opaque."""
    with _opened(path) as image:
        try:
            opaque = image.convert("RGBA") if image.mode in ("P", "PA") else image
            pixels = np.asarray(opaque.convert(colours), np.uint8)
        except DAMAGED as error:
            raise DataError(f"{path}: damaged: {error}", hint="save or fetch the file again") from error
    return np.atleast_3d(pixels).transpose(2, 0, 1)


def _opened(path: Path) -> Image.Image:
    from PIL import Image

    try:
        return Image.open(path, formats=("PNG", "JPEG"))
    except (*DAMAGED, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: not an image that can be read: {error}") from error
