"""By which command, with which versions and on which machine a run was trained."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from workbench.experiments.fingerprint import plugin_versions
from workbench.experiments.plan import Plan
from workbench.version import __version__


def command() -> str:
    """Return the command that was typed, "mlw train protonet"; "" where Python was used."""
    if Path(sys.argv[0]).stem != "mlw":
        return ""
    return " ".join(["mlw", *map(_quoted, sys.argv[1:])])


def _quoted(word: str) -> str:
    """Return a word as a shell reads it, in UTF-8: bytes that are not UTF-8 as `$'\\xe9'`."""
    try:
        word.encode()
    except UnicodeEncodeError:
        text = word.replace("\\", "\\\\").replace("'", "\\'")
        return f"$'{os.fsencode(text).decode('ascii', 'backslashreplace')}'"
    return shlex.quote(word)


def versions(plan: Plan) -> dict[str, str]:
    """Return the versions of the workbench, of libraries and of the plugins used, by name."""
    return {
        "workbench": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        **plugin_versions(plan),
    }


def hardware(device: torch.device) -> dict[str, Any]:
    """Return the device, its name, the number of threads and the platform."""
    return {
        "device": str(device),
        "name": _processor(device),
        "threads": torch.get_num_threads(),
        "platform": platform.platform(),
    }


def _processor(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return platform.processor() or _processor_of_linux() or platform.machine()


def _processor_of_linux() -> str:
    """Return the name of the processor; "" if the system does not say."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return ""
