"""Published numbers beside measured ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.plugin.recipes import matching_number
from workbench.plugin.registry import registry

if TYPE_CHECKING:
    import pandas as pd


def with_published(frame: pd.DataFrame) -> pd.DataFrame:
    """Put the published number beside the rows whose data, protocol, ways, shots, backbone and options are its own."""
    columns = dict.fromkeys(("published", "published_interval"), float("nan")) | {
        "published_source": ""
    }
    frame = frame.assign(**columns)
    where = ["train_on", "test_on", "protocol", "ways", "shots"]
    for (name, chosen, backbone, *place), rows in frame.groupby(
        ["algorithm", "all_options", "backbone", *where]
    ):
        if not registry().knows("algorithms", str(name)):
            continue
        entry = registry().find("algorithms", str(name))
        number = matching_number(
            entry, str(chosen), dict(zip(where, place, strict=True)), str(backbone)
        )
        if number:
            interval = float("nan") if number.interval is None else number.interval
            source = "; ".join(filter(None, [number.source, number.protocol]))
            numbers = {"published": number.accuracy, "published_interval": interval}
            frame.loc[rows.index, list(numbers)] = list(numbers.values())
            frame.loc[rows.index, "published_source"] = source
    return frame
