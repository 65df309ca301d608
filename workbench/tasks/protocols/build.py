"""The protocols by name.

A protocol is a small frozen object, a `workbench.tasks.sampling.TaskProtocol`. The parameters
before `*` in its constructor are ways, shots and queries, which every command asks for. Those after
it are options of the protocol itself: `--protocol unbalanced:alpha=5`.
"""

from __future__ import annotations

from typing import Any

from workbench.errors import UnknownName, UsageError
from workbench.plugin.options import convert_options, filled_parameters, options_of, parse_spec
from workbench.plugin.registry import DEFAULT_PROTOCOL
from workbench.tasks.protocols.listed import Listed
from workbench.tasks.protocols.meta_dataset import MetaDataset
from workbench.tasks.protocols.prequential import Prequential
from workbench.tasks.protocols.stream import Stream
from workbench.tasks.protocols.unbalanced import Unbalanced
from workbench.tasks.protocols.way_shot import WayShot
from workbench.tasks.protocols.within_group import WithinGroup
from workbench.tasks.sampling import TaskProtocol

PROTOCOLS: dict[str, Any] = {
    DEFAULT_PROTOCOL: WayShot,
    "within-group": WithinGroup,
    "unbalanced": Unbalanced,
    "meta-dataset": MetaDataset,
    "prequential": Prequential,
    "stream": Stream,
    "listed": Listed,
}
# those whose tasks are random and ask once
TRAINING_PROTOCOLS = (DEFAULT_PROTOCOL, "within-group", "unbalanced", "meta-dataset")


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
    spec = parse_spec(text)
    if spec.name not in PROTOCOLS:
        raise UnknownName("protocol", spec.name, PROTOCOLS)
    target = PROTOCOLS[spec.name]
    numbers = {"ways": ways, "shots": shots, "queries": queries}
    filled = {name: numbers[name] for name in filled_parameters(target)}
    options = convert_options(spec.name, spec.options, options_of(target))
    protocol: TaskProtocol = target(**filled, **options)
    return protocol
