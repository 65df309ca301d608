"""Memory-augmented neural networks (MANN).

Santoro, Bartunov, Botvinick, Wierstra, Lillicrap: One-shot Learning with Memory-Augmented Neural
Networks, arXiv 1605.06065; as Meta-Learning with Memory-Augmented Neural Networks at ICML 2016.

The network reads a sequence of images. With image x_t it gets the label y_(t-1) of the image
before, and none with the first, so it answers before it is told. Adapting to a task is reading its
support; the weights stay. A step, in the letters of the paper, section 3:

    h_t = LSTM(x_t, y_(t-1), r_(t-1))    the controller
    r_t = what the heads of the memory read, for keys computed from h_t; see `lrua.py`
    o_t = W (h_t, r_t)                   the answer: scores of the classes

What differs, or is not in the paper's text:
- A head writes a_t = tanh(A h_t), not its key k_t = tanh(V h_t), and its gate s = sigmoid(G h_t)
  is of the step. The key is compared with the memory before writing. The cosines are multiplied
  with a learnt strength b, as in the neural Turing machine (Graves, Wayne, Danihelka, arXiv
  1410.5401, equation 5): a softmax of cosines among 128 rows is nearly even.
- A training sequence is the support and the queries of a task in random order, so it has
  `train_shots + train_queries` images of each class.
- The recipes use Adam; the paper uses RMSprop.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mlw_model.lrua import Heads, Memory
from workbench import Above, AtLeast, Backbone, Examples, Learner, Predictor, Source, Task
from workbench.functional import lstm_cell, one_hot


class State(NamedTuple):
    """What the network remembers; any dimensions may precede those named here."""

    h: Tensor  # (units,), of the controller, as c
    c: Tensor
    memory: Memory
    read: Tensor  # (heads * width,), r


class MANN(Learner):
    """Read the support as a sequence into an external memory, and answer from it."""

    batched = True

    def __init__(
        self,
        backbone: Backbone,
        ways: int,
        *,
        units: Annotated[int, "units of the controller, an LSTM", AtLeast(1)] = 200,
        rows: Annotated[int, "rows of the memory; at least one for each head", AtLeast(1)] = 128,
        width: Annotated[int, "numbers in a row of the memory", AtLeast(1)] = 40,
        heads: Annotated[int, "rows that are read and written in a step", AtLeast(1)] = 4,
        decay: Annotated[float, "factor of the usage of a row in each step", AtLeast(0)] = 0.95,
        strength: Annotated[
            float, "initial factor of the cosines with the rows; it is learnt", Above(0)
        ] = 10.0,
        normalise: Annotated[bool, "features of mean 0 and variance 1 for each image"] = False,
    ):
        super().__init__()
        if heads > rows:
            raise ValueError(f"{heads} heads need a memory of at least as many rows")
        self.backbone = backbone
        self.ways = ways
        self.units = units
        self.rows = rows
        self.width = width
        self.heads = heads
        self.decay = decay
        self.strength = strength
        self.normalise = normalise
        self.controller = nn.LSTMCell(backbone.dim + ways + heads * width, units)
        self.access = Heads(units, heads, width, strength)
        self.answer = nn.Linear(units + heads * width, ways)

    def embed(self, images: Tensor) -> Tensor:
        x = self.backbone(images)  # (n, dim)
        return F.layer_norm(x, (self.backbone.dim,)) if self.normalise else x

    def predictors(self, support: Examples) -> Iterator[Predictor]:
        """Yield what answers before the first example is read, and after each."""
        labels = one_hot(support.y, self.ways).to(support.x)  # (n, ways)
        before = labels.new_zeros(self.ways)  # the label before the first image: none
        state = self.first_state(support.x)
        yield self._predictor(before, state)
        for x, label in zip(support.x, labels, strict=True):
            _, state = self.step(x, before, state)
            before = label
            yield self._predictor(before, state)

    def step(self, x: Tensor, before: Tensor, state: State) -> tuple[Tensor, State]:
        """Read an image `(dim,)` with the label before it, `(ways,)`; any dimensions may precede.

        Returns:
            Scores `(ways,)` of the image, and the next state.
        """
        inputs = [x, before.expand(*x.shape[:-1], -1), state.read.expand(*x.shape[:-1], -1)]
        h, c = lstm_cell(self.controller, torch.cat(inputs, -1), (state.h, state.c))
        memory = state.memory.after(self.access(h), self.decay)
        read = memory.read()
        scores: Tensor = self.answer(torch.cat([h, read], -1))
        return scores, State(h, c, memory, read)

    def first_state(self, like: Tensor, *tasks: int) -> State:
        """Return what is remembered before any image: zeros, on the device of a tensor."""
        memory = Memory.empty(self.rows, self.access, like, *tasks)
        zeros = like.new_zeros(*tasks, self.units)
        return State(zeros, zeros, memory, memory.read())

    def losses(self, source: Source) -> Iterator[Tensor]:
        for tasks in source.tasks():
            yield self.sequence_loss(*sequences(tasks))

    def sequence_loss(self, images: Tensor, y: Tensor) -> Tensor:
        """Return the mean cross-entropy of all answers.

        Args:
            images: `(tasks, length, channels, height, width)`.
            y: `(tasks, length)`.
        """
        x = self.embed(images.flatten(0, 1)).unflatten(0, y.shape)  # (tasks, length, dim)
        labels = one_hot(y, self.ways).to(x)
        before = torch.zeros_like(labels[:, 0])
        state = self.first_state(x, len(x))
        losses = []
        for t in range(y.shape[1]):
            scores, state = self.step(x[:, t], before, state)
            losses.append(F.cross_entropy(scores, y[:, t]))
            before = labels[:, t]
        return torch.stack(losses).mean()

    def _predictor(self, before: Tensor, state: State) -> Predictor:
        return lambda x: self.step(x, before, state)[0]  # (m, dim) to (m, ways)


def sequences(tasks: Task) -> tuple[Tensor, Tensor]:
    """Return the examples of a stack of tasks, support and queries, each task in random order."""
    x = torch.cat([tasks.support.x, tasks.query.x], 1)
    y = torch.cat([tasks.support.y, tasks.query.y], 1)  # (tasks, length)
    order = torch.rand(y.shape, device=y.device).argsort(1)
    task = torch.arange(len(y), device=y.device)[:, None]
    return x[task, order], y[task, order]
