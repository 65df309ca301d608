"""`mlw new plugin NAME`: a package to begin with, which works at once."""

from __future__ import annotations

from typing import Annotated

import typer

from workbench.cli import _show
from workbench.errors import UsageError
from workbench.scaffold.names import plugin_names, refuse_taken
from workbench.scaffold.write import write_plugin

app = typer.Typer(help="Write a package to begin with.")
EXAMPLE = "mlw new plugin nearest-mean"


@app.callback(invoke_without_command=True)
def new(context: typer.Context) -> None:
    """Write a package to begin with."""
    if context.invoked_subcommand is None:
        raise UsageError(f"mlw new needs two words more, for instance: {EXAMPLE}")


@app.command("plugin")
def plugin(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(help="Name of the folder, and of what the plugin registers.")
    ] = "",
    algorithm: Annotated[
        bool, typer.Option("--algorithm", help="With a method. The default.")
    ] = False,
    backbone: Annotated[bool, typer.Option("--backbone", help="With a network.")] = False,
    dataset: Annotated[bool, typer.Option("--dataset", help="With a data set.")] = False,
    command: Annotated[bool, typer.Option("--command", help="With a command of mlw.")] = False,
) -> None:
    """Write a plugin with its tests into a new folder: it installs, passes them and trains."""
    if not name:
        raise UsageError(f"mlw new plugin needs a name, for instance: {EXAMPLE}")
    asked = {
        "algorithms": algorithm,
        "backbones": backbone,
        "datasets": dataset,
        "commands": command,
    }
    kinds = [kind for kind, wanted in asked.items() if wanted] or ["algorithms"]
    names = plugin_names(name)
    group = context.find_root().command
    refuse_taken(names, kinds, getattr(group, "commands", {}))
    commands = write_plugin(names, kinds)
    _show.out(f"{names.folder}: a package to begin with; next:")
    for line in commands:
        _show.out(f"  {line}")
