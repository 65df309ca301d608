"""The columns of every frame: name, type, unit and meaning; and the file of a tasks frame.

A tasks frame has one row per test task, or one per instance where a protocol asks several times
within a task. A method is what was trained: the columns of `METHOD`. A condition is what it was
trained and tested on: the columns of `CONDITION`. Data sets are told apart by their content, not
only by their names. A cell is one method under one condition.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from workbench.errors import WorkbenchError
from workbench.results.table_file import damaged, read_table, require_values, write_table

SCHEMA = 5  # version of the columns in TASKS; a file of another version is not read
SCHEMA_KEY = b"workbench_schema"  # in the metadata of the parquet file

Kind = Literal["text", "texts", "flag", "integer", "optional integer", "number", "numbers"]

DTYPES: dict[Kind, str] = {
    "text": "str",
    "texts": "object",  # tuples of str; lists in parquet and JSON
    "flag": "bool",
    "integer": "int64",
    "optional integer": "Int64",  # pd.NA where the protocol lets the value vary
    "number": "float64",  # NaN where unknown
    "numbers": "object",  # tuples of float; lists in parquet and JSON
}
OPTIONAL: tuple[Kind, ...] = ("optional integer", "number")  # may be missing


class Column(NamedTuple):
    """One column of a frame."""

    name: str
    kind: Kind
    unit: str  # "" for names, flags and counts
    meaning: str


_METHOD = (
    Column("algorithm", "text", "", "name of the algorithm"),
    Column("options", "text", "", "its options as typed; empty: the defaults"),
    Column("backbone", "text", "", "spec of the backbone"),
    Column("all_options", "text", "", "all options of the algorithm, with their values"),
    Column("settings", "text", "", "all training settings, with their values"),
    Column("starts", "text", "", "checksums of the weights of starts that it names"),
)

_CONDITION = (
    Column("train_on", "text", "", "label of the training data, for people"),
    Column("test_on", "text", "", "spec of the test data set"),
    Column("split", "text", "", "split that the test tasks are drawn from"),
    Column("protocol", "text", "", "spec of the protocol that draws the test tasks"),
    Column("ways", "optional integer", "", "classes per task; missing: they vary"),
    Column("shots", "optional integer", "", "support images per class; missing: they vary"),
    Column("queries", "optional integer", "", "query images per class; missing: they vary"),
    Column("instance", "integer", "", "which question of the task; 0 where there is one per task"),
    Column("task_seed", "integer", "", "seed of the test tasks"),
    # names alone do not say which tasks these are: other images may have had the same name
    Column("train_fingerprint", "text", "", "checksum of the content of the training data"),
    Column("test_fingerprint", "text", "", "checksum of the content of the test data set"),
    Column("results_version", "integer", "", "version of the core that drew the tasks"),
)

# what of a condition is the same for methods that were trained on different data
_TEST = tuple(column for column in _CONDITION if not column.name.startswith("train_"))

_TRAIN_SETS = Column("train_sets", "texts", "", "specs of the data sets trained on")

_MEASURED = (
    Column("accuracy", "number", "0..1", "share of queries that are classified correctly"),
    Column("loss", "number", "nats", "mean cross-entropy of the queries"),
    Column("brier", "number", "0..2", "mean Brier score: squared distance of the probabilities"),
    Column("adapt_seconds", "number", "s", "time to adapt and predict per task, after embedding"),
    Column("calibration_error", "number", "0..1", "calibration error over all queries, 15 bins"),
    Column("temperature", "number", "", "what scores are divided by; NaN: was not asked or chosen"),
    Column("calibrated_loss", "number", "nats", "`loss` after that; NaN: no temperature"),
    Column("calibrated_brier", "number", "0..2", "`brier` after that; NaN: no temperature"),
    Column("calibrated_error", "number", "0..1", "the calibration error after that; NaN: as above"),
    Column("train_seconds", "number", "s", "training time, earlier stages and validation included"),
    Column("eval_seconds", "number", "s", "time of the whole evaluation, embedding included"),
)

_BY_QUERY = (
    Column("hits", "numbers", "", "1 for a query that is answered rightly, otherwise 0"),
    Column("confidences", "numbers", "0..1", "probability of the answer to each of these queries"),
    Column("calibrated_confidences", "numbers", "0..1", "that after the temperature; or empty"),
)

_EFFORT = (
    Column("recipe", "text", "", "recipe that the settings are from; empty: none"),
    Column("tuned", "text", "", "what `mlw tune` chose the settings by; empty: they are as typed"),
    Column("steps", "integer", "", "training steps, earlier stages included"),
    Column("recipe_steps", "optional integer", "", "those that the recipes ask for, or unknown"),
    Column("images", "integer", "", "images seen in training, each as often as seen"),
    Column("train_loss", "number", "", "training loss at the end; NaN: no steps of its own"),
    Column("chance_loss", "number", "nats", "cross-entropy of guessing in training; NaN: unknown"),
)

_FLAGS = (
    Column("episodic", "flag", "", "training draws tasks"),
    Column("transductive", "flag", "", "the queries of a task are classified together"),
    Column("oracle", "flag", "", "the method uses what only the test data reveal"),
)

_SELECTED_ON = Column(
    "selected_on",
    "texts",
    "",
    "data sets whose validation classes chose `selected`; empty: it holds the defaults",
)

_NOT_AS_ASKED = "what is not as asked or as usual in the tasks, and which class is the reason"
_DEPARTURES = Column("departures", "texts", "", _NOT_AS_ASKED)

_PRETRAINING = (
    Column("pretrained_on", "texts", "", "data sets that the backbone was pre-trained on"),
    Column("overlap", "text", "", "whether they contain test classes: yes, no, unknown or empty"),
)

_PARAMETERS = Column("parameters", "integer", "", "number of parameters of the learner")

_PUBLISHED = (
    Column("published", "number", "%", "published accuracy, as printed; NaN: unknown"),
    Column("published_spread", "number", "%", "the number behind its ±, as printed; NaN: none"),
    Column(
        "published_spread_kind",
        "text",
        "",
        "what its ± is: interval (of 95%), sd (standard deviation over trainings), se (standard "
        "error), spread (not said); empty: no ±",
    ),
    Column("published_source", "text", "", "where it was published, and what differs there"),
)

_EPISODES = Column("episodes", "integer", "", "number of test tasks")

# What an evaluation records. Published numbers are added when it is read, because recipes change.
RECORDED = (
    *_METHOD,
    *_CONDITION,
    _TRAIN_SETS,
    Column("train_seed", "integer", "", "seed of the training"),
    Column("training", "text", "", "checksum of its plan, data, code and starts, not its seed"),
    Column("task", "integer", "", "number of the task; the same task for every method"),
    Column("task_ways", "integer", "", "classes of this task"),
    Column("support", "integer", "", "support images of this task"),
    Column("broken", "flag", "", "the method broke down: scores are not finite; they are wrong"),
    *_MEASURED,
    *_BY_QUERY,
    *_EFFORT,
    *_FLAGS,
    Column("selected", "text", "", "options chosen at test time; empty: nothing to choose"),
    _SELECTED_ON,
    _DEPARTURES,
    *_PRETRAINING,
    _PARAMETERS,
    Column("run", "text", "", "name of the run folder"),
    Column("code", "text", "", "checksum of the method's code at test"),
    Column("parts", "texts", "", "data sets in part only, or with files not known to be published"),
)

TASKS = (*RECORDED, *_PUBLISHED)

_LABEL = Column("method", "text", "", "label of the method: 'algorithm:options'")

SUMMARY = (
    _LABEL,
    *_METHOD,
    *_CONDITION,
    _TRAIN_SETS,
    _EPISODES,
    Column("broken", "integer", "", "number of test tasks in which the method broke down"),
    Column("seeds", "integer", "", "number of training seeds"),
    Column("accuracy", "number", "0..1", "mean accuracy over the test tasks"),
    Column("interval", "number", "0..1", "half-width of its 95% interval over tasks"),
    Column("seed_sd", "number", "0..1", "standard deviation of accuracy over seeds; NaN: one seed"),
    Column("difference", "number", "-1..1", "mean paired difference to the condition's best"),
    Column("difference_interval", "number", "0..1", "half-width, as above; NaN: the best itself"),
    Column("baseline", "text", "", "label of the condition's best baseline; empty: none"),
    Column("to_baseline", "number", "-1..1", "mean paired difference to it; NaN: no baseline"),
    Column("to_baseline_interval", "number", "0..1", "half-width, as above; NaN: the baseline"),
    *_MEASURED[1:],
    *_EFFORT,
    *_FLAGS,
    Column("selected", "texts", "", "options chosen at test time; several if seeds differ"),
    _SELECTED_ON,
    _DEPARTURES,
    *_PRETRAINING,
    _PARAMETERS,
    *_PUBLISHED,
)

_PAIRED = (
    Column("difference", "number", "-1..1", "mean difference in accuracy over the shared tasks"),
    Column("interval", "number", "0..1", "half-width of its 95% interval"),
    _EPISODES,
)

DIFFERENCES = (
    *_CONDITION,
    _LABEL,
    Column("other", "text", "", "label of the method that is subtracted"),
    *_PAIRED,
)

TRAININGS = (
    *_TEST,
    _LABEL,
    Column("train_on", "text", "", "label of the training data"),
    Column("other", "text", "", "label of the training data that are subtracted"),
    *_PAIRED,
)

CURVES = (
    Column("run", "text", "", "name of the run folder"),
    Column("label", "text", "", "label of the method: 'algorithm:options'"),
    Column("step", "integer", "", "training step, from 1"),
    Column("loss", "number", "", "training loss; its scale depends on the method"),
    Column("lr", "number", "", "learning rate"),
    Column("seconds", "number", "s", "training time so far"),
    Column("val_accuracy", "number", "0..1", "validation accuracy; NaN: not validated"),
    Column("train_on", "text", "", "label of the training data, whose validation classes are used"),
    Column("val_protocol", "text", "", "spec of the protocol that draws the validation tasks"),
    Column("val_ways", "optional integer", "", "classes per validation task; missing: they vary"),
    Column("val_shots", "optional integer", "", "support images per class; missing: they vary"),
)

RUNS = (
    Column("run", "text", "", "name of the run folder"),
    Column("command", "text", "", "command that trained it; empty: it was trained from Python"),
    Column("seed", "integer", "", "seed of the training"),
    Column("hardware", "text", "", "device, threads and platform"),
    Column("versions", "text", "", "of Python, libraries and plugins"),
)


def names_of(columns: Sequence[Column]) -> list[str]:
    """Return the names of columns."""
    return [column.name for column in columns]


METHOD = names_of(_METHOD)
CONDITION = names_of(_CONDITION)
TEST = names_of(_TEST)
MEASURED = names_of(_MEASURED)
CALIBRATED = ["temperature", "calibrated_loss", "calibrated_brier", "calibrated_error"]
EFFORT = names_of(_EFFORT)
FLAGS = names_of(_FLAGS)
PUBLISHED = names_of(_PUBLISHED)


_KINDS: dict[Kind, str] = {
    "text": "text",
    "texts": "list of texts",
    "flag": "true or false",
    "integer": "integer",
    "optional integer": "integer or missing",
    "number": "number",
    "numbers": "list of numbers",
}


def describe(columns: Sequence[Column]) -> str:
    """Return a Markdown table of columns."""
    lines = ["| column | type | unit | meaning |", "|---|---|---|---|"]
    for column in columns:
        row = [f"`{column.name}`", _KINDS[column.kind], column.unit, column.meaning]
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines)


def write_tasks(frame: pd.DataFrame, path: Path) -> None:
    """Write a tasks frame to a parquet file, whole or not at all, with the schema version.

    Columns that are not in `TASKS` are left out. The published ones may be missing.

    Raises:
        WorkbenchError: a recorded column is missing.
    """
    import pyarrow

    require_columns(frame, RECORDED, "test tasks")
    present = [column for column in TASKS if column.name in frame]
    table = pyarrow.Table.from_pandas(
        frame[names_of(present)],
        schema=arrow_schema(present),
        preserve_index=False,
    )
    write_table(table, path, {SCHEMA_KEY: str(SCHEMA).encode()})


def arrow_schema(columns: Sequence[Column]) -> Any:
    import pyarrow

    types = {
        "text": pyarrow.string(),
        "texts": pyarrow.list_(pyarrow.string()),
        "flag": pyarrow.bool_(),
        "integer": pyarrow.int64(),
        "optional integer": pyarrow.int64(),
        "number": pyarrow.float64(),
        "numbers": pyarrow.list_(pyarrow.float32()),
    }
    return pyarrow.schema([(column.name, types[column.kind]) for column in columns])


def read_tasks(path: Path) -> pd.DataFrame | None:
    """Read a tasks frame that `write_tasks` wrote; columns of kind "texts" hold tuples.

    Returns:
        The frame, or None if the file has another schema version.

    Raises:
        DataError: the file is damaged.
    """
    table = read_table(path, {SCHEMA_KEY: str(SCHEMA).encode()})
    if table is None:
        return None
    try:
        require_values(table, [each.name for each in RECORDED if each.kind not in OPTIONAL])
        frame = typed(table.to_pandas(), TASKS)
        require_columns(frame, RECORDED, "test tasks")
    except Exception as error:  # of a table that another program wrote, pandas raises many
        raise damaged(path, error) from error
    return frame


def typed(frame: pd.DataFrame, columns: Sequence[Column]) -> pd.DataFrame:
    """Return the frame with the given columns first, in their order and types.

    Columns that the frame lacks are skipped.
    """
    changed = {}
    for column in columns:
        if column.name in frame:
            changed[column.name] = _typed(frame[column.name], column.kind)
    others = [name for name in frame if name not in changed]
    return frame.assign(**changed)[[*changed, *others]]


def _typed(values: pd.Series[Any], kind: Kind) -> pd.Series[Any]:
    if kind not in ("texts", "numbers"):
        return values.astype(DTYPES[kind])  # type: ignore[call-overload, no-any-return]
    entry = str if kind == "texts" else float
    tuples = [tuple(map(entry, value)) for value in values]
    return pd.Series(tuples, index=values.index, dtype=object)


def require_columns(frame: pd.DataFrame, columns: Sequence[Column], content: str) -> None:
    """Check that a frame has the given columns.

    Args:
        content: what the rows are, for the message: "test tasks".

    Raises:
        WorkbenchError: columns are missing; the message names them.
    """
    missing = [name for name in names_of(columns) if name not in frame]
    if missing:
        raise WorkbenchError(
            f"This is not a frame of {content}: it has no column {', '.join(missing)}."
        )


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows as dictionaries, with None for a missing integer."""
    return [without_missing(row) for row in frame.to_dict("records")]


def without_missing(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the row with None for a missing integer, which has no truth value otherwise."""
    values = dict(row)
    for name, value in values.items():
        if value is pd.NA:
            values[name] = None
    return values


def for_csv(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with its tuples joined by "; ", because a CSV file has no lists."""
    joined = {}
    for name, values in frame.items():
        if len(values) and isinstance(values.iloc[0], tuple):
            joined[str(name)] = values.map(_joined)
    return frame.assign(**joined)


def _joined(values: tuple[Any, ...]) -> str:
    return "; ".join(map(str, values))


def for_json(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows in types that JSON has: lists for tuples, None for missing values."""
    rows = []
    for record in frame.to_dict("records"):
        rows.append({str(name): _plain(value) for name, value in record.items()})
    return rows


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    if pd.isna(value):
        return None
    if isinstance(value, np.generic):
        return value.item()
    return value
