"""Where downloads, prepared data and notes of a user's own images are kept."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return the folder for downloads and prepared data: `MLW_CACHE`, else the platform's."""
    if given := os.environ.get("MLW_CACHE"):
        return Path(given).expanduser().absolute()
    from platformdirs import user_cache_path

    return user_cache_path("mlw")
