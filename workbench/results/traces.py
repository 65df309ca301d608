"""The frame of traces: loss and accuracy after each step of adapting to a task; and its files."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from workbench.results.frame import (
    CONDITION,
    METHOD,
    OPTIONAL,
    RECORDED,
    Column,
    arrow_schema,
    names_of,
    typed,
)
from workbench.results.table_file import damaged, read_table, require_values, write_table

SCHEMA = 1  # version of the columns in TRACES
SCHEMA_KEY = b"workbench_trace_schema"

_OF_A_RUN = (*METHOD, *(name for name in CONDITION if name != "instance"), "train_seed", "run")
_OF_THE_CODE = ("results_version", "code")

TRACES = (
    *(column for column in RECORDED if column.name in (*_OF_A_RUN, *_OF_THE_CODE)),
    Column("task", "integer", "", "number of the test task"),
    Column("instance", "integer", "", "which question of the task; 0 where there is one per task"),
    Column("support", "integer", "", "support images; they tell questions of an instance apart"),
    Column("step", "integer", "", "steps of adapting done; only 0: the method has no steps"),
    Column("part", "text", "", "support or query: whose loss and accuracy it is"),
    Column("accuracy", "number", "0..1", "accuracy on the part"),
    Column("loss", "number", "nats", "mean cross-entropy on the part"),
)


def write_traces(frame: pd.DataFrame, path: Path) -> None:
    """Write a frame of traces to a parquet file, whole or not at all."""
    import pyarrow

    table = pyarrow.Table.from_pandas(
        frame[names_of(TRACES)], schema=arrow_schema(TRACES), preserve_index=False
    )
    write_table(table, path, {SCHEMA_KEY: str(SCHEMA).encode()})


def read_traces(path: Path) -> pd.DataFrame | None:
    """Read what `write_traces` wrote; None if the file has another schema version.

    Raises:
        DataError: the file is damaged.
    """
    table = read_table(path, {SCHEMA_KEY: str(SCHEMA).encode()})
    if table is None:
        return None
    try:
        require_values(table, [each.name for each in TRACES if each.kind not in OPTIONAL])
        return typed(table.to_pandas(), TRACES)[names_of(TRACES)]
    except Exception as error:  # of a table that another program wrote, pandas raises many
        raise damaged(path, error) from error
