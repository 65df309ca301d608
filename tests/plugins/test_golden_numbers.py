"""Golden numbers of the methods that learn the learner: fixed weights and features, fixed scores.

Tests against independent formulas stand beside each method. These notice a change of both.
"""

from __future__ import annotations

import pytest
import torch
from features import Given, waves
from gradients import Pixels
from mlw_bayesian.dkt import DKT
from mlw_bayesian.llama import LLAMA
from mlw_continual.iid import IID
from mlw_continual.oml import OML
from mlw_continual.pretrain import Pretrain
from mlw_continual.replay import Replay
from mlw_learned.l2l import L2L
from mlw_model.hypernet import Hypernet
from mlw_model.mann import MANN
from mlw_optimization.leo import LEO
from mlw_optimization.metalstm import MetaLSTM
from mlw_optimization.metaoptnet import MetaOptNet

from workbench import Examples

SHAPE = (1, 1, 4)  # of an image; none of these methods looks at it here


def fixed(learner):
    """Set weights that are the same on every machine."""
    with torch.no_grad():
        for parameter in learner.parameters():
            parameter.copy_(torch.arange(parameter.numel()).add(1).sin().view_as(parameter) / 2)
    return learner.eval()


MADE = {
    "mann": lambda: MANN(Given(4), 3, units=5, rows=6, width=4, heads=2),
    "hypernet": lambda: Hypernet(Given(4), SHAPE, width=8),
    "hypernet:encoder=set_transformer": lambda: Hypernet(
        Given(4), SHAPE, width=8, encoder="set_transformer"
    ),
    "hypernet:generates=all": lambda: Hypernet(Given(4), SHAPE, width=8, hidden=5, generates="all"),
    "metaoptnet": lambda: MetaOptNet(Given(4)),
    "metaoptnet:head=svm": lambda: MetaOptNet(Given(4), head="svm", c=0.7),
    "leo": lambda: LEO(Given(4), latent=3),
    "dkt": lambda: DKT(Given(4)),
    "dkt:kernel=rbf": lambda: DKT(Given(4), kernel="rbf"),
    "llama": lambda: LLAMA(Given(4), 3),
    "llama:marginal=true": lambda: LLAMA(Given(4), 3, marginal=True),
    "pretrain": lambda: Pretrain(Given(4)),
    "iid": lambda: IID(Given(4), passes=2),
    "replay": lambda: Replay(Given(4), memory=2, replayed=2),
    "oml": lambda: OML(Given(4), (7,), hidden=5),
    "oml:online=last": lambda: OML(Given(4), (7,), hidden=5, online="last"),
}
SCORES = {  # of the first query
    "mann": [0.351286, 0.480099, 0.186200],
    "hypernet": [3.506493, 2.984364, 1.553517],
    "hypernet:encoder=set_transformer": [3.629136, 3.100143, 1.602492],
    "hypernet:generates=all": [7.206638, 5.175923, 4.398307],
    "metaoptnet": [0.109425, 0.033747, -0.092113],
    "metaoptnet:head=svm": [0.265056, 0.061052, -0.326108],
    "leo": [-0.012179, -0.038365, 0.054586],
    "dkt": [-0.549562, -0.665451, -1.131034],
    "dkt:kernel=rbf": [-0.444597, -1.160217, -1.191707],
    "llama": [1.363459, -0.390623, 0.274452],
    "llama:marginal=true": [1.306003, -0.373902, 0.262777],
    "pretrain": [0.793718, -1.818384, -0.643691],
    "iid": [0.792280, -1.797342, -0.663294],
    "replay": [0.795877, -1.831733, -0.632501],
    "oml": [0.762074, -0.982670, -0.620339],
    "oml:online=last": [0.794235, -1.034874, -0.618667],
}


@pytest.mark.parametrize("spec", MADE)
def test_of_features(spec, float64):
    learner = fixed(MADE[spec]())
    support = Examples(waves(6, 4), torch.tensor([0, 1, 2, 0, 1, 2]), 3)
    predicted = learner.adapt(support)(waves(2, 4).sin())[0]
    assert predicted.tolist() == pytest.approx(SCORES[spec], abs=1e-6)


OF_IMAGES = {
    "metalstm": lambda: MetaLSTM(Pixels(), 2, units=3),
    "l2l": lambda: L2L(Pixels(), 2, units=3, inner_steps=4),
    "l2l:rule=transformer": lambda: L2L(Pixels(), 2, units=4, inner_steps=4, rule="transformer"),
    "l2l:rule=rmsprop": lambda: L2L(Pixels(), 2, inner_steps=4, rule="rmsprop"),
}


SCORES_OF_IMAGES = {  # of the last query
    "metalstm": [0.017933, 0.026714],
    "l2l": [1.320861, 0.762261],
    "l2l:rule=transformer": [1.678603, 1.200508],
    "l2l:rule=rmsprop": [0.376378, 0.782778],
}


@pytest.mark.parametrize("spec", OF_IMAGES)
def test_of_images(spec, float64):
    learner = fixed(OF_IMAGES[spec]())
    images = torch.tensor([[0.9, 0.1], [0.2, 0.7], [0.5, 0.5]]).reshape(3, 1, 1, 2)
    predicted = learner.adapt(Examples(images[:2], torch.arange(2), 2))(images)[2]
    assert predicted.tolist() == pytest.approx(SCORES_OF_IMAGES[spec], abs=1e-6)
