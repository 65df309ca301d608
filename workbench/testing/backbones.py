"""The contract of a backbone."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from workbench.errors import UsageError
from workbench.experiments.build import build_backbone
from workbench.learning.learner import Backbone, uses_batch_statistics
from workbench.plugin.options import parse_spec
from workbench.plugin.registry import registry
from workbench.testing.checks import Check, Finding, findings, require_held
from workbench.testing.constructors import check_constructor
from workbench.testing.watching import own_randomness

SHAPE = (1, 28, 28)
LARGER = (1, 105, 105)  # for a network that 28 x 28 is too small for


class _Built:
    """A backbone, and its features of five images."""

    def __init__(self, spec: str, shape: tuple[int, int, int] | None):
        self.spec = spec
        self.shape = shape

    @cached_property
    def module(self) -> Backbone:
        if self.shape is not None:
            return build_backbone(self.spec, self.shape).eval()
        try:
            self.shape = SHAPE
            return build_backbone(self.spec, SHAPE).eval()
        except UsageError:
            self.shape = LARGER
            return build_backbone(self.spec, LARGER).eval()

    @property
    def images(self) -> Tensor:
        assert self.shape is not None  # the module is built
        return torch.rand(5, *self.shape, generator=torch.Generator().manual_seed(0))

    @cached_property
    def features(self) -> Tensor:
        return self.module(self.images)


def check_backbone(spec: str, shape: tuple[int, int, int] = SHAPE) -> None:
    """Check that a backbone turns images `(n, *shape)` into features `(n, dim)`, each alone.

    Raises:
        AssertionError: with a line for each check that did not hold, and how to mend it.
        UnknownName: there is no such backbone.
    """
    require_held(backbone_findings(spec, shape))


def backbone_findings(spec: str, shape: tuple[int, int, int] | None = None) -> list[Finding]:
    """Return what came of each check of a backbone.

    Args:
        shape: of the images, (channels, height, width); None: 28 x 28, or larger if it must be.
    """
    registry().find("backbones", parse_spec(spec).name)  # raises if there is none
    with own_randomness():
        return list(findings(BACKBONE_CHECKS, _Built(spec, shape)))


def _check_constructor(built: _Built) -> None:
    check_constructor("backbones", parse_spec(built.spec).name)
    _ = built.module  # raises if it cannot be built


def _check_features(built: _Built) -> None:
    shape, dim = tuple(built.features.shape), built.module.dim
    assert shape == (5, dim), (
        f"{built.spec} must return features (n, dim), here (5, {dim}), not {shape}"
    )


def _check_alone(built: _Built) -> None:
    apart = torch.cat([built.module(image[None]) for image in built.images])
    if not torch.allclose(apart, built.features, atol=1e-5):
        assert uses_batch_statistics(built.module), (
            f"in eval mode, the features of an image depend on the other images in the batch; "
            f"the part of {built.spec} that mixes them must declare batch_statistics = True"
        )


def _check_pretrained(built: _Built) -> None:
    pretrained_on = getattr(built.module, "pretrained_on", ())
    assert isinstance(pretrained_on, tuple), (
        f"{built.spec} must give pretrained_on as a tuple of names, not {pretrained_on!r}"
    )


BACKBONE_CHECKS: tuple[Check[_Built], ...] = (
    Check(
        "constructor",
        "the constructor takes image_shape and options",
        "name the first parameter image_shape, and write options after a * as "
        "Annotated[type, 'help'] with a default",
        _check_constructor,
    ),
    Check(
        "features",
        "images (n, channels, height, width) become features (n, dim)",
        "flatten the features, and set self.dim to their number",
        _check_features,
        needs=("constructor",),
    ),
    Check(
        "alone",
        "the features of an image do not depend on the other images, or it says so",
        "normalise by running statistics in eval mode, or set batch_statistics = True",
        _check_alone,
        needs=("features",),
    ),
    Check(
        "first weights",
        "pretrained_on names what its first weights have seen",
        "set pretrained_on to a tuple of names of data sets, ('unknown',) if nobody knows",
        _check_pretrained,
        needs=("constructor",),
    ),
)
