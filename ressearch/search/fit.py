"""Whether a data set's images are those that a space is for."""

from __future__ import annotations

from ressearch.data import SearchData
from ressearch.errors import StudyError
from ressearch.space import SearchSpace


def require_images_fit(space: SearchSpace, data: SearchData) -> None:
    """Raise StudyError unless the space is for images of this size and as many classes."""
    shape, classes = space.grammar.input_shape, space.grammar.classes
    if (shape, classes) != (data.image_shape, data.classes):
        wanted, given = "x".join(map(str, shape)), "x".join(map(str, data.image_shape))
        raise StudyError(
            f"the space {space.name!r} is for images of {wanted} in {classes} classes, "
            f"{data.name} has {given} in {data.classes}",
            hint=f"write input: {{shape: {list(data.image_shape)}, classes: {data.classes}}}, or give other data",
        )
