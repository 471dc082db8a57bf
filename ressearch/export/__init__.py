"""Networks for others: files in the formats that they read, each checked against the network before it is there."""

from ressearch.export.create import create_model
from ressearch.export.formats import FORMATS, Exported, Format, export
from ressearch.export.known import file_subject, stored_subject
from ressearch.export.subject import Subject
from ressearch.export.weights import Weights, file_weights, fresh_weights, kept_weights

__all__ = [
    "FORMATS",
    "Exported",
    "Format",
    "Subject",
    "Weights",
    "create_model",
    "export",
    "file_subject",
    "file_weights",
    "fresh_weights",
    "kept_weights",
    "stored_subject",
]
