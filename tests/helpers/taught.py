"""A method that says what the workbench passed to it, and leaves an option open until the test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from workbench import Backbone, Examples, Learner, Predictor, Source
from workbench.functional import class_means, squared_distances


class Taught(Learner):
    """A classifier by nearest mean whose scores are multiplied by a chosen number."""

    episodic = False
    selects: ClassVar = {"sharpness": (-1.0, 0.0, 1.0)}

    def __init__(
        self,
        backbone: Backbone,
        domains: tuple[str, ...],
        teachers: tuple[Learner, ...],
        seen: bool | None,
        *,
        sharpness: Annotated[float, "multiplies the scores"] = 0.0,
        guess: Annotated[bool, "use what only the test data reveal"] = False,
        nothing: Annotated[float | None, "an option that may be absent"] = None,
    ):
        super().__init__()
        self.backbone = backbone
        self.teachers = teachers
        self.seen = seen
        self.sharpness = sharpness
        self.guess = guess
        self.nothing = nothing
        self.oracle = guess
        self.register_buffer("taught", torch.zeros(max(len(domains), 1)))

    def embed(self, images: Tensor) -> Tensor:
        return self.backbone(images)

    def adapt(self, support: Examples) -> Predictor:
        return lambda x: -self.sharpness * squared_distances(x, class_means(support))

    def losses(self, source: Source) -> Iterator[Tensor]:
        for batches in source.domain_batches():
            with torch.no_grad():
                logits = [
                    teacher.classifier(teacher.embed(batch.x))
                    for teacher, batch in zip(self.teachers, batches, strict=True)
                ]
            self.taught = torch.tensor([float(each.shape[1]) for each in logits])
            yield sum(self.embed(batch.x).square().mean() for batch in batches)
