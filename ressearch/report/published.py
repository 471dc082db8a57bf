"""Published networks for a data set: other people's recipes, to be held beside a study and not against it."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from importlib.resources import files

from ressearch.trial import Study


@dataclass(frozen=True)
class Published:
    """A network as a paper or a repository tells of it: error in percent on test images; costs counted by us."""

    data: str
    name: str
    error: float
    macs: int
    params: int
    source: str

    @property
    def accuracy(self) -> float:
        """In [0, 1]."""
        return 1 - self.error / 100


@dataclass(frozen=True)
class DataSet:
    """A data set as its networks and its name tell it: the shape of an image, the classes, a pattern of its name."""

    name: str
    shape: tuple[int, int, int]
    classes: int
    pattern: str


DATA_SETS = (
    DataSet("CIFAR-10", (3, 32, 32), 10, r"cifar[-_]?10(?!0)"),
    DataSet("CIFAR-100", (3, 32, 32), 100, r"cifar[-_]?100"),
    DataSet("ImageNet", (3, 224, 224), 1000, r"imagenet|ilsvrc"),
)


def published() -> list[Published]:
    """The whole table."""
    text = files("ressearch.report").joinpath("published.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    return [
        Published(row["data"], row["name"], float(row["error"]), int(row["macs"]), int(row["params"]), row["source"])
        for row in rows
    ]


def published_for(study: Study, shape: tuple[int, ...], classes: int) -> list[Published]:
    """Those of the study's data set: by its source's name, and the shape and classes of its networks; else none."""
    for data in DATA_SETS:
        named = re.search(data.pattern, study.data_source, re.IGNORECASE) is not None
        if named and (data.shape, data.classes) == (shape, classes):
            return [one for one in published() if one.data == data.name]
    return []
