"""What a call must leave as it finds it: the learner, its inputs, and what a process shares."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from workbench.learning.learner import Learner
from workbench.plugin.blame import at_place

_PLAIN = (bool, int, float, complex, str, bytes, type(None))


@contextmanager
def stage(doing: str) -> Iterator[None]:
    """Turn what a learner raises into a sentence that says where: "adapt of one task"."""
    try:
        yield
    except AssertionError:
        raise
    except Exception as error:
        reason = (str(error).splitlines() or [""])[0]
        raise AssertionError(
            f"{doing} must work, and it stops{at_place(error)}: {type(error).__name__}: {reason}"
        ) from error


class Watch:
    """The learner, the inputs of a call and torch's settings, as they were before the call.

    Args:
        doing: what is called, for the message: "adapt".
        inputs: tensors by name that may not be changed in place.
    """

    def __init__(self, learner: Learner, doing: str, **inputs: Tensor):
        self.learner = learner
        self.doing = doing
        self.inputs = inputs
        self.copies = {name: value.clone() for name, value in inputs.items()}
        self.shared = _shared()
        self.before = _state(learner)

    def complaint(self) -> str:
        """Return what the call changed that it should have left; "" if nothing."""
        for name, value in self.inputs.items():
            if not _same(self.copies[name], value):
                return f"{self.doing} must not change {name} in place"
        if _shared() != self.shared:
            return f"{self.doing} must leave torch's default dtype and grad mode unchanged"
        changed = _difference(self.before, _state(self.learner))
        if changed == "training":
            return f"{self.doing} must leave the mode unchanged, and it called train() or eval()"
        if changed:
            return f"{self.doing} must leave the learner unchanged, and it changed {changed}"
        return ""


def seed_all(seed: int) -> None:
    """Seed torch's, numpy's and Python's global generators."""
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)


def generators() -> tuple[Any, ...]:
    """Return the states of torch's, numpy's and Python's global generators."""
    of_numpy = np.random.get_state(legacy=False)
    return torch.get_rng_state().tolist(), str(of_numpy), random.getstate()


def check_not_seeded(first: tuple[Any, ...], second: tuple[Any, ...], doing: str) -> None:
    """Check the states of the generators after the same call, from two different seeds."""
    for name, one, other in zip(("torch", "numpy", "random"), first, second, strict=True):
        assert one != other, (
            f"{doing} must not seed the global generator of {name}: that would repeat the random "
            "numbers of the training"
        )


@contextmanager
def own_randomness() -> Iterator[None]:
    """Give the global generators back as they were."""
    numpy_state, python_state = np.random.get_state(), random.getstate()
    with torch.random.fork_rng(devices=[]):
        yield
    np.random.set_state(numpy_state)
    random.setstate(python_state)


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """Set torch's default dtype for a while."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _shared() -> tuple[Any, ...]:
    return torch.get_default_dtype(), torch.is_grad_enabled()


def _state(learner: Learner) -> dict[str, Any]:
    """Return copies of all that a learner holds: tensors, and plain attributes of its modules."""
    found: dict[str, Any] = {}
    for prefix, module in learner.named_modules():
        for name, value in vars(module).items():
            full = f"{prefix}.{name}" if prefix else name
            if name == "training":
                found[full] = value
            elif not name.startswith("_"):
                found[full] = _copied(value)
    for name, value in learner.named_parameters():
        found[name] = value.detach().clone()
        found[f"the gradient of {name}"] = _copied(value.grad)
        found[f"requires_grad of {name}"] = value.requires_grad
    for name, value in learner.named_buffers():
        found[name] = value.detach().clone()
    return found


def _copied(value: Any) -> Any:
    """Return a copy of tensors, arrays, plain values and containers of them; None for others."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, Mapping):
        return {key: _copied(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_copied(item) for item in value]
    return None


def _difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Return the first name that differs, "training" for a module's mode; "" if none does."""
    for name in [*before, *after]:
        if name in before and name in after and _same(before[name], after[name]):
            continue
        if name.rpartition(".")[2] == "training":
            return "training"
        return name
    return ""


def _same(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, Tensor):
        return one.shape == other.shape and torch.equal(one.nan_to_num(), other.nan_to_num())
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other)
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)
