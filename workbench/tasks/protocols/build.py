"""How the tasks of an evaluation or a training are drawn from the images of a split.

A protocol is a small frozen object with `ways` (0: they vary), `check` and `draw`
(`workbench.drawing.TaskProtocol`). What stands before `*` in its constructor is asked for everywhere;
what stands behind is an option of its own, typed as for any other thing: `--protocol unbalanced:alpha=5`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.errors import UnknownName, UsageError
from workbench.plugin.options import convert_options, filled_parameters, options_of, parse_spec
from workbench.tasks.protocols.listed import Listed
from workbench.tasks.protocols.meta_dataset import MetaDataset
from workbench.tasks.protocols.prequential import Prequential
from workbench.tasks.protocols.stream import Stream
from workbench.tasks.protocols.unbalanced import Unbalanced
from workbench.tasks.protocols.way_shot import WayShot
from workbench.tasks.protocols.within_group import WithinGroup
from workbench.tasks.sampling import (
    TaskProtocol,
)

DEFAULT_PROTOCOL = "way-shot"
PROTOCOLS: dict[str, Any] = {
    DEFAULT_PROTOCOL: WayShot,
    "within-group": WithinGroup,
    "unbalanced": Unbalanced,
    "meta-dataset": MetaDataset,
    "prequential": Prequential,
    "stream": Stream,
    "listed": Listed,
}
TRAINING_PROTOCOLS = (
    DEFAULT_PROTOCOL,
    "within-group",
    "unbalanced",
    "meta-dataset",
)  # those that ask once a task


def build_protocol(text: str, ways: int, shots: int, queries: int) -> TaskProtocol:
    """The protocol of a spec, `unbalanced:alpha=5`.

    Raises:
        UnknownName, UsageError: no such protocol or option.
    """
    if ways == 1:
        raise UsageError(
            "A task of 1 way has one answer, which is always right; type --ways 2 or more"
        )
    spec = parse_spec(text)
    if spec.name not in PROTOCOLS:
        raise UnknownName("protocol", spec.name, PROTOCOLS)
    target = PROTOCOLS[spec.name]
    filled = {"ways": ways, "shots": shots, "queries": queries}
    arguments: Mapping[str, Any] = {name: filled[name] for name in filled_parameters(target)}
    protocol: TaskProtocol = target(
        **arguments, **convert_options(spec.name, spec.options, options_of(target))
    )
    return protocol
