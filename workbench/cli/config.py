"""`mlw config`: what environment variables choose, and what is in force without them."""

from __future__ import annotations

import os
from typing import NamedTuple

from workbench import environment
from workbench.cli import _show
from workbench.cli._options import Json


class _Setting(NamedTuple):
    setting: str
    value: str
    comes_from: str
    variable: str
    flag: str


def config(json: Json = False) -> None:
    """Show where runs and data are kept and what computes, and where each setting comes from.

    A flag of a command wins over the variable, and the variable over the default.
    """
    found = [
        _setting("runs", str(environment.out_folder()), environment.OUT, "--out"),
        _setting("device", environment.device_name(), environment.DEVICE, "--device"),
        _setting("data sets", _cache(), environment.CACHE),
        _setting("plugins", _plugins(), environment.PLUGINS),
        _setting("colours", "none" if os.environ.get("NO_COLOR") else "on a terminal", "NO_COLOR"),
    ]
    if json:
        _show.as_json([row._asdict() for row in found])
        return
    columns = ("setting", "value", "comes from", "variable", "flag")
    _show.table("", dict.fromkeys(columns, "left"), found)


def _setting(name: str, value: str, variable: str, flag: str = "") -> _Setting:
    chosen = os.environ.get(variable)
    by_variable = bool(chosen) or (variable == environment.PLUGINS and chosen is not None)
    source = f"the variable {variable}" if by_variable else "the default"
    return _Setting(name, value, source, variable, flag)


def _cache() -> str:
    from workbench.data.cache import cache_folder

    return str(cache_folder())


def _plugins() -> str:
    chosen = os.environ.get(environment.PLUGINS)
    return "all that are installed" if chosen is None else chosen or "none"
