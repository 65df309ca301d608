"""What a training builds on: finished runs, and the weights that it takes from them."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from workbench.errors import RunError
from workbench.experiments.manifest import Effort
from workbench.experiments.plan import Plan
from workbench.experiments.run import Run
from workbench.learning.learner import Learner, backbones, is_backbone
from workbench.tasks.splits import TrainingData, open_training_data


@dataclass(frozen=True)
class EarlierRuns:
    """The finished runs that a training builds on."""

    init: Run | None  # whose weights it starts from
    teachers: tuple[Run, ...]

    @property
    def runs(self) -> list[Run]:
        if self.init is None:
            return list(self.teachers)
        return [self.init, *self.teachers]

    @property
    def effort(self) -> Effort:
        """The steps, images and seconds of these runs and of those that they build on."""
        total = Effort()
        for run in self.runs:
            result = run.manifest.result
            if result is not None:
                total = Effort(
                    total.steps + result.all_steps,
                    total.images + result.all_images,
                    total.seconds + result.all_seconds,
                )
        return total

    def load_teachers(self, data: TrainingData, device: torch.device) -> list[Learner]:
        """Return the trained teachers, frozen."""
        learners = []
        for run in self.teachers:
            learner = run.learner(data_of(run.plan, data), device)
            learners.append(learner.requires_grad_(requires_grad=False))
        return learners


def data_of(plan: Plan, data: TrainingData) -> TrainingData:
    """Return the training data of a plan. Data sets that are open already are not opened again."""
    by_label = {member.label: member for member in data.members}
    if set(plan.data) <= by_label.keys():
        return TrainingData(tuple(by_label[label] for label in plan.data))
    return open_training_data(plan.data)


def load_first_weights(learner: Learner, init: Run | None) -> tuple[str, ...]:
    """Load pre-trained weights, or those of a run; return the names of what the run lacks.

    Raises:
        RunError: the run has another backbone.
    """
    if init is None:
        for backbone in backbones(learner):
            load = getattr(backbone, "first_weights", None)
            if load is not None:
                load()
        return ()
    given = init.weights()
    fitting = {}
    missing = []
    for name, own in learner.state_dict().items():
        if name in given and given[name].shape == own.shape:
            fitting[name] = given[name]
        else:
            missing.append(name)
    prefixes = _backbone_prefixes(learner)
    for name in missing:
        if name.startswith(prefixes):
            raise RunError(
                f"{init.folder.name} has no weights for {name} of this shape; "
                "start from a run of a method and a backbone that have it"
            )
    learner.load_state_dict(fitting, strict=False)
    return tuple(missing)


def _backbone_prefixes(learner: Learner) -> tuple[str, ...]:
    """Return what the names of backbone weights begin with: "backbone.", "model.0." in MAML."""
    prefixes = []
    for name, module in learner.named_modules():
        if is_backbone(module):
            prefixes.append(f"{name}.")
    return ("backbone.", *prefixes)


def refuse_random_weights(
    plan: Plan, learner: Learner, init: Run, not_initialised: tuple[str, ...]
) -> None:
    """Refuse a method that is not trained here and whose start lacks some of its weights."""
    parameters = dict(learner.named_parameters())
    random = sorted(name for name in not_initialised if name in parameters)
    if random:
        raise RunError(
            f"{plan.algorithm} is not trained here, and the run that it starts from, "
            f"{init.folder.name}, leaves {', '.join(random)} at random; "
            "name a start that has these weights: init=RUN_FOLDER"
        )


def pretrained_on(learner: Learner, before: EarlierRuns) -> tuple[str, ...]:
    """Return what its own first weights, and those of the runs before, saw elsewhere."""
    names: set[str] = set()
    for backbone in backbones(learner):
        names.update(getattr(backbone, "pretrained_on", ()))
    for run in before.runs:
        names.update(run.manifest.pretrained_on)
    return tuple(sorted(names))
