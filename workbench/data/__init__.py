"""Data sets on disk: their files, downloads, a user's own images, and prepared images.

Nothing here samples tasks or knows a learner. A plugin may use the names below to read files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.lazy import lazy_names

if TYPE_CHECKING:
    from workbench.data.cache import cache_folder
    from workbench.data.files.archive import Archive
    from workbench.data.files.decode import decode
    from workbench.data.files.pickles import load_pickle

__all__ = ["Archive", "cache_folder", "decode", "load_pickle"]

_HOMES = {
    "Archive": "workbench.data.files.archive",
    "cache_folder": "workbench.data.cache",
    "decode": "workbench.data.files.decode",
    "load_pickle": "workbench.data.files.pickles",
}

__getattr__ = lazy_names(__name__, _HOMES)


def __dir__() -> list[str]:
    return list(__all__)
