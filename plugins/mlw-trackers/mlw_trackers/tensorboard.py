"""TensorBoard: event files beside the weights, which `tensorboard --logdir runs` shows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from workbench import TrackedEvaluation, TrackedRun, Tracker
from workbench.errors import PluginError


class TensorBoard(Tracker):
    """Write event files for TensorBoard, into the folder `tensorboard` of each run."""

    def __init__(
        self,
        *,
        folder: Annotated[str | None, "folder for all runs; none: in each run folder"] = None,
    ):
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise PluginError(
                "TensorBoard is not installed; "
                "run: pip install 'meta-learning-workbench[tensorboard]'"
            ) from error
        self.folder = folder
        self._writer_class = SummaryWriter

    def begin(self, run: TrackedRun) -> None:
        """Open a new event file; what was written of steps that are trained again is hidden."""
        folder = run.folder / "tensorboard"
        if self.folder is not None:
            folder = Path(self.folder) / run.name
        self._writer = self._writer_class(str(folder), purge_step=run.done + 1)
        self._steps = run.done
        if run.done == 0:
            lines = ["| | |", "|---|---|", *(f"| {key} | {run.facts[key]} |" for key in run.facts)]
            self._writer.add_text("plan", "\n".join(lines), 0)

    def record(self, step: int, numbers: Mapping[str, float]) -> None:
        """Write one point of each curve."""
        for name, value in numbers.items():
            self._writer.add_scalar(f"training/{name}", value, step)
        self._writer.flush()  # for who looks on
        self._steps = step

    def evaluated(self, evaluation: TrackedEvaluation) -> None:
        """Write the numbers at the last step of the training."""
        for name, value in evaluation.numbers.items():
            self._writer.add_scalar(f"{evaluation.title}/{name}", value, self._steps)

    def end(self, outcome: Literal["finished", "stopped", "failed"]) -> None:  # noqa: ARG002
        """Close the event file."""
        self._writer.close()
