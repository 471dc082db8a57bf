"""Networks beside each other: how their wiring differs, what they cost, and which measurements can be told apart."""

from ressearch.comparing.measured import Accuracies, Compared, Verdict, compared, verdicts
from ressearch.comparing.wiring import BlockChange, Change, What, by_block, differences

__all__ = [
    "Accuracies",
    "BlockChange",
    "Change",
    "Compared",
    "Verdict",
    "What",
    "by_block",
    "compared",
    "differences",
    "verdicts",
]
