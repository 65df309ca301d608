"""trackio: a local database, which `trackio show` displays. Its calls are those of W&B."""

from __future__ import annotations

import io
from collections.abc import Mapping
from contextlib import redirect_stdout
from typing import Annotated, Literal

from workbench import TrackedEvaluation, TrackedRun, Tracker
from workbench.errors import PluginError


class Trackio(Tracker):
    """Log to trackio: one run of its project for each run folder, under the same name."""

    def __init__(self, *, project: Annotated[str, "project of trackio"] = "mlw"):
        try:
            import trackio
        except ImportError as error:
            raise PluginError(
                "trackio is not installed; run: pip install 'meta-learning-workbench[trackio]'"
            ) from error
        self.project = project
        self._trackio = trackio

    def begin(self, run: TrackedRun) -> None:
        """Begin a run of trackio, or continue the one of the same name."""
        with redirect_stdout(io.StringIO()):  # it greets
            started = self._trackio.init(
                self.project,
                name=run.name,
                config=dict(run.facts),
                resume="allow" if run.done else "never",
                auto_log_gpu=False,
                auto_log_cpu=False,
            )
        # trackio has no public name for it; without it, steps trained again are logged twice
        self._next = getattr(started, "_next_step", 0)
        self._steps = run.done

    def record(self, step: int, numbers: Mapping[str, float]) -> None:
        """Log a row, unless it was logged before the training was interrupted."""
        self._steps = step
        if step >= self._next:
            self._trackio.log({f"training/{name}": numbers[name] for name in numbers}, step=step)

    def evaluated(self, evaluation: TrackedEvaluation) -> None:
        """Log the numbers at the last step of the training."""
        numbers = evaluation.numbers
        named = {f"{evaluation.title}/{name}": numbers[name] for name in numbers}
        self._trackio.log(named, step=self._steps)

    def end(self, outcome: Literal["finished", "stopped", "failed"]) -> None:  # noqa: ARG002
        """Wait until all is in the database."""
        with redirect_stdout(io.StringIO()):
            self._trackio.finish()
