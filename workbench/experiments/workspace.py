"""Where runs are kept and computed, and who is told how far they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.environment import device_name, out_folder
from workbench.errors import RunError
from workbench.experiments.tracking import Tracking
from workbench.progress import Report, say_nothing

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Workspace:
    """A folder of runs and a device to compute on."""

    out: Path = field(default_factory=out_folder)
    device: str = field(default_factory=device_name)
    fresh: bool = False  # ignore cached results and recompute
    report: Report | None = None  # shows the progress of trainings
    note: Callable[[str], None] = say_nothing  # is told what happens, a line at a time
    tracking: Tracking = field(default_factory=Tracking)  # follows trainings and evaluations

    @cached_property
    def torch_device(self) -> torch.device:
        """The device. Raises `UsageError` if it is not available."""
        from workbench.learning.device import select_device

        return select_device(self.device)


# What to do about a run folder that cannot be written; `mlw eval` has no --out.
COPY_IT = "copy the run to where there is room and you may write, and evaluate the copy"


@contextmanager
def writable(folder: Path, remedy: str = "choose another folder with --out") -> Iterator[None]:
    """Make a folder, and turn an error of the disk below it into one sentence.

    Args:
        remedy: what the user can do.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise RunError(
            f"{error.filename or folder} cannot be written: {error.strerror or error}; {remedy}"
        ) from error
