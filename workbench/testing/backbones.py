"""The contract of a backbone."""

from __future__ import annotations

import torch

from workbench.experiments.build import build_backbone
from workbench.learning.learner import uses_batch_statistics
from workbench.plugin.options import parse_spec
from workbench.testing.constructors import check_constructor


def check_backbone(spec: str, shape: tuple[int, int, int] = (1, 28, 28)) -> None:
    """Check that a backbone turns images `(n, *shape)` into features `(n, dim)`, each alone."""
    check_constructor("backbones", parse_spec(spec).name)
    module = build_backbone(spec, shape).eval()
    images = torch.rand(5, *shape, generator=torch.Generator().manual_seed(0))
    features = module(images)
    assert features.shape == (5, module.dim), (
        f"{spec} must return features (n, dim), here (5, {module.dim}), not {tuple(features.shape)}"
    )
    apart = torch.cat([module(image[None]) for image in images])
    if not torch.allclose(apart, features, atol=1e-5):
        assert uses_batch_statistics(module), (
            f"in eval mode, the features of an image depend on the other images in the batch; "
            f"the part of {spec} that mixes them must declare batch_statistics = True"
        )
    pretrained_on = getattr(module, "pretrained_on", ())
    assert isinstance(pretrained_on, tuple), (
        f"{spec} must give pretrained_on as a tuple of names, not {pretrained_on!r}"
    )
