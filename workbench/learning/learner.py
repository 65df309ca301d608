"""The contract of an algorithm, and the two functions that run one over stacks of tasks.

Letters: n examples of a task, tasks in a stack, `*shape` of one embedded image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from workbench.functional import each_task
from workbench.tasks.task import Examples, Predictor, Task

if TYPE_CHECKING:
    from workbench.tasks.source import Source


class Backbone(nn.Module):
    """Turns images `(n, channels, height, width)` in 0..1 into features `(n, dim)`.

    Its constructor takes `image_shape`, (channels, height, width), and then its options.
    """

    dim: int  # length of a feature, to be set by the constructor
    pretrained_on: str = (
        ""  # what its first weights saw, names joined by +: "imagenet"; "unknown" where nobody says
    )

    def first_weights(self) -> None:
        """Load what it was pre-trained to, where it was; called once, when a training begins."""

    if TYPE_CHECKING:

        def __call__(self, images: Tensor) -> Tensor: ...


class Learner(nn.Module):
    """What learns tasks. Three methods are the whole contract; the flags say how it may be run.

    Everything that training must resume from lives in the module's state. There is no loop over
    steps in here, no device, no seed, no logging and no path.
    """

    batched: bool = False
    """`adapt` and its predictor may run under `torch.vmap`, which is then faster."""

    episodic: ClassVar[bool] = True
    """`losses` draws tasks. If not, one training serves all ways and shots."""

    transductive: bool = False
    """A prediction may depend on the other queries, for instance by batch statistics."""

    selects: ClassVar[Mapping[str, tuple[Any, ...]]] = {}
    """Options of `adapt`, and the values among which accuracy on validation tasks chooses where nobody gives one."""

    oracle: bool = False
    """It adapts by what nobody could know, for instance a rate that was picked on test tasks: its rows say so."""

    def embed(self, images: Tensor) -> Tensor:
        """What does not depend on the task: images `(n, channels, height, width)` in 0..1 to `(n, *shape)`.

        In eval mode row by row, `embed(x)[i] == embed(x[i : i + 1])`: the evaluator embeds each
        image once. Who does not override it meets the images themselves in `adapt`.
        """
        return images

    def adapt(self, support: Examples) -> Predictor:
        """Learn one task from embedded examples; leave self unchanged, be deterministic."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it adapts to a task")

    def losses(self, source: Source) -> Iterator[Tensor]:
        """A supply of scalar losses; the trainer steps between them. It may end, or be empty."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it is trained on")

    def parameter_groups(self) -> Iterable[dict[str, Any]]:
        """For `torch.optim`; override to give parts of the learner rates of their own."""
        return [{"params": [p for p in self.parameters() if p.requires_grad]}]

    @classmethod
    def embeds(cls) -> bool:
        """Whether there is anything to embed."""
        return cls.embed is not Learner.embed


def backbones(module: nn.Module) -> list[Backbone]:
    """The backbones in a module."""
    return [part for part in module.modules() if isinstance(part, Backbone)]


def uses_batch_statistics(module: nn.Module) -> bool:
    """Whether any part normalises by the statistics of the batch it is given, in eval mode too.

    Such a part declares `batch_statistics = True`. What it makes of an image depends on the other
    images, so it is called inside `adapt` and the predictor, never in `embed`.
    """
    return any(getattr(part, "batch_statistics", False) for part in module.modules())


def scores(learner: Learner, support: Examples, x: Tensor) -> Tensor:
    """Adapt to each task of a stack of embedded examples and score its queries.

    What a method computes from features it computes in float32, whatever the precision of the network that made them:
    differences of long features, as squared distances are, drown in the rounding of bfloat16.

    Args:
        support: x `(tasks, n, *shape)`, y `(tasks, n)`.
        x: queries `(tasks, m, *shape)`.

    Returns:
        Scores `(tasks, m, ways)`; the same, to rounding, whether the learner is batched or not.
    """

    def one(support_x: Tensor, support_y: Tensor, query_x: Tensor) -> Tensor:
        return learner.adapt(Examples(support_x, support_y, support.ways))(query_x)

    if not learner.embeds():
        return each_task(one, support.x, support.y, x, batched=learner.batched)
    with torch.autocast(x.device.type, enabled=False):
        known, asked = (
            each.to(torch.promote_types(each.dtype, torch.float32)) for each in (support.x, x)
        )
        return each_task(one, known, support.y, asked, batched=learner.batched)


def query_loss(
    learner: Learner, tasks: Task, loss: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy
) -> Tensor:
    """The mean loss on the queries of a stack of tasks, a scalar.

    Support and query are embedded in one call, so that normalisation by batch sees them together.
    `loss` takes scores `(tasks * m, ways)` and labels `(tasks * m,)`.
    """
    support, query = tasks.support, tasks.query
    if learner.embeds():
        both = torch.cat([support.x, query.x], dim=1)  # (tasks, n + m, ...)
        embedded = learner.embed(both.flatten(0, 1)).unflatten(0, both.shape[:2])
        n = support.x.shape[1]
        support, query = support._replace(x=embedded[:, :n]), query._replace(x=embedded[:, n:])
    return loss(scores(learner, support, query.x).flatten(0, 1), query.y.flatten())
