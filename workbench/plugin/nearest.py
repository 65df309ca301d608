"""What a plugin means by a name: its own things first, then those of what it requires.

So another plugin that registers the same name changes nothing for the recipes of this one.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.metadata import PackageNotFoundError, requires

from workbench.plugin.options import Spec, parse_spec
from workbench.plugin.registry import Registration, registry

CORE = "meta-learning-workbench"  # what it comes with is in its extra `all`


def nearest_spec(kind: str, text: str, owner: Registration) -> str:
    """Return the spec that a plugin means, with a full name where others share the name.

    Args:
        kind: "algorithms", "backbones" or "datasets".
        text: a spec in one of the plugin's files, or another text, which is returned unchanged.
        owner: whose recipe it is.
    """
    name = text.partition(":")[0]
    found = registry().named(kind, name)
    if len(found) < 2:
        return text
    chosen = [entry for entry in found if entry.distribution == owner.distribution]
    if not chosen:
        required = _required(owner.distribution)
        chosen = [entry for entry in found if entry.distribution in required]
    if len(chosen) != 1:
        return text
    return str(Spec(chosen[0].full_name, parse_spec(text).options))


@cache
def _required(distribution: str) -> frozenset[str]:
    """Return the distributions that one requires, and those that the workbench comes with."""
    names: set[str] = set()
    for one in (distribution, CORE):
        try:
            listed = requires(one) or []
        except PackageNotFoundError:
            continue
        names.update(re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in listed)
    return frozenset(names)
