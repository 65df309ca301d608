"""More learners that each break the contract: predictors, losses, precision, devices, flags."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from wrong_learners import Right, wrong

from workbench.functional import class_means

# --- the predictor


@wrong("the last that predictors yields must predict what adapt does")
class ShowsOtherSteps(Right):
    def predictors(self, support):
        yield self.adapt(support)
        yield lambda x: 2 * self.adapt(support)(x)


@wrong("queries in another order must have the same scores in that order")
class PredictsByPosition(Right):
    def adapt(self, support):
        def predict(x):
            if self.training:
                return Right.adapt(self, support)(x)
            places = torch.arange(len(x)) * support.ways // len(x)
            return F.one_hot(places, support.ways).to(x.dtype)

        return predict


@wrong("queries in another order must have the same scores in that order")
class PredictsByPositionAndSaysTransductive(PredictsByPosition):
    transductive = True


@wrong("queries in another order must have the same scores in that order")
class PredictsByTheNeighbour(Right):
    transductive = True

    def adapt(self, support):
        return lambda x: super(PredictsByTheNeighbour, self).adapt(support)(x + x.roll(1, 0))


@wrong("declare transductive = True")
class PredictsByTheMeanQuery(Right):
    def adapt(self, support):
        return lambda x: super(PredictsByTheMeanQuery, self).adapt(support)(x - x.mean(0))


@wrong("declare transductive = True")
class PredictsByTheMeanOfManyQueries(Right):
    def adapt(self, support):
        def predict(x):
            centre = x.mean(0) if len(x) > 20 else 0
            return Right.adapt(self, support)(x - centre)

        return predict


@wrong("but no prediction depends on the other queries")
class SaysTransductive(Right):
    transductive = True


@wrong("adapt must not change queries in place")
class PredictorChangesQueries(Right):
    def adapt(self, support):
        def predict(x):
            return Right.adapt(self, support)(x if self.training else x.mul_(2))

        return predict


@wrong("a predictor must give the same scores when it is called again")
class PredictorCounts(Right):
    def adapt(self, support):
        calls = []

        def predict(x):
            calls.append(1)
            return len(calls) * Right.adapt(self, support)(x)

        return predict


@wrong("a predictor must return scores (n, ways), here (12, 3), not (12, 2)")
class PredictorForgetsAClass(Right):
    def adapt(self, support):
        columns = None if self.training else 2
        return lambda x: super(PredictorForgetsAClass, self).adapt(support)(x)[:, :columns]


@wrong("a predictor must return scores (n, ways), here (12, 3), not (12, 5)")
class PredictorKnowsFiveWays(Right):
    def adapt(self, support):
        def predict(x):
            return Right.adapt(self, support)(x) if self.training else x.new_zeros(len(x), 5)

        return predict


@wrong("a predictor must compute in the dtype of its images")
class PredictorReturnsLabels(Right):
    def adapt(self, support):
        def predict(x):
            found = Right.adapt(self, support)(x)
            return found if self.training else F.one_hot(found.argmax(1), support.ways)

        return predict


@wrong("a predictor must return a tensor of scores, not list")
class PredictorReturnsAList(Right):
    def adapt(self, support):
        def predict(x):
            found = Right.adapt(self, support)(x)
            return found if self.training else found.tolist()

        return predict


# --- losses and stepped


@wrong("losses must yield scalars, not (1,)")
class LossIsNoScalar(Right):
    def losses(self, source):
        for loss in super().losses(source):
            yield loss[None]


@wrong("losses must yield tensors, not float")
class LossIsANumber(Right):
    def losses(self, source):
        for loss in super().losses(source):
            yield loss.item()


@wrong("losses must be finite at the start, not inf")
class LossIsInfinite(Right):
    def losses(self, source):
        for loss in super().losses(source):
            yield loss * torch.inf


@wrong("losses must keep their graph")
class LossHasNoGraph(Right):
    def losses(self, source):
        for loss in super().losses(source):
            yield loss.detach()


@wrong("losses must reach the backbone")
class LossesStopAtTheBackbone(Right):
    def __init__(self, image_shape):
        super().__init__(image_shape)
        self.scale = nn.Parameter(torch.ones(()))

    def embed(self, images):
        return self.backbone(images).detach() * self.scale


@wrong("losses must leave the mode unchanged")
class LossesLeaveEvalModeOn(Right):
    def losses(self, source):
        for loss in super().losses(source):
            self.eval()
            yield loss


@wrong("losses must not seed the global generator of torch")
class LossesSeedTorch(Right):
    def losses(self, source):
        torch.manual_seed(0)
        yield from super().losses(source)


@wrong("losses, with 2 images per class and 12 queries, must work, and it stops")
class LossesReturnNothing(Right):
    def losses(self, source):
        pass


@wrong("a learner that draws tasks must not set episodic = False")
class SaysThatItDrawsNoTasks(Right):
    episodic = False


@wrong("a training must change a weight")
class TrainsNothing(Right):
    def parameter_groups(self):
        return [{"params": [nn.Parameter(torch.zeros(1))]}]


@wrong("2 steps and 2 more after a resume must end as 4 steps, and count differs")
class CountsAfterTheYield(Right):
    def losses(self, source):
        for loss in super().losses(source):
            yield loss
            self.count += 1


@wrong("2 steps and 2 more after a resume must end as 4 steps, and average differs")
class AveragesOutsideItsState(Right):
    def __init__(self, image_shape):
        super().__init__(image_shape)
        self.register_buffer("average", torch.zeros(()))
        self.steps = 0

    def stepped(self):
        self.steps += 1
        self.average += self.steps


@wrong("2 steps and 2 more after a resume must end as 4 steps, and backbone.1.weight differs")
class DrawsFromItsOwnGenerator(Right):
    def losses(self, source):
        own = torch.Generator().manual_seed(0)
        for loss in super().losses(source):
            yield loss * torch.rand((), generator=own)


@wrong("2 steps and 2 more after a resume must end as 4 steps, and backbone.1.weight differs")
class DrawsFromNumpy(Right):
    def losses(self, source):
        for loss in super().losses(source):
            yield loss * np.random.uniform()


# --- precision and device


@wrong("a predictor must compute in the dtype of its images, here torch.float32")
class HardCodesFloat64(Right):
    def adapt(self, support):
        def predict(x):
            found = Right.adapt(self, support)(x)
            return found if self.training else found.double()

        return predict


@wrong("losses must compute in the dtype of their images, here torch.float32")
class HardCodesFloat64InLosses(Right):
    def losses(self, source):
        for loss in super().losses(source):
            yield loss.double()


@wrong("a predictor must compute in the dtype of its images, here torch.float64")
class HardCodesFloat32(Right):
    def adapt(self, support):
        def predict(x):
            found = Right.adapt(self, support)(x)
            return found if self.training else found.float()

        return predict


@wrong("gets a tensor of (3,) on the CPU beside one of")
class MakesATensorOnTheCPU(Right):
    def adapt(self, support):
        bias = torch.zeros(support.ways)
        return lambda x: super(MakesATensorOnTheCPU, self).adapt(support)(x) + bias


@wrong("gets a tensor of (8,) on the CPU beside one of")
class KeepsATensorUnregistered(Right):
    def __init__(self, image_shape):
        super().__init__(image_shape)
        self.centre = torch.zeros(8)

    def embed(self, images):
        return self.backbone(images) - self.centre


@wrong("it reads a tensor with numpy")
class UsesNumpy(Right):
    def adapt(self, support):
        means = np.asarray(class_means(support).detach().nan_to_num())
        return lambda x: x @ torch.from_numpy(means).T.to(x)


@wrong("losses must stay on the device of the images")
class LosesTheDevice(Right):
    def losses(self, source):
        for loss in super().losses(source):
            yield loss.cpu()


# --- flags


@wrong("with batched = True, adapt under torch.vmap must work, and it stops")
class SaysBatchedAndAsksForValues(Right):
    batched = True

    def adapt(self, support):
        if support.x.sum() > 0:
            return super().adapt(support)
        return super().adapt(support)

    def losses(self, source):
        return iter(())


@wrong("the same for stacked tasks as for each alone")
class SaysBatchedAndDiffers(Right):
    batched = True

    def adapt(self, support):
        factor = 1.0 if torch._C._functorch.maybe_current_level() is None else 2.0
        return lambda x: factor * super(SaysBatchedAndDiffers, self).adapt(support)(x)


@wrong("selects may only name options, and 'depth' is none")
class SelectsWhatIsNoOption(Right):
    selects: ClassVar = {"depth": (1, 2)}


@wrong("the constructor must work, and it stops")
class CannotBeBuilt(Right):
    def __init__(self, image_shape):
        super().__init__(image_shape)
        self.depth = image_shape["depth"]
