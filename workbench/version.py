"""The version of the workbench, as in pyproject.toml, and that of its plugin interface."""

from __future__ import annotations

__version__ = "0.1.0"

INTERFACE = 2
"""Increases when the public list gets a name, or the contract of a plugin changes."""
