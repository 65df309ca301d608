"""A second device on a machine that has one: what a learner leaves on the CPU is caught here.

A tensor on it has its values in memory, says that it is on `ELSEWHERE`, and refuses what a tensor
on a GPU would refuse: to be computed with together with a tensor of the CPU, or to be read by
numpy. So every value is real, and an algorithm may ask for it with `.item()`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map_only

ELSEWHERE = torch.device("cpu", 1)  # no such device, and rules for CPUs, such as autocast's, hold

_aten = torch.ops.aten
_MIXED = {  # a GPU takes rows by indices of the CPU, and copies from it
    _aten.index.Tensor,
    _aten.index_put.default,
    _aten.index_put_.default,
    _aten._index_put_impl_.default,
    _aten.copy_.default,
}
_FROM_VALUES = (torch.tensor, torch.as_tensor, torch.asarray)
_READ_BY_NUMPY = (Tensor.numpy, Tensor.__array__)


class LeftBehind(Exception):
    """A tensor of the CPU, or numpy, met a tensor that is elsewhere."""


@contextmanager
def elsewhere() -> Iterator[None]:
    """Let tensors be made on `ELSEWHERE`, and be moved to it."""
    with _Functions(), _Operations():
        yield


def move(learner: nn.Module) -> None:
    """Move a learner's parameters and buffers, and nothing else, as `to(device)` would."""
    moved: dict[int, nn.Parameter] = {}  # shared parameters stay shared
    for module in learner.modules():
        for name, parameter in module._parameters.items():
            if parameter is None:
                continue
            if id(parameter) not in moved:
                data = parameter.detach().clone().to(ELSEWHERE)
                moved[id(parameter)] = nn.Parameter(data, parameter.requires_grad)
            module._parameters[name] = moved[id(parameter)]
        for name, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[name] = buffer.detach().clone().to(ELSEWHERE)


class _Tensor(Tensor):
    """Values in memory that say that they are elsewhere."""

    held: Tensor

    @staticmethod
    def __new__(cls: type[_Tensor], values: Tensor) -> _Tensor:
        made: _Tensor = Tensor._make_wrapper_subclass(
            cls,
            values.size(),
            strides=values.stride(),
            storage_offset=values.storage_offset(),
            dtype=values.dtype,
            device=ELSEWHERE,
        )
        made.held = values
        return made

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, operation: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return _run(operation, args, kwargs or {})


class _Operations(TorchDispatchMode):
    """Sees every operation, those that make new tensors too."""

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return _run(operation, args, kwargs or {})


class _Functions(TorchFunctionMode):
    """Sees the few functions that make or read values without an operation."""

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if function in _FROM_VALUES and _is_elsewhere(kwargs.get("device")):
            del kwargs["device"]
            return function(*args, **kwargs).to(ELSEWHERE)
        if function in _READ_BY_NUMPY and args[0].device == ELSEWHERE:
            raise LeftBehind("it reads a tensor with numpy, which needs .cpu() on a GPU")
        if function is Tensor.tolist and args[0].device == ELSEWHERE:
            return args[0].cpu().tolist()
        return function(*args, **kwargs)


def _run(operation: Any, args: Any, kwargs: Mapping[str, Any]) -> Any:
    """Run an operation on the values in memory; return its results where they belong."""
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    far = [tensor for tensor in tensors if isinstance(tensor, _Tensor)]
    near = [tensor for tensor in tensors if not isinstance(tensor, _Tensor) and tensor.dim() > 0]
    if far and near and operation not in _MIXED:
        raise LeftBehind(
            f"{operation} gets a tensor of {tuple(near[0].shape)} on the CPU beside one of "
            f"{tuple(far[0].shape)} on the device"
        )
    near_args, near_kwargs = tree_map_only(_Tensor, lambda tensor: tensor.held, (args, kwargs))
    device = kwargs.get("device")
    if device is not None:
        near_kwargs = {**near_kwargs, "device": torch.device("cpu")}
    results = operation(*near_args, **near_kwargs)
    if operation is _aten.copy_.default:
        return args[0]
    if operation is _aten._local_scalar_dense.default or not (far or device is not None):
        return results
    if device is not None and not _is_elsewhere(device):
        return results  # moved to the CPU
    wrapped = tree_map_only(Tensor, _wrapped, results)
    return return_and_correct_aliasing(operation, args, kwargs, wrapped)


def _wrapped(values: Tensor) -> _Tensor:
    return values if isinstance(values, _Tensor) else _Tensor(values)


def _is_elsewhere(device: Any) -> bool:
    return device is not None and torch.device(device) == ELSEWHERE
