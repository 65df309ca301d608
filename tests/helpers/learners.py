"""Learners on tiny data."""

from __future__ import annotations

from workbench import Learner
from workbench.experiments.build import build_learner
from workbench.experiments.plan import TrainingRequest, make_plan
from workbench.testing import tiny_data

NARROW = "conv4:width=8"
BY_BATCH = "conv4:norm=batch,width=8"


def tiny_learner(
    spec: str, backbone: str | None = NARROW, *, ways: int = 3, shots: int = 2
) -> Learner:
    """Build the learner of a spec for tiny data, in training mode, its weights from seed 0."""
    data = tiny_data()
    request = TrainingRequest(ways=ways, shots=shots, backbone=backbone)
    return build_learner(make_plan(spec, data, request), data)
