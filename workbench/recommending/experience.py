"""What is known of methods: a small table of accuracies on other data sets.

A row is a method on a kind of tasks of a data set, with the landmarks of that data set. The table
that ships with the workbench was made from run folders by `mlw recommend --learn-from`, which makes
others too.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from workbench.errors import DataError
from workbench.plugin.registry import DEFAULT_PROTOCOL
from workbench.recommending.landmarks import Landmarks
from workbench.results.frame import for_csv

SHIPPED = Path(__file__).parent / "experience.csv"
CONDITION = ["data", "train_on", "ways", "shots"]  # methods are compared within a condition
LANDMARKS = list(Landmarks._fields)
COLUMNS = ["method", *CONDITION, "tasks", "accuracy", *LANDMARKS]


def read_experience(path: Path = SHIPPED) -> pd.DataFrame:
    """Read a table of experience, one row per method and condition.

    Raises:
        DataError: there is no such file, or it is no such table.
    """
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path} cannot be read as a table of experience ({error}); make one: "
            f"mlw recommend --learn-from runs --experience {path}"
        ) from error
    missing = [name for name in COLUMNS if name not in table]
    if missing:
        raise DataError(
            f"{path} is no table of experience: it lacks {', '.join(missing)}; make one: "
            f"mlw recommend --learn-from runs --experience {path}"
        )
    table["train_on"] = table["train_on"].fillna("")
    return table[COLUMNS]


def write_experience(table: pd.DataFrame, path: Path) -> None:
    """Write a table of experience as CSV."""
    for_csv(table).to_csv(path, index=False, float_format="%.4f")


def experience_of(frame: pd.DataFrame, like: Mapping[str, Landmarks]) -> pd.DataFrame:
    """Return what a tasks frame says of methods.

    Left out are methods that classify queries together or use an oracle, because they cannot
    answer for a single image; tasks whose ways and shots vary; and conditions with one method.

    Args:
        frame: with the columns of `workbench.results.frame`, of any number of methods.
        like: the landmarks of each data set in the column `test_on`.

    Raises:
        DataError: nothing is left.
    """
    usable = (frame["protocol"] == DEFAULT_PROTOCOL) & frame["ways"].notna()
    usable &= ~(frame["transductive"] | frame["oracle"])
    rows = []
    named = frame[usable].rename(columns={"test_on": "data"})
    named = named.assign(method=specs_of(named))
    for condition, part in named.groupby(CONDITION, sort=False):
        by_method = part.groupby("method", sort=False)["accuracy"].agg(["mean", "size"])
        if len(by_method) < 2:
            continue
        numbers = like[str(condition[0])]._asdict()
        for method, (accuracy, tasks) in by_method.iterrows():
            row = {"method": method, **dict(zip(CONDITION, condition, strict=True))}
            rows.append({**row, "tasks": int(tasks), "accuracy": accuracy, **numbers})
    if not rows:
        raise DataError(
            "No two methods have evaluations on the same N-way K-shot tasks, so nothing can be "
            "learnt from these runs; run: mlw compare protonet baseline --on omniglot eurosat"
        )
    return pd.DataFrame(rows, columns=COLUMNS)


def specs_of(frame: pd.DataFrame) -> list[str]:
    """Return what is typed for the method of each row of a tasks frame."""
    specs = []
    for algorithm, options in zip(frame["algorithm"], frame["options"], strict=True):
        specs.append(f"{algorithm}:{options}" if options else algorithm)
    return specs
