"""Finds residual networks that are worth their FLOPs."""

__version__ = "0.1.0"
