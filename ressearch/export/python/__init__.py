"""An architecture as one file of plain torch, as a person would write it: classes where blocks repeat."""

from ressearch.export.python.source import Source, source_of

__all__ = ["Source", "source_of"]
