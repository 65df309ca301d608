"""Where and how exactly the numbers are computed."""

from __future__ import annotations

import ctypes
import platform
from contextlib import AbstractContextManager, nullcontext

import torch

from workbench.errors import UsageError


def select_device(name: str = "auto") -> torch.device:
    """The device of a name; `auto` takes the first accelerator there is, else the CPU.

    Raises:
        UsageError: no such device here.
    """
    if name == "auto":
        name = (
            torch.accelerator.current_accelerator().type
            if torch.accelerator.is_available()
            else "cpu"
        )  # type: ignore[union-attr]
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"There is no device {name!r} here; type --device cpu") from error
    return device


def precision(name: str, device: torch.device) -> AbstractContextManager[object]:
    """Compute in `float32`, or let torch choose where `bfloat16` is enough."""
    return torch.autocast(device.type, torch.bfloat16) if name == "bfloat16" else nullcontext()


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what it was asked, so that clocks tell the truth."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def keep_freed_memory() -> None:
    """Ask glibc to keep freed memory: fresh pages for every large tensor halve a CPU's training speed."""
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        trim_threshold, mmap_max = -1, -4  # malloc.h
        libc.mallopt(mmap_max, 0)
        libc.mallopt(trim_threshold, 2**31 - 1)
