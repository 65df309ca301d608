"""Ten learners, each with one fault, by the name of the check that must find it."""

from __future__ import annotations

import sys

import torch
import torch.nn.functional as F
from wrong_learners import Right

from workbench import Task


class PeeksAtQueryLabels(Right):
    """It looks for the task among the variables of those who call it."""

    def adapt(self, support):
        right = super().adapt(support)

        def predict(x):
            frame = sys._getframe()
            while frame and not self.training:
                for value in frame.f_locals.values():
                    if isinstance(value, Task) and value.query.y.shape[-1] == len(x):
                        return F.one_hot(value.query.y.reshape(-1)[: len(x)], support.ways).to(x)
                frame = frame.f_back
            return right(x)

        return predict


class ChangesItself(Right):
    """It goes on tuning the same weights from task to task."""

    def adapt(self, support):
        if not self.training:
            self.backbone[1].weight.data.mul_(0.9)
        return super().adapt(support)


class IsRandom(Right):
    def adapt(self, support):
        noise = torch.randn(support.ways)
        return lambda x: super(IsRandom, self).adapt(support)(x) + noise.to(x)


class PrefersTheFirstClass(Right):
    """It says that the numbers of classes do not matter, and prefers class 0."""

    equivariant = True

    def adapt(self, support):
        bonus = F.one_hot(support.y.new_zeros(()), support.ways)
        return lambda x: super(PrefersTheFirstClass, self).adapt(support)(x) + 0.1 * bonus


class HidesADevice(Right):
    """Its weights follow a learner to a GPU, and this tensor stays behind."""

    def __init__(self, image_shape):
        super().__init__(image_shape)
        self.centre = torch.zeros(8)

    def embed(self, images):
        return self.backbone(images) - self.centre.to(images.dtype)


class ReturnsAnotherShape(Right):
    def adapt(self, support):
        columns = None if self.training else 2
        return lambda x: super(ReturnsAnotherShape, self).adapt(support)(x)[:, :columns]


class DividesByASpread(Right):
    """A single image per class has no spread."""

    def adapt(self, support):
        first = support.x[support.y == 0]
        squares = (first - first.mean(0)).square().sum(0)
        spread = 1.0 if self.training else squares / (len(first) - 1)
        return lambda x: super(DividesByASpread, self).adapt(support)(x / spread)


class SubtractsTheMeanQuery(Right):
    def adapt(self, support):
        return lambda x: super(SubtractsTheMeanQuery, self).adapt(support)(x - x.mean(0))


class RemembersTasks(Right):
    """It adds the mean image of all tasks so far, which it keeps where nobody looks."""

    def __init__(self, image_shape):
        super().__init__(image_shape)
        self._met = []

    def adapt(self, support):
        if not self.training:
            self._met.append(support.x.mean(0))
        earlier = sum(self._met[:-1])
        return lambda x: super(RemembersTasks, self).adapt(support)(x + earlier)


class ForgetsItsSteps(Right):
    """What it averages by is a number that no saved state has."""

    def __init__(self, image_shape):
        super().__init__(image_shape)
        self.register_buffer("average", torch.zeros(()))
        self.steps = 0

    def stepped(self):
        self.steps += 1
        self.average += (self.backbone[1].weight.mean() - self.average) / self.steps


TEN = {
    "query labels": PeeksAtQueryLabels,
    "unchanged": ChangesItself,
    "deterministic": IsRandom,
    "equivariant": PrefersTheFirstClass,
    "device": HidesADevice,
    "scores": ReturnsAnotherShape,
    "numbers": DividesByASpread,
    "transductive": SubtractsTheMeanQuery,
    "tasks apart": RemembersTasks,
    "resuming": ForgetsItsSteps,
}
