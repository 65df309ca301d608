"""SimpleShot: its three transforms, and the mean of all training images."""

import numpy as np
import pytest
import torch
from features import Given
from mlw_transfer.simpleshot import SimpleShot

from workbench.experiments.build import build_learner
from workbench.experiments.plan import TrainingRequest, make_plan
from workbench.tasks.source import Source
from workbench.tasks.task import Examples
from workbench.testing import tiny_data


@pytest.mark.parametrize(
    ("transform", "expected"),
    [
        # support: (3, 4), (0, 2) of class 0 and (6, 0), (4, 0) of class 1
        # query: (3, 0); base mean: (2, 0)
        ("un", [-(1.5**2 + 3**2), -(2**2)]),  # means (1.5, 3), (5, 0)
        (
            "l2n",
            [-(0.7**2 + 0.9**2), 0],
        ),  # of length 1: (0.6, 0.8), (0, 1); (1, 0) twice; query (1, 0)
        ("cl2n", None),  # centred: (1, 4), (-2, 2); (4, 0), (2, 0); query (1, 0)
    ],
)
def test_simpleshots_three_variants(transform, expected, float64):
    learner = SimpleShot(Given(2), transform=transform)
    learner.base_mean.copy_(torch.tensor([2.0, 0.0]))
    images = torch.tensor([[3.0, 4], [0, 2], [6, 0], [4, 0], [3, 0]])
    z = learner.embed(images)
    if transform == "cl2n":
        assert torch.allclose(z[0], torch.tensor([1, 4]) / 17**0.5)
        assert torch.allclose(z[1], torch.tensor([-1.0, 1]) / 2**0.5)
        across, up = (17**-0.5 - 2**-0.5) / 2, (4 * 17**-0.5 + 2**-0.5) / 2
        expected = [-((1 - across) ** 2 + up**2), 0]
    predicted = learner.adapt(Examples(z[:4], torch.tensor([0, 0, 1, 1]), 2))(z[4:])
    assert torch.allclose(predicted, torch.tensor([expected], dtype=torch.float64))


def test_simpleshots_mean_is_of_all_training_images_as_tests_meet_them(float64):
    data = tiny_data()
    learner = build_learner(
        make_plan("simpleshot", data, TrainingRequest(ways=3, shots=2, backbone="conv4:width=8")),
        data,
    )
    assert torch.equal(learner.base_mean, torch.zeros_like(learner.base_mean))
    source = Source(data.domains("train"), None, batch_size=7)
    assert list(learner.train().losses(source)) == []
    images = torch.from_numpy(np.asarray(data.domains("train")[0].images)) / 255
    assert torch.allclose(learner.base_mean, learner.backbone.eval()(images.double()).mean(0))
    assert "base_mean" in learner.state_dict()
