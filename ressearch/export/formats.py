"""The formats: how each is written, and how it is read back to be compared with the network.

One row per format. `write` writes a subject to a path and may write companions beside it; `check` reads what was
written and raises MismatchError if it is not the subject. Both work in a folder of their own; `export` moves what is
fine to where it belongs.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from ressearch.errors import ExportError
from ressearch.export import as_dot, as_hub, as_onnx, as_pt2, as_python, as_safetensors, as_yaml
from ressearch.export.packages import needed
from ressearch.export.subject import Subject


@dataclass(frozen=True)
class Format:
    """suffix: of its path by default; of a folder empty. companions: files beside it. weighs: it holds weights."""

    suffix: str
    write: Callable[[Subject, Path], None]
    check: Callable[[Subject, Path], str]
    companions: Callable[[Path], Sequence[Path]] = lambda path: ()
    weighs: bool = True
    needs: tuple[str, ...] = ()


FORMATS: dict[str, Format] = {
    "python": Format(".py", as_python.write, as_python.check, lambda path: [path.with_suffix(".pt")]),
    "onnx": Format(".onnx", as_onnx.write, as_onnx.check, needs=("onnx", "onnxscript", "onnxruntime")),
    "pt2": Format(".pt2", as_pt2.write, as_pt2.check),
    "safetensors": Format(".safetensors", as_safetensors.write, as_safetensors.check, needs=("safetensors",)),
    "yaml": Format(".yaml", as_yaml.write, as_yaml.check, weighs=False),
    "dot": Format(".dot", as_dot.write, as_dot.check, weighs=False),
    "hub": Format("", as_hub.write, as_hub.check, needs=("safetensors",)),
}
"""By the name that `-f` takes."""


@dataclass(frozen=True)
class Exported:
    """What was written, the named path first, and how it was found to be right."""

    paths: tuple[Path, ...]
    checked: str


def export(subject: Subject, form: str, out: Path | None = None, *, force: bool = False) -> Exported:
    """Write a network in a format and read it back; nothing is left where it differs, or where something fails.

    out: a file that ends as the format does, or for `hub` a folder; by default named after the id. force: replace what
    is there. Raises ExportError if something is there, WeightsError if a package is missing, and MismatchError if what
    was written is wrong.
    """
    chosen = FORMATS[form]
    for package in chosen.needs:
        needed(package)
    out = Path(f"{subject.stem}{chosen.suffix}") if out is None else out
    if chosen.suffix and out.suffix != chosen.suffix:
        raise ExportError(f"{out} does not end in {chosen.suffix}, as -f {form} does", hint="give another --out")
    paths = (out, *chosen.companions(out))
    _require_free(paths, force)
    try:
        out.absolute().parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".export-", dir=out.absolute().parent) as folder:
            checked = _written(chosen, subject, Path(folder), out.name)
            for path in reversed(paths):  # what the others need comes first
                _moved(Path(folder) / path.name, path)
    except OSError as error:
        raise ExportError(f"cannot write {out}: {error.strerror or error}", hint="give another --out") from error
    return Exported(paths, checked)


def _written(chosen: Format, subject: Subject, folder: Path, name: str) -> str:
    """Write into a folder and check; fresh weights are no test, since they hide much: others are tried first."""
    if chosen.weighs and not subject.weights.trained:
        trial = folder / "trial"
        trial.mkdir()
        lively = subject.lively()
        chosen.write(lively, trial / name)
        checked = chosen.check(lively, trial / name)
        shutil.rmtree(trial)
        chosen.write(subject, folder / name)
        return f"{chosen.check(subject, folder / name)}; with weights drawn for the check {checked}"
    chosen.write(subject, folder / name)
    return chosen.check(subject, folder / name)


def _require_free(paths: Sequence[Path], force: bool) -> None:
    for path in paths:
        if path.exists() and not force:
            raise ExportError(f"{path} is there already", hint="--force replaces it, --out names another")


def _moved(source: Path, target: Path) -> None:
    """Put what was written in its place, at once; a folder that is there steps aside first."""
    if source.is_file():
        with source.open("rb") as stream:
            os.fsync(stream.fileno())
    if target.is_dir():
        target.rename(source.with_name("aside"))
    source.replace(target)
