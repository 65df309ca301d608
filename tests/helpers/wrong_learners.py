"""A small learner that keeps the contract, and many that each break it in one way.

`WRONG` has each of them, with words of the sentence that refuses it.
"""

from __future__ import annotations

import random

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from workbench import Learner, query_loss
from workbench.functional import class_means

WRONG: dict[type, str] = {}
MET: list[int] = []  # a place outside the learner, which outlives a task


class Right(Learner):
    """Class means of a linear map of the pixels."""

    def __init__(self, image_shape):
        super().__init__()
        channels, height, width = image_shape
        self.backbone = nn.Sequential(nn.Flatten(), nn.Linear(channels * height * width, 8))
        self.register_buffer("count", torch.zeros(()))

    def embed(self, images):
        return self.backbone(images)

    def adapt(self, support):
        means = class_means(support).nan_to_num()
        return lambda x: x @ means.mT

    def losses(self, source):
        for tasks in source.tasks():
            yield query_loss(self, tasks)


def wrong(words):
    """Note a learner with words of the sentence that must refuse it."""

    def note(learner):
        WRONG[learner] = words
        return learner

    return note


# --- embed


@wrong("embed must work row by row")
class EmbedMixesImages(Right):
    def embed(self, images):
        rows = self.backbone(images)
        return rows - rows.mean(0)


@wrong("embed must work row by row")
class EmbedAddsThePosition(Right):
    def embed(self, images):
        return self.backbone(images) + torch.arange(len(images), dtype=images.dtype)[:, None]


@wrong("embed must work row by row")
class EmbedIsRandom(Right):
    def embed(self, images):
        return self.backbone(images) + torch.randn(8)


@wrong("embed must return a tensor, not tuple")
class EmbedReturnsAPair(Right):
    def embed(self, images):
        return (self.backbone(images), 1) if not self.training else self.backbone(images)


@wrong("embed must return one row per image")
class EmbedDropsARow(Right):
    def embed(self, images):
        return self.backbone(images) if self.training else self.backbone(images)[1:]


@wrong("embed must not change images in place")
class EmbedChangesImages(Right):
    def embed(self, images):
        return self.backbone(images.sub_(0.5))


@wrong("embeds() must be False where embed returns the images")
class EmbedReturnsTheImages(Right):
    def embed(self, images):
        return images

    def adapt(self, support):
        predict = super().adapt(support._replace(x=self.backbone(support.x)))
        return lambda x: predict(self.backbone(x))


@wrong("embed must leave the mode unchanged")
class EmbedLeavesTrainModeOn(Right):
    def embed(self, images):
        self.train()
        return self.backbone(images)


@wrong("embed must leave the learner unchanged, and it changed count")
class EmbedCounts(Right):
    def embed(self, images):
        self.count += 0 if self.training else 1
        return self.backbone(images)


@wrong("losses, with 2 images per class and 12 queries, must work, and it stops")
class EmbedKnowsOneSize(Right):
    def embed(self, images):
        return self.backbone(images.view(-1, 1, 12, 12))


@wrong("embed must return finite numbers")
class EmbedDividesByZero(Right):
    def embed(self, images):
        rows = self.backbone(images)
        return rows if self.training else rows / (rows - rows)


# --- adapt


@wrong("adapt must be deterministic")
class AdaptIsRandom(Right):
    def adapt(self, support):
        noise = torch.randn(support.ways)
        return lambda x: super(AdaptIsRandom, self).adapt(support)(x) + noise


@wrong("adapt must be deterministic")
class AdaptIsRandomWithNumpy(Right):
    def adapt(self, support):
        noise = np.random.uniform()
        return lambda x: super(AdaptIsRandomWithNumpy, self).adapt(support)(x) + noise


@wrong("adapt must be deterministic")
class AdaptIsRandomForManyShots(Right):
    def adapt(self, support):
        noise = torch.randn(()) if len(support.y) > 12 else 0
        return lambda x: super(AdaptIsRandomForManyShots, self).adapt(support)(x) + noise


@wrong("adapt must be deterministic")
class AdaptIsRandomForOneShot(Right):
    def adapt(self, support):
        noise = torch.randn(()) if len(support.y) == support.ways else 0
        return lambda x: super(AdaptIsRandomForOneShot, self).adapt(support)(x) + noise


@wrong("adapt must not seed the global generator of torch")
class AdaptSeedsTorch(Right):
    def adapt(self, support):
        if not self.training:
            torch.manual_seed(0)
        noise = torch.randn(())
        return lambda x: super(AdaptSeedsTorch, self).adapt(support)(x) + noise


@wrong("adapt must not seed the global generator of numpy")
class AdaptSeedsNumpy(Right):
    def adapt(self, support):
        if not self.training:
            np.random.seed(0)
        return super().adapt(support)


@wrong("adapt must not seed the global generator of random")
class AdaptSeedsPython(Right):
    def adapt(self, support):
        if not self.training:
            random.seed(0)
        return super().adapt(support)


@wrong("adapt must leave the learner unchanged, and it changed count")
class AdaptCountsInABuffer(Right):
    def adapt(self, support):
        self.count += 1
        return super().adapt(support)


@wrong("adapt must leave the learner unchanged, and it changed tasks_met")
class AdaptCountsInAnAttribute(Right):
    tasks_met = 0

    def adapt(self, support):
        self.tasks_met += 1
        return super().adapt(support)


@wrong("adapt must leave the learner unchanged, and it changed last_task")
class AdaptKeepsTheTask(Right):
    last_task = None

    def adapt(self, support):
        self.last_task = support.x
        return super().adapt(support)


@wrong("adapt must leave the learner unchanged, and it changed backbone.1.weight")
class AdaptTunesTheWeights(Right):
    def adapt(self, support):
        self.backbone[1].weight.data.mul_(0.9)
        return super().adapt(support)


@wrong("adapt must leave the learner unchanged, and it changed the gradient of backbone")
class AdaptLeavesGradients(Right):
    def adapt(self, support):
        with torch.enable_grad():
            self.backbone[1].weight.sum().backward()
        return super().adapt(support)


@wrong("a task must have the same scores whatever tasks came before it")
class AdaptDriftsOverTasks(Right):
    def adapt(self, support):
        if not self.training:
            MET.append(1)
        factor = 1.0 if len(MET) < 4 else 2.0
        return lambda x: factor * super(AdaptDriftsOverTasks, self).adapt(support)(x)


@wrong("adapt must not change support.x in place")
class AdaptChangesTheSupport(Right):
    def adapt(self, support):
        if not self.training:
            support.x.sub_(support.x.mean())
        return super().adapt(support)


@wrong("adapt must not change support.y in place")
class AdaptChangesTheLabels(Right):
    def adapt(self, support):
        support.y.copy_(support.y.flip(0))
        return super().adapt(support)


@wrong("adapt must leave the mode unchanged")
class AdaptLeavesTrainModeOn(Right):
    def adapt(self, support):
        self.train()
        return super().adapt(support)


@wrong("adapt must leave the mode unchanged")
class AdaptLeavesOnePartInTrainMode(Right):
    def adapt(self, support):
        self.backbone.train()
        return super().adapt(support)


@wrong("adapt must leave torch's default dtype and grad mode unchanged")
class AdaptLeavesGradientsOn(Right):
    def adapt(self, support):
        torch.set_grad_enabled(True)
        return super().adapt(support)


@wrong("adapt must build no graph")
class AdaptBuildsAGraph(Right):
    def adapt(self, support):
        def predict(x):
            with torch.enable_grad():
                return x @ support.x.T[:, :3] * self.backbone[1].weight.sum()

        return predict


@wrong("adapt must return a function of queries, not Tensor")
class AdaptReturnsMeans(Right):
    def adapt(self, support):
        return super().adapt(support) if self.training else class_means(support)


@wrong("some are NaN")
class AdaptDividesBySpread(Right):
    def adapt(self, support):
        first = support.x[support.y == 0]
        squares = (first - first.mean(0)).square().sum(0)
        spread = 1.0 if self.training else squares / (len(first) - 1)
        return lambda x: super(AdaptDividesBySpread, self).adapt(support)(x / spread)


@wrong("adapt, with 1 image per class and 3 queries, must work, and it stops")
class AdaptKnowsTwoShots(Right):
    def adapt(self, support):
        if not self.training:
            support.x.view(support.ways, 2, 8)
        return super().adapt(support)


@wrong("a class without support images must not make the scores of the other classes NaN")
class AdaptNeedsEveryClass(Right):
    def adapt(self, support):
        broken = 0 / torch.stack([(support.y == way).sum() for way in range(support.ways)]).min()
        return lambda x: super(AdaptNeedsEveryClass, self).adapt(support)(x) + broken


@wrong("adapt without support images of one class must work, and it stops")
class AdaptCountsClassesItself(Right):
    def adapt(self, support):
        return lambda x: (
            super(AdaptCountsClassesItself, self).adapt(support)(x) + (F.one_hot(support.y).sum(0))
        )
