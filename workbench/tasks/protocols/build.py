"""Build a protocol from its spec.

A protocol is a small frozen object, a `workbench.tasks.sampling.TaskProtocol`. The parameters
before `*` in its constructor are ways, shots and queries, which every command asks for. Those after
it are options of the protocol itself: `--protocol unbalanced:alpha=5`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from workbench.errors import UnknownName, UsageError
from workbench.plugin.options import convert_options, filled_parameters, options_of, parse_spec
from workbench.tasks.protocols.names import PROTOCOLS
from workbench.tasks.sampling import TaskProtocol


def build_protocol(text: str, ways: int, shots: int, queries: int) -> TaskProtocol:
    """Return the protocol of a spec, `unbalanced:alpha=5`.

    Args:
        queries: query images per class.

    Raises:
        UnknownName: there is no such protocol.
        UsageError: an option is unknown or invalid, or `ways` is 1.
    """
    if ways == 1:
        raise UsageError("A task of 1 way has only one answer; use --ways 2 or more")
    target, options = _read(text)
    numbers = {"ways": ways, "shots": shots, "queries": queries}
    filled = {name: numbers[name] for name in filled_parameters(target)}
    protocol: TaskProtocol = target(**filled, **options)
    return protocol


def numbers_of(text: str) -> set[str]:
    """Return which of ways, shots and queries the protocol of a spec takes; it draws the others.

    Raises:
        UnknownName: there is no such protocol.
        UsageError: an option is unknown or invalid.
    """
    target, _ = _read(text)
    return set(filled_parameters(target))


def _read(text: str) -> tuple[type[Any], dict[str, Any]]:
    """Return the class of a protocol, and its options."""
    spec = parse_spec(text)
    if spec.name not in PROTOCOLS:
        raise UnknownName("protocol", spec.name, PROTOCOLS)
    module, _, class_name = PROTOCOLS[spec.name].partition(":")
    target: type[Any] = getattr(import_module(f"workbench.tasks.protocols.{module}"), class_name)
    return target, convert_options(spec.name, spec.options, options_of(target))
