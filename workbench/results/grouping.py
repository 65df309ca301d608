"""Methods and conditions: how the rows of a tasks frame are labelled, ordered and grouped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from workbench.errors import WorkbenchError
from workbench.plugin.options import options_text, parse_options
from workbench.results.frame import (
    CONDITION,
    METHOD,
    TASKS,
    require_columns,
    typed,
    without_missing,
)
from workbench.results.wording import enumerated

DIGITS = 8  # of a fingerprint, in a label

# the columns that name data, and what tells apart data of one name
_DATA = {"train_on": "train_fingerprint", "test_on": "test_fingerprint"}


def labelled(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a tasks frame with a column `method`, the label of the method, in one order.

    The label is `algorithm` or `algorithm:options`. In brackets follow the backbone, where two
    methods of one label differ in it, the checksum of the weights that they start from, where the
    run that a label names had several, and the training settings in which two differ that met the
    same condition. Where a data set's name stands for several contents, `train_on` and `test_on`
    have the first digits of the fingerprint behind it.

    Rows are ordered by condition: data in order of appearance, then ways, shots and so on from the
    smallest. Within each condition the methods have the same order.

    Raises:
        WorkbenchError: columns are missing or hold joined text, or there are no rows.
    """
    require_columns(frame, TASKS, "test tasks")
    if frame.empty:
        raise WorkbenchError("There are no results to report. Run `mlw compare` or `mlw eval`.")
    _refuse_joined_text(frame)
    integers = [column for column in TASKS if column.kind == "optional integer"]
    frame = _with_data_labels(typed(frame, integers))
    frame = ordered(frame, CONDITION)
    frame = frame.assign(method=_labels(frame))
    # methods in the order in which they appear once the conditions are in order: so the order is
    # the same in every condition, table and figure
    return ordered(frame, [*CONDITION, "method"])


def _refuse_joined_text(frame: pd.DataFrame) -> None:
    for column in TASKS:
        if column.kind == "texts" and isinstance(frame[column.name].iloc[0], str):
            raise WorkbenchError(
                f"Column {column.name} holds text instead of lists, as a CSV file does. "
                "Read the tasks from their parquet file."
            )


# --- data sets


def _contents(frame: pd.DataFrame) -> dict[str, list[str]]:
    """Return the fingerprints by the name of a data set, in order of appearance."""
    found: dict[str, list[str]] = {}
    for name, fingerprint in _DATA.items():
        pairs = frame[[name, fingerprint]].drop_duplicates()
        for label, content in pairs.itertuples(index=False):
            contents = found.setdefault(label, [])
            if content not in contents:
                contents.append(content)
    return found


def _with_data_labels(frame: pd.DataFrame) -> pd.DataFrame:
    """Add the first digits of the fingerprint to names that stand for several contents."""
    several = [label for label, contents in _contents(frame).items() if len(contents) > 1]
    changed = {}
    for name, fingerprint in _DATA.items():
        told_apart = frame[name] + " (images " + frame[fingerprint].str[:DIGITS] + ")"
        changed[name] = frame[name].where(~frame[name].isin(several), told_apart)
    return frame.assign(**changed)


def separations(frame: pd.DataFrame) -> list[str]:
    """Return in sentences which results stand apart although the names of their data are equal.

    Args:
        frame: a tasks frame that is not labelled yet.
    """
    sentences = []
    for label, contents in _contents(frame).items():
        if len(contents) > 1:
            digits = enumerated(content[:DIGITS] or "unknown" for content in contents)
            sentences.append(
                f"{label} had different images in these runs (fingerprints {digits}): results on "
                "different images stand apart and are not paired"
            )
    versions = sorted(frame["results_version"].unique())
    if len(versions) > 1:
        sentences.append(
            f"results of versions {enumerated(map(str, versions))} are not of the same tasks: they "
            "stand apart and are not paired; evaluate the older again: mlw eval RUN"
        )
    return sentences


# --- methods


def _labels(frame: pd.DataFrame) -> pd.Series[str]:
    with_options = frame["algorithm"] + ":" + frame["options"]
    plain = frame["algorithm"].where(frame["options"] == "", with_options)
    facts = frame[[*METHOD, *CONDITION]].assign(plain=plain).drop_duplicates()
    labels: dict[tuple[str, ...], str] = {}  # by what is trained
    for label, rows in facts.groupby("plain", sort=False):
        several = rows["backbone"].nunique() > 1
        for backbone, methods in rows.groupby("backbone", sort=False):
            keys = _differing(methods)
            starts = methods["starts"].nunique() > 1
            for method in methods[METHOD].itertuples(index=False, name=None):
                apart = [str(backbone)] if several else []
                if starts:
                    apart.append(f"start {method[METHOD.index('starts')] or 'unknown'}")
                if keys:
                    apart.append(_some_settings(method, keys))
                labels[method] = _with_brackets(str(label), apart)
    of_rows = zip(*(frame[name] for name in METHOD), strict=True)
    return pd.Series([labels[method] for method in of_rows], index=frame.index, dtype="str")


def _with_brackets(label: str, words: Sequence[str]) -> str:
    if not words:
        return label
    return f"{label} ({', '.join(words)})"


def _settings(method: Sequence[str]) -> dict[str, str]:
    """Return all options and training settings of a method, as text by name."""
    facts = dict(zip(METHOD, method, strict=True))
    return parse_options(facts["all_options"]) | parse_options(facts["settings"])


def _differing(methods: pd.DataFrame) -> list[str]:
    """Return the settings in which methods differ that met the same condition.

    Settings also follow from the condition, as the shots of training tasks do. That tells no two
    methods apart.
    """
    keys: dict[str, None] = {}
    for _, rows in methods.groupby(CONDITION, sort=False, dropna=False):
        known = [_settings(each) for each in rows[METHOD].itertuples(index=False, name=None)]
        for key in known[0]:
            if len({settings.get(key) for settings in known}) > 1:
                keys[key] = None
    return list(keys)


def _some_settings(method: Sequence[str], keys: Sequence[str]) -> str:
    settings = _settings(method)
    return options_text({key: settings[key] for key in keys if key in settings})


# --- order and groups


def ordered(frame: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Order rows by columns: names in order of appearance, numbers from the smallest.

    Rows that are equal in all these columns keep their order.
    """
    keys = {}
    for name in names:
        values = frame[name]
        if pd.api.types.is_integer_dtype(values.dtype):
            keys[name] = values
        else:
            keys[name] = pd.Series(pd.factorize(values)[0], index=frame.index)
    groups = pd.DataFrame(keys).groupby(list(names), sort=False, dropna=False)
    number = groups.ngroup().to_numpy()
    first = pd.DataFrame(keys).iloc[pd.Series(number).drop_duplicates().index]
    place = first.reset_index(drop=True).sort_values(list(names)).index.argsort()
    return frame.iloc[place[number].argsort(kind="stable")]


def conditions(frame: pd.DataFrame) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Iterate over the conditions of a frame, each with its rows, in order of appearance.

    In a condition, None stands for ways, shots or queries that vary.
    """
    for values, rows in frame.groupby(CONDITION, sort=False, dropna=False):
        condition = dict(zip(CONDITION, values, strict=True))
        yield without_missing(condition), rows


def varying(frame: pd.DataFrame) -> list[str]:
    """Return the columns of `CONDITION` that have more than one value."""
    return [name for name in CONDITION if frame[name].nunique(dropna=False) > 1]
