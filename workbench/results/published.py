"""Published numbers beside measured ones."""

from __future__ import annotations

import pandas as pd

from workbench.plugin.options import parse_options
from workbench.plugin.recipes import Condition, matching_number
from workbench.plugin.registry import registry


def with_published(frame: pd.DataFrame) -> pd.DataFrame:
    """Put the published number beside the rows whose data, protocol, ways, shots, backbone and options are its own."""
    columns = dict.fromkeys(("published", "published_interval"), float("nan")) | {
        "published_source": ""
    }
    frame = frame.assign(**columns)
    where = ["train_sets", "test_on", "protocol", "ways", "shots"]
    for (name, chosen, backbone, *place), rows in frame.groupby(
        ["algorithm", "all_options", "backbone", *where], dropna=False
    ):
        if not registry().knows("algorithms", str(name)):
            continue
        registration = registry().find("algorithms", str(name))
        trained_on, test_on, protocol, ways, shots = place
        condition = Condition(
            trained_on=tuple(trained_on),
            test_on=str(test_on),
            protocol=str(protocol),
            ways=None if pd.isna(ways) else int(ways),
            shots=None if pd.isna(shots) else int(shots),
        )
        options = parse_options(str(chosen))
        number = matching_number(registration, options, condition, str(backbone))
        if number:
            interval = float("nan") if number.interval is None else number.interval
            source = "; ".join(filter(None, [number.source, number.protocol]))
            numbers = {"published": number.accuracy, "published_interval": interval}
            frame.loc[rows.index, list(numbers)] = list(numbers.values())
            frame.loc[rows.index, "published_source"] = source
    return frame
