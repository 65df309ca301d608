"""Where the data files of a plugin are: beside its modules."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec


def package_folders(name: str) -> Sequence[str]:
    """Return the folders of a package; for a module of a package, those of the package.

    A module outside packages, such as a script, has none.
    """
    if not name or name == "__main__":
        return []
    spec = find_spec(name)
    if spec and not spec.submodule_search_locations and spec.parent:
        spec = find_spec(spec.parent)
    if spec is None or spec.submodule_search_locations is None:
        return []
    return spec.submodule_search_locations
