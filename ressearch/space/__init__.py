"""The YAML language and what it describes: `SearchSpace`."""

from ressearch.space.choices import (
    BySuffix,
    Categorical,
    Choice,
    Choose,
    Decisions,
    Domain,
    Integer,
    Real,
    as_stored,
    at_random,
)
from ressearch.space.space import Candidate, SearchSpace

__all__ = [
    "BySuffix",
    "Candidate",
    "Categorical",
    "Choice",
    "Choose",
    "Decisions",
    "Domain",
    "Integer",
    "Real",
    "SearchSpace",
    "as_stored",
    "at_random",
]
