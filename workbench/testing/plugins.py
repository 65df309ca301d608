"""What is asked of a plugin as a whole, before the things that it registers."""

from __future__ import annotations

from workbench.experiments.plugin_check import problems
from workbench.plugin.registry import Plugin
from workbench.testing.checks import Check, Finding, findings


def plugin_findings(plugin: Plugin) -> list[Finding]:
    """Return what came of each check of a plugin."""
    return list(findings(PLUGIN_CHECKS, plugin))


def _check_loads(plugin: Plugin) -> None:
    assert not plugin.error, plugin.error


def _check_sound(plugin: Plugin) -> None:
    found = problems(plugin)
    assert not found, "; ".join(found)


PLUGIN_CHECKS: tuple[Check[Plugin], ...] = (
    Check(
        "loads",
        "its module is imported, and its hooks run",
        "read the traceback of: mlw --debug plugins",
        _check_loads,
    ),
    Check(
        "sound",
        "its classes are there, its recipes name what there is, its requirements are installed",
        "correct the names, the recipes.toml or the dependencies of the package",
        _check_sound,
        needs=("loads",),
    ),
)
