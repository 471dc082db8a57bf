"""`early_terminate:`, in the words of a Weights & Biases sweep: when trials are compared, and how many go on."""

from __future__ import annotations

from typing import Any

from ressearch.space.grammar import EarlyTerminate
from ressearch.space.reader import Parse, Reader, whole, word
from ressearch.space.source import Mapping, Value

TYPES = ("hyperband",)
_KEYS = ("type", "min_iter", "eta")
_LAST = "leave it out: the last rung is at train.epochs"
_NEEDLESS = {
    "max_iter": _LAST, "max_t": _LAST, "max_resource": _LAST,
    "s": "leave it out: `min_iter` and `eta` say where the rungs are",
    "brackets": "leave it out: there is one",
    "strict": "leave it out: at most one trial in `eta` goes on",
}  # fmt: skip
"""Keys of Weights & Biases, Ray Tune and Optuna that have none of ours."""


def early_terminate(reader: Reader, value: Value, path: str) -> EarlyTerminate:
    """The rungs of a study."""
    mapping = reader.mapping(value, path)
    needless = [key for key in mapping.entries if key in _NEEDLESS]
    for key in needless:
        place = mapping.key_places[key]
        reader.report("E006", f"{path}.{key}", place, f"{key!r} is another tool's word", _NEEDLESS[key])
    reader.fields(mapping, path, [*_KEYS, *needless])
    known: dict[str, Parse[Any]] = {"min_iter": whole(), "eta": whole(2)}
    reader.optional(mapping, "type", path, word(TYPES, "E005", "a way to terminate trials early"), None)
    given = {key: reader.optional(mapping, key, path, known[key], None) for key in known}
    return EarlyTerminate(**{key: found for key, found in given.items() if found is not None})


def require_a_rung(reader: Reader, top: Mapping, found: EarlyTerminate | None, epochs: int) -> None:
    """Report rungs of which none is below the last."""
    if found is not None and found.min_iter >= epochs:
        place = top.entries["early_terminate"].place
        message = f"the first rung, at {found.min_iter} epochs, is not below the last, at {epochs} (train.epochs)"
        reader.report("E007", "early_terminate.min_iter", place, message, "lower min_iter, or raise train.epochs")
