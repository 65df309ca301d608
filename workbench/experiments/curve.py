"""The learning curve of a training: the rows of train.csv, and the words beside a progress bar."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from workbench.experiments.run import CURVE_COLUMNS
from workbench.learning.training import StepReport

CURVE_ROWS = 200  # rows of train.csv, besides those with a validation


class CurveWriter:
    """The rows of train.csv: those with a validation, and about CURVE_ROWS more."""

    def __init__(self, steps: int):
        self.every = max(1, steps // CURVE_ROWS)
        self.rows: list[list[float | None]] = []
        self.loss_sum = 0.0  # since the last row
        self.losses = 0

    def add(self, step: StepReport) -> bool:
        """Add a step; return whether a row ends with it."""
        self.loss_sum += step.loss
        self.losses += 1
        if step.step % self.every != 0 and step.val_accuracy is None:
            return False
        mean = self.loss_sum / self.losses
        self.rows.append([step.step, mean, step.lr, step.seconds, step.val_accuracy])
        self.loss_sum = 0.0
        self.losses = 0
        return True

    @property
    def last_row(self) -> dict[str, float | None]:
        """The last row without its step, by column."""
        return dict(zip(CURVE_COLUMNS[1:], self.rows[-1][1:], strict=True))

    @property
    def last_loss(self) -> float | None:
        """The mean training loss of the last row; None without steps."""
        if not self.rows:
            return None
        return self.rows[-1][1]

    def write(self, path: Path) -> None:
        lines = [",".join(CURVE_COLUMNS)]
        for row in self.rows:
            cells = ["" if value is None else repr(value) for value in row]
            lines.append(",".join(cells))
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows, "loss_sum": self.loss_sum, "losses": self.losses}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.rows = state["rows"]
        self.loss_sum = state["loss_sum"]
        self.losses = state["losses"]


class ProgressText:
    """The words beside a progress bar: smoothed loss and the last validation."""

    def __init__(self) -> None:
        self.loss: float | None = None
        self.validation = ""

    def of(self, step: StepReport) -> str:
        if self.loss is None:
            self.loss = step.loss
        self.loss = 0.95 * self.loss + 0.05 * step.loss
        if step.val_accuracy is not None:
            self.validation = f", validation {100 * step.val_accuracy:.1f}%"
        return f"loss {self.loss:.3f}{self.validation}"
