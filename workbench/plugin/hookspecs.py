"""The five hooks that a plugin can implement, and the two markers.

A plugin is a package with an entry point in the group `mlw`:

    [project.entry-points.mlw]
    mine = "my_package"

Its module implements any of these hooks, each marked with `@hookimpl`. A target is a string,
`register(name, "module:Class")`, which is imported on first use, so that listing names does not
import torch. A class works too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import pluggy

if TYPE_CHECKING:
    import typer

GROUP = "mlw"
hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


class Register(Protocol):
    """Register a class under a name.

    With options, the name is an alias for the class with these options set: `fomaml` for
    `maml:first_order=true`. Register the name without options first.
    """

    def __call__(self, name: str, target: str | type, **preset: Any) -> None: ...


@hookspec
def register_algorithms(register: Register) -> None:
    """Register subclasses of `workbench.Learner`."""


@hookspec
def register_backbones(register: Register) -> None:
    """Register modules that turn images `(n, channels, height, width)` into features `(n, dim)`."""


@hookspec
def register_datasets(register: Register) -> None:
    """Register subclasses of `workbench.Dataset`."""


@hookspec
def register_trackers(register: Register) -> None:
    """Register subclasses of `workbench.Tracker`."""


@hookspec
def register_commands(app: typer.Typer) -> None:
    """Add commands to `mlw`."""
