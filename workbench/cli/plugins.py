"""`mlw plugins`: who brings what, and how they are."""

from __future__ import annotations

from typing import Annotated

import typer

from workbench.cli._show import as_json, table
from workbench.plugin.registry import KINDS, registry


def plugins(
    json: Annotated[bool, typer.Option("--json", help="Print for a program to read.")] = False,
) -> None:
    """List plugins, what each registers, and what is wrong with a broken one."""
    found = registry().plugins
    if json:
        rows = [
            {
                "name": plugin.name,
                "distribution": plugin.distribution,
                "version": plugin.version,
                **{
                    kind: [entry.name for entry in plugin.entries if entry.kind == kind]
                    for kind in KINDS
                },
                "error": plugin.error,
            }
            for plugin in found
        ]
        as_json(rows)
        return
    columns = {
        "plugin": "left",
        "distribution": "left",
        "version": "left",
        "registers": "left",
        "error": "left",
    }
    lines = []
    for plugin in found:
        parts = [
            ", ".join(entry.name for entry in plugin.entries if entry.kind == kind)
            for kind in KINDS
        ]
        registers = "; ".join(
            f"{kind}: {names}" for kind, names in zip(KINDS, parts, strict=True) if names
        )
        lines.append(
            [plugin.name, plugin.distribution, plugin.version, registers, plugin.error or "-"]
        )
    table("", columns, lines)
