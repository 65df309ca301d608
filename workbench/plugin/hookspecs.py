"""The four hooks of a plugin, and the two markers. Nothing here imports more than pluggy.

A plugin is a package with an entry point in the group `mlw`:

    [project.entry-points.mlw]
    mine = "my_package"

whose module implements any of these with `@hookimpl`. `register(name, "module:Class")` takes a
string, resolved on first use, so that listing names imports no torch; a class works too.
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
    """Make a class known under a name; with options, as a name for a setting: `fomaml` for `maml:first_order=true`."""

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
def register_commands(app: typer.Typer) -> None:
    """Add commands of one's own to `mlw`."""
