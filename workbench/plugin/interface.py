"""Which version of the plugin interface a plugin needs, as the metadata of its package says.

    [project]
    keywords = ["mlw-interface-1"]

It is read before the plugin is imported: a plugin that uses names that are not there yet could not
say anything once its import has failed. A plugin without the keyword works with any version.
"""

from __future__ import annotations

import re
from importlib.metadata import EntryPoint

from workbench.errors import PluginError
from workbench.version import INTERFACE

KEYWORD = re.compile(r"mlw-interface-([^,\s]*)")


def require_interface(point: EntryPoint) -> None:
    """Refuse a plugin that needs a newer interface than there is.

    Raises:
        PluginError: it needs a newer one, or its keyword has no number.
    """
    for text in _needed(point):
        if not text.isdecimal():
            raise PluginError(
                f"its keyword mlw-interface-{text} has no number; write mlw-interface-{INTERFACE}"
            )
        if int(text) > INTERFACE:
            raise PluginError(
                f"it needs version {int(text)} of the plugin interface, and this workbench has "
                f"{INTERFACE}; run: pip install --upgrade meta-learning-workbench"
            )


def _needed(point: EntryPoint) -> list[str]:
    """Return what follows `mlw-interface-` in the keywords of a plugin's package."""
    if point.dist is None:
        return []
    lines = point.dist.metadata.get_all("Keywords") or []
    return KEYWORD.findall(" ".join(lines))
