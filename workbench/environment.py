"""What environment variables choose where nothing is given: the folder of runs and the device.

`MLW_CACHE`, the folder of data sets, is read in `workbench.data.cache`, and `MLW_PLUGINS` in
`workbench.plugin.registry`.
"""

from __future__ import annotations

import os
from pathlib import Path

from workbench.errors import UsageError

OUT = "MLW_OUT"
DEVICE = "MLW_DEVICE"
CACHE = "MLW_CACHE"
PLUGINS = "MLW_PLUGINS"


def out_folder() -> Path:
    """Return the folder of runs: `MLW_OUT` if it is set, otherwise `runs`.

    Raises:
        UsageError: it begins with "~", and there is no such home folder.
    """
    try:
        return Path(os.environ.get(OUT) or "runs").expanduser()
    except RuntimeError as error:
        raise UsageError(f"{OUT}={os.environ[OUT]} names no folder: {error}") from error


def device_name() -> str:
    """Return the device to compute on: `MLW_DEVICE` if it is set, otherwise `auto`."""
    return os.environ.get(DEVICE) or "auto"
