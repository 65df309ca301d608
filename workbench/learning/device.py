"""The device that computes, the precision it computes in, and its clock and memory."""

from __future__ import annotations

import ctypes
import platform
from contextlib import AbstractContextManager, nullcontext

import torch

from workbench.errors import UsageError


def select_device(name: str = "auto") -> torch.device:
    """Return the device with this name; `auto` is the accelerator, or the CPU if there is none.

    Raises:
        UsageError: this machine has no such device.
    """
    if name == "auto":
        name = _default_device()
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()  # the device `meta` has no numbers
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"This machine has no device {name!r}; use --device cpu") from error
    return device


def _default_device() -> str:
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    return "cpu" if accelerator is None else accelerator.type


def precision(name: str, device: torch.device) -> AbstractContextManager[object]:
    """Return a context that computes in `float32`, or in `bfloat16` where torch finds it safe."""
    if name == "bfloat16":
        return torch.autocast(device.type, torch.bfloat16)
    return nullcontext()


def synchronize(device: torch.device) -> None:
    """Wait until the device has finished its work, so that measured times are right."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def keep_freed_memory() -> None:
    """Ask glibc to keep freed memory, for speed on a CPU.

    Fresh pages for every large tensor halve the speed of training.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    trim_threshold = -1  # both numbers are from malloc.h
    mmap_max = -4
    libc = ctypes.CDLL(None)
    libc.mallopt(mmap_max, 0)
    libc.mallopt(trim_threshold, 2**31 - 1)
