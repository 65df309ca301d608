"""The contract of an algorithm, checked part by part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from workbench.experiments.build import build_learner
from workbench.experiments.plan import Plan, TrainingRequest, make_plan
from workbench.learning.learner import Learner, scores
from workbench.plugin.blame import place_of
from workbench.plugin.options import options_of, parse_spec
from workbench.plugin.registry import registry
from workbench.tasks.protocols.way_shot import WayShot
from workbench.tasks.source import Source
from workbench.tasks.splits import TrainingData
from workbench.testing import adapting, training
from workbench.testing.constructors import check_constructor, check_stored
from workbench.testing.elsewhere import ELSEWHERE, LeftBehind, elsewhere, move
from workbench.testing.tiny import SHAPE, tiny_data
from workbench.testing.watching import own_randomness, stage

WAYS = 3
FEW, USUAL, MANY = (1, 1), (2, 4), (5, 15)  # shots and queries per class


def check_learner(
    spec: str,
    *,
    backbone: str | None = None,
    shape: tuple[int, int, int] = SHAPE,
    dtype: torch.dtype | None = None,
) -> None:
    """Check an algorithm against the whole contract of `Learner`.

    All of it is checked in float64, where rounding hides nothing. Then one loss and one task are
    computed in float32, and on a device that stands for a GPU.

    Args:
        spec: as on the command line: `maml:inner_steps=2`.
        backbone: a spec; by default the recipe's.
        shape: of the images, (channels, height, width).
        dtype: check all of it in this one, for what cannot compute in float64.
    """
    check_constructor("algorithms", parse_spec(spec).name)
    checked = _Checked(spec, backbone, tiny_data(shape, images=20))
    with own_randomness():
        with _default_dtype(dtype or torch.float64):
            _check_all(checked)
        with _default_dtype(dtype or torch.float32):
            _check_once(checked)
            _check_device(checked)


class _Checked:
    """An algorithm under check: it is built again for each part that changes it."""

    def __init__(self, spec: str, backbone: str | None, data: TrainingData):
        request = TrainingRequest(ways=WAYS, shots=USUAL[0], backbone=backbone)
        self.spec = spec
        self.data = data
        self.plan = make_plan(spec, data, request)

    def teachers(self) -> list[Learner]:
        """Return teachers that learnt nothing."""
        teachers = []
        for first in self.plan.teachers:
            if isinstance(first, Plan):
                teachers.append(build_learner(first, self.data).eval())
        return teachers

    def learner(self, teachers: Sequence[Learner] = ()) -> Learner:
        """Return a learner with its first weights, the same each time."""
        with stage("the constructor"):
            return build_learner(self.plan, self.data, teachers=teachers or self.teachers())

    def source(
        self, size: tuple[int, int] = USUAL, *, stack: int = 1, device: torch.device | str = "cpu"
    ) -> Source:
        """Return tasks of so many shots and queries per class, and batches of 16 images."""
        protocol = WayShot(WAYS, *size)
        domains = self.data.domains("train")
        return Source(domains, protocol, stack=stack, batch_size=16, device=device)


def _check_all(checked: _Checked) -> None:
    learner = checked.learner()
    check_stored(learner, checked.plan.options)
    _check_selects(learner, checked.plan)
    training.check_losses(learner, checked.source(stack=3), "2 images per class and 12 queries")
    training.check_losses(learner, checked.source(FEW), "1 image per class and 3 queries")
    training.check_losses_leave_the_seed(checked.learner, checked.source)
    learner.eval()
    with torch.no_grad():
        usual = adapting.embedded_task(learner, next(checked.source(USUAL, stack=3).tasks()))
        first = adapting.check_adapt(learner, adapting.one_of(usual))
        for size in (FEW, MANY):
            task = adapting.embedded_task(learner, next(checked.source(size).tasks()))
            adapting.check_adapt(learner, adapting.one_of(task))
        adapting.check_unmet_class(learner, adapting.one_of(usual))
        adapting.check_batched(learner, usual)
        adapting.check_no_drift(learner, adapting.one_of(usual), first)
        adapting.check_steps(learner, adapting.one_of(usual), first)
    training.check_resuming(checked.learner, checked.source, checked.plan.settings)


def _check_once(checked: _Checked) -> None:
    """Check one loss and one task in the default dtype, which is not float64 now."""
    learner = checked.learner()
    training.check_losses(learner, checked.source(), "float32")
    learner.eval()
    with torch.no_grad():
        task = adapting.embedded_task(learner, next(checked.source().tasks()))
        adapting.predicted(learner, adapting.one_of(task))


def _check_device(checked: _Checked) -> None:
    """Check that a loss and a task stay on the device of the images.

    The stand-in for a GPU does not have all that torch has. What has worked on the CPU and fails
    here for another reason than a mixture of devices is not held against the learner.
    """
    try:
        _compute_elsewhere(checked)
    except LeftBehind as error:
        place = place_of(error)
        at = f" ({place.file}, line {place.line})" if place else ""
        raise AssertionError(
            f"a learner must compute on the device of its images, and on a GPU {error}{at}; "
            "write device=x.device, and register tensors as buffers"
        ) from error
    except AssertionError:
        raise
    except Exception:
        return


def _compute_elsewhere(checked: _Checked) -> None:
    teachers = checked.teachers()
    learner = checked.learner(teachers)
    with elsewhere():
        for module in [learner, *teachers]:
            move(module)
        source = checked.source(USUAL, device=ELSEWHERE)
        loss = next(iter(learner.train().losses(source)), None)
        if loss is not None:
            assert loss.device == ELSEWHERE, "losses must stay on the device of the images"
            if loss.requires_grad:
                loss.backward()
        task = next(checked.source(USUAL, device=ELSEWHERE).tasks())
        learner.eval()
        with torch.no_grad():
            support = task.support._replace(x=learner.embed(task.support.x[0])[None])
            queries = learner.embed(task.query.x[0])[None]
            found = scores(learner, support, queries)
        assert found.device == ELSEWHERE, "scores must stay on the device of the images"


def _check_selects(learner: Learner, plan: Plan) -> None:
    options = options_of(registry().find("algorithms", plan.algorithm).load())
    for name, values in learner.selects.items():
        assert name in plan.options, f"selects may only name options, and {name!r} is none"
        assert values, f"selects must give at least one value for {name!r}"
        for value in values:
            with stage(f"the value {value!r} in selects for {name!r}"):
                options[name].convert(value, plan.algorithm)


@contextmanager
def _default_dtype(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
