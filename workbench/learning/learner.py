"""The contract of an algorithm, and two functions that apply one to stacks of tasks.

Letters in shapes: n support images and m queries per task, `tasks` in a stack, `*shape` of one
embedded image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from workbench.functional import each_task, last
from workbench.tasks.task import Examples, Predictor, Task

if TYPE_CHECKING:
    from workbench.tasks.source import Source


class Backbone(nn.Module):
    """A network that turns images `(n, channels, height, width)` in 0..1 into features `(n, dim)`.

    The first parameter of its constructor is `image_shape`, (channels, height, width); its options
    follow.
    """

    dim: int
    """Length of a feature; the constructor sets it."""

    pretrained_on: tuple[str, ...] = ()
    """Names of the data that its first weights saw; ("unknown",) where nobody says."""

    built_as_backbone: bool = False
    """Whether the workbench built it from a spec; it sets this, on any module that it builds."""

    def first_weights(self) -> None:
        """Load pre-trained weights, if it has any. Called once, when a training begins."""

    if TYPE_CHECKING:

        def __call__(self, images: Tensor) -> Tensor: ...


class Learner(nn.Module):
    """An algorithm that learns tasks. Three methods are the contract; flags say how to run it.

    Everything that a training resumes from is in the module's state. What changes after an
    optimiser step, such as averaged weights, changes in `stepped`. A learner has no loop over
    steps, no device, no seed, no logging and no path.
    """

    batched: bool = False
    """`adapt` and its predictor may run under `torch.vmap`, which is faster."""

    episodic: ClassVar[bool] = True
    """`losses` draws tasks. If False, one training serves all ways and shots."""

    cross_entropy: ClassVar[bool] = True
    """`losses` are cross-entropies, of the ways of tasks or of all training classes.

    Results are then marked if the training ended near the loss of guessing.
    """

    transductive: bool = False
    """A prediction may depend on the other queries, for instance through batch statistics."""

    equivariant: bool = False
    """Neither the order of the support nor the numbers of the classes change a prediction.

    The conformance test then asks it: classes under other numbers have their scores there.
    """

    selects: ClassVar[Mapping[str, tuple[Any, ...]]] = {}
    """Options of `adapt` and their candidate values.

    If the user gives no value, the one with the best accuracy on validation tasks is used.
    """

    precisions: ClassVar[tuple[str, ...]] = ("float32", "bfloat16")
    """What its networks may be computed in. Others are refused before any training."""

    oracle: bool = False
    """It adapts with knowledge that nobody could have, for instance a rate chosen on test tasks.

    Its results are marked.
    """

    def embed(self, images: Tensor) -> Tensor:
        """Compute what does not depend on the task.

        In eval mode each row is independent, `embed(x)[i] == embed(x[i : i + 1])`, because the
        evaluation embeds each image once. If not overridden, `adapt` gets the images themselves.

        Args:
            images: `(n, channels, height, width)` in 0..1.

        Returns:
            Embedded images `(n, *shape)`.
        """
        return images

    def adapt(self, support: Examples) -> Predictor:
        """Learn one task from embedded examples.

        It is deterministic and leaves the learner unchanged. A learner that adapts step by step
        overrides `predictors` instead.

        Args:
            support: x `(n, *shape)`, y `(n,)`.

        Returns:
            A function of embedded queries `(m, *shape)` that returns scores `(m, ways)`.
        """
        if type(self).predictors is Learner.predictors:
            raise NotImplementedError(f"{type(self).__name__} must implement adapt(support)")
        return last(self.predictors(support))

    def predictors(self, support: Examples) -> Iterator[Predictor]:
        """Yield what `adapt` returns before the first step of adapting to a task, and after each.

        If not overridden, there is one step: all of `adapt`. `mlw eval --trace` shows the steps.
        """
        yield self.adapt(support)

    def losses(self, source: Source) -> Iterator[Tensor]:
        """Yield scalar losses; the training takes steps between them. They may end, or be none.

        Code after a `yield` has no fixed place: several losses can make one step, and after the
        last step the iterator is left where it is. What follows a step belongs in `stepped`.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement losses(source)")

    def stepped(self) -> None:
        """Update what changes after a step of the optimiser, for instance averaged weights.

        Called once after each step, without gradients, before validation and before the state is
        saved. What it changes must be in the module's state: parameters or registered buffers.
        """

    def parameter_groups(self) -> Iterable[dict[str, Any]]:
        """Return the groups for `torch.optim`; override to give parts their own learning rates."""
        return [{"params": [p for p in self.parameters() if p.requires_grad]}]

    def notes(self) -> Iterable[str]:
        """Return what a user should know of how the training went, a sentence each.

        Read from the module's state. Said after the training and kept in `run.toml`.
        """
        return ()

    def embeds(self) -> bool:
        """Return whether `embed` computes anything; False if it returns the images as they are.

        A learner overrides it if that depends on its options. What does not embed gets smaller
        stacks of tasks, and the precision that was asked for in `adapt` too.
        """
        return type(self).embed is not Learner.embed


def backbones(module: nn.Module) -> list[nn.Module]:
    """Return the backbones in a module, those too that are no subclass of `Backbone`."""
    return [part for part in module.modules() if is_backbone(part)]


def is_backbone(part: nn.Module) -> bool:
    """Return whether a module is a subclass of `Backbone`, or was built as one from a spec."""
    return isinstance(part, Backbone) or getattr(part, "built_as_backbone", False)


def uses_batch_statistics(module: nn.Module) -> bool:
    """Return whether any part normalises by the statistics of the batch, in eval mode too.

    Such a part declares `batch_statistics = True`. Its output for an image depends on the other
    images, so it is called inside `adapt` and the predictor, never in `embed`.
    """
    return any(getattr(part, "batch_statistics", False) for part in module.modules())


def scores(learner: Learner, support: Examples, x: Tensor) -> Tensor:
    """Adapt to each task of a stack of embedded examples and score its queries.

    What a method computes from features is computed in float32, whatever the precision of the
    network: differences of long features, such as squared distances, drown in the rounding of
    bfloat16.

    Args:
        support: x `(tasks, n, *shape)`, y `(tasks, n)`.
        x: queries `(tasks, m, *shape)`.

    Returns:
        Scores `(tasks, m, ways)`; the same, up to rounding, whether the learner is batched or not.
    """

    def one(support_x: Tensor, support_y: Tensor, query_x: Tensor) -> Tensor:
        return learner.adapt(Examples(support_x, support_y, support.ways))(query_x)

    if not learner.embeds():
        return each_task(one, support.x, support.y, x, batched=learner.batched)
    with torch.autocast(x.device.type, enabled=False):
        support_x, query_x = _at_least_float32(support.x), _at_least_float32(x)
        return each_task(one, support_x, support.y, query_x, batched=learner.batched)


def step_scores(
    learner: Learner, support: Examples, asked: Sequence[Tensor]
) -> Iterator[list[Tensor]]:
    """Adapt to one task, and score examples before the first step of adapting and after each.

    Args:
        support: embedded, x `(n, *shape)`, y `(n,)`.
        asked: several sets of embedded examples, `(m, *shape)` each.

    Yields:
        The scores of each set, `(m, ways)`, computed as by `scores`.
    """
    if not learner.embeds():
        for predict in learner.predictors(support):
            yield [predict(x) for x in asked]
        return
    with torch.autocast(support.x.device.type, enabled=False):
        support = support._replace(x=_at_least_float32(support.x))
        for predict in learner.predictors(support):
            yield [predict(_at_least_float32(x)) for x in asked]


def query_loss(
    learner: Learner, tasks: Task, loss: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy
) -> Tensor:
    """Return the mean loss on the queries of a stack of tasks, a scalar.

    Support and query are embedded in one call, so that batch normalisation sees them together.

    Args:
        loss: takes scores `(tasks * m, ways)` and labels `(tasks * m,)`.
    """
    support, query = tasks.support, tasks.query
    if learner.embeds():
        both = torch.cat([support.x, query.x], dim=1)  # (tasks, n + m, ...)
        embedded = learner.embed(both.flatten(0, 1)).unflatten(0, both.shape[:2])
        n = support.x.shape[1]
        support = support._replace(x=embedded[:, :n])
        query = query._replace(x=embedded[:, n:])
    predicted = scores(learner, support, query.x)
    return loss(predicted.flatten(0, 1), query.y.flatten())


def _at_least_float32(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))
