"""Published numbers beside measured ones."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from workbench.plugin.options import parse_options
from workbench.plugin.recipes import Condition, Published, matching_number, spread_words
from workbench.plugin.registry import registry

if TYPE_CHECKING:
    import pandas as pd

_FACTS = [
    "algorithm",
    "all_options",
    "backbone",
    "train_sets",
    "test_on",
    "split",
    "protocol",
    "ways",
    "shots",
    "instance",
]


def with_published(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a tasks frame with the columns `PUBLISHED`.

    A published number stands beside the rows of its algorithm, options, backbone, training and
    test data, protocol, ways, shots and instance, where the tasks are of test classes.
    """
    from workbench.results.frame import without_missing  # imports pandas

    frame = frame.assign(
        published=math.nan,
        published_spread=math.nan,
        published_spread_kind="",
        published_source="",
    )
    for values, rows in frame.groupby(_FACTS, sort=False, dropna=False):
        number = _published(without_missing(dict(zip(_FACTS, values, strict=True))))
        if number is None:
            continue
        frame.loc[rows.index, "published"] = number.accuracy
        if number.spread is not None:
            frame.loc[rows.index, "published_spread"] = number.spread
        frame.loc[rows.index, "published_spread_kind"] = number.spread_kind
        frame.loc[rows.index, "published_source"] = _source(number)
    return frame


def _published(facts: dict[str, Any]) -> Published | None:
    if not registry().knows("algorithms", facts["algorithm"]):
        return None  # an evaluation by a plugin that is not installed
    if facts["split"] != "test":
        return None  # papers report test classes
    condition = Condition(
        trained_on=facts["train_sets"],
        test_on=facts["test_on"],
        protocol=facts["protocol"],
        ways=facts["ways"],
        shots=facts["shots"],
        instance=facts["instance"],
    )
    algorithm = registry().find("algorithms", facts["algorithm"])
    options = parse_options(facts["all_options"])
    return matching_number(algorithm, options, condition, facts["backbone"])


def _source(number: Published) -> str:
    """Return where a number was published, and how the authors' procedure differs."""
    words = [number.source, number.protocol, spread_words(number.spread_kind)]
    return "; ".join(word for word in words if word)
