"""Frames of tasks become tables and paired differences.

A tasks frame has one row a test task (`workbench.compare` returns it). A method is (algorithm,
options, backbone); a condition is `CONDITION`; a cell is a method under a condition. All methods of a
condition meet the same tasks, so methods are compared task by task.

Units: `accuracy`, its intervals and differences are in 0..1; `published` and its interval in percent,
as the papers print them; everything that ends in `seconds` is in seconds.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from workbench.errors import UnknownName, WorkbenchError
from workbench.results.frame import (
    CONDITION,
    CONSTANT,
    FLAGS,
    MEASURED,
    METHOD,
    TEXTS,
    conditions,
    labelled,
    varying,
)
from workbench.results.marks import ORACLE
from workbench.results.wording import _rarer, condition_title
from workbench.tasks.protocols.build import DEFAULT_PROTOCOL

Z = 1.96  # standard errors in half a 95% interval


def summary(frame: pd.DataFrame, baseline: Sequence[str] = ()) -> pd.DataFrame:
    """One row a cell, conditions and methods in the order in which the frame has them.

    Args:
        frame: one row a test task.
        baseline: the methods to whose best one the others are compared; if left out, see `baselines`.

    Returns:
        `method` (its label), the columns of `METHOD` and `CONDITION`, and: `episodes` (test tasks), `seeds`
        (training seeds), `accuracy` and `interval` (mean and half-width of its 95% interval over tasks),
        `seed_sd` (standard deviation over seeds of the mean; NaN with one seed), `difference` and
        `difference_interval` (paired, to the condition's best method: 0 and NaN for that one), `baseline` (the
        best of the baselines here, "" without one), `to_baseline` and `to_baseline_interval` (likewise), the means
        of `loss`, `calibration_error` and the seconds, `episodic`, `transductive`, `overlap`, `selection`,
        `pretrained_on`, `parameters`, `published`, `published_interval`, `published_source`.

    Raises:
        UnknownName: the frame has no method `baseline`.
        WorkbenchError: no rows, missing columns, a task twice, or methods that met different tasks.
    """
    rows = []
    frame = labelled(frame)
    simple = baselines(frame, baseline)
    for condition, part in conditions(frame):
        by_task = _by_task(part, condition)
        means = by_task.apply(lambda values: _mean(values)[0]).fillna(-np.inf)
        best = means.idxmax()
        present = [method for method in by_task if method in simple]
        reference = means[present].idxmax() if present else None
        for method, cell in part.groupby("method", sort=False):
            accuracy, interval = _mean(by_task[method])
            difference, difference_interval = _mean(by_task[method] - by_task[best])
            to_baseline, to_baseline_interval = np.nan, np.nan
            if reference is not None:
                to_baseline, to_baseline_interval = _mean(by_task[method] - by_task[reference])
            by_seed = cell.groupby("train_seed", sort=False)["accuracy"].mean()
            first = cell.iloc[0]
            rows.append(
                {
                    "method": method,
                    **{name: first[name] for name in METHOD},
                    **condition,
                    "episodes": len(by_task),
                    "seeds": len(by_seed),
                    "accuracy": accuracy,
                    "interval": interval,
                    "seed_sd": float(by_seed.std()),
                    "difference": difference,
                    "difference_interval": np.nan if method == best else difference_interval,
                    "baseline": reference or "",
                    "to_baseline": to_baseline,
                    "to_baseline_interval": np.nan if method == reference else to_baseline_interval,
                    **{name: float(cell[name].mean()) for name in MEASURED if name != "accuracy"},
                    **{name: bool(cell[name].any()) for name in FLAGS if name in cell},
                    **{name: "; ".join(filter(None, cell[name].unique())) for name in TEXTS},
                    **{name: first[name] for name in CONSTANT},
                }
            )
    return pd.DataFrame(rows)


def differences(frame: pd.DataFrame, to: str | None = None) -> pd.DataFrame:
    """Paired differences between methods: all pairs of a condition, or all methods against one.

    Args:
        frame: one row a test task.
        to: the label of the method to compare with; conditions without it are left out.

    Returns:
        The columns of `CONDITION`, `method`, `other`, `difference` (the accuracy of `method` minus that of
        `other`, mean over shared tasks), `interval` (half-width of its 95% interval) and `episodes`.

    Raises:
        UnknownName: the frame has no method labelled `to`.
        WorkbenchError: as for `summary`.
    """
    frame = labelled(frame)
    if to is not None and to not in set(frame["method"]):
        raise UnknownName("method", to, frame["method"].unique())
    rows = []
    for condition, part in conditions(frame):
        by_task = _by_task(part, condition)
        present = list(by_task)
        pairs = (
            combinations(present, 2)
            if to is None
            else ((m, to) for m in present if m != to and to in present)
        )
        for method, other in pairs:
            difference, interval = _mean(by_task[method] - by_task[other])
            values = {"difference": difference, "interval": interval, "episodes": len(by_task)}
            rows.append({**condition, "method": method, "other": other, **values})
    return pd.DataFrame(
        rows, columns=[*CONDITION, "method", "other", "difference", "interval", "episodes"]
    )


def trainings(frame: pd.DataFrame) -> pd.DataFrame:
    """What other training data do to a method: its paired differences between them, on the same test tasks.

    Returns:
        The columns of `CONDITION` but `train_on`, `method`, `train_on`, `other` (also trained on), `difference` (the
        accuracy by the first minus that by the other, mean over shared tasks), `interval` and `episodes`. Empty where
        no method was trained on several. The order is that of the frame, the later training first.

    Raises:
        WorkbenchError: as for `summary`.
    """
    frame = labelled(frame)
    tested = [name for name in CONDITION if name != "train_on"]
    rows = []
    for values, part in frame.groupby([*tested, "method"], sort=False, dropna=False):
        by_training = _by_task(
            part.assign(method=part["train_on"]),
            dict(zip([*tested, "method"], values, strict=True), train_on="all"),
        )
        for other, train_on in combinations(by_training, 2):
            difference, interval = _mean(by_training[train_on] - by_training[other])
            measured = {
                "difference": difference,
                "interval": interval,
                "episodes": len(by_training),
            }
            rows.append(
                dict(zip([*tested, "method"], values, strict=True), train_on=train_on, other=other)
                | measured
            )
    columns = [*tested, "method", "train_on", "other", "difference", "interval", "episodes"]
    return pd.DataFrame(rows, columns=columns)


def baselines(frame: pd.DataFrame, named: Sequence[str] = ()) -> list[str]:
    """The labels of the methods to whose best one, in each condition, the heat map compares.

    Those `named`, by algorithm or by label. If none is: those that draw no tasks in training, classify each query
    by itself and use no oracle; if there is none such, all methods, so that it compares to the best.

    Raises:
        UnknownName: the frame has no such method.
    """
    if named:
        found = []
        for name in named:
            of_name = frame.loc[(frame["method"] == name) | (frame["algorithm"] == name), "method"]
            if of_name.empty:
                raise UnknownName("method", name, {*frame["method"], *frame["algorithm"]})
            found += list(of_name.unique())
        return list(dict.fromkeys(found))
    return list(frame.loc[_simple(frame), "method"].unique()) or list(frame["method"].unique())


def baseline_words(table: pd.DataFrame, named: Sequence[str] = ()) -> str:
    """In words, to what `to_baseline` of a summary compares."""
    if named:
        return named[0] if len(named) == 1 else f"the best of {', '.join(named)}"
    if _simple(table).any():
        return "the best method that draws no tasks in training, is not transductive and uses no oracle"
    return "the best method (all draw tasks in training, are transductive or use an oracle)"


def _simple(frame: pd.DataFrame) -> pd.Series[bool]:
    """The rows of methods of which no row says that they are more than a baseline."""
    more = frame["episodic"] | frame["transductive"] | frame["selection"].str.contains(ORACLE)
    return ~more.astype(bool).groupby(frame["method"]).transform("any")


def is_matrix(table: pd.DataFrame) -> bool:
    """Whether a summary has several training or test data sets, and one accuracy for each pair of them."""
    return (
        len(table[["train_on", "test_on"]].drop_duplicates()) > 1
        and table["instance"].nunique() == 1
    )


def blocks(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The blocks of a matrix, whose columns are test data sets: (title in one or two lines, rows of the summary).

    The training data are said once a block, unless each test data set has its own.
    """
    own = table.groupby("test_on")["train_on"].nunique().max() == 1
    apart = [name for name in CONDITION if name != "test_on" and not (own and name == "train_on")]
    return [
        (_block_title(part.iloc[0].to_dict(), varying(table), own=own), part)
        for _, part in table.groupby(apart, sort=False, dropna=False)
    ]


def training_words(table: pd.DataFrame) -> str:
    """What the methods of a matrix were trained on, where each test data set has one training set; else nothing."""
    pairs = table[["train_on", "test_on"]].drop_duplicates()
    if pairs["test_on"].duplicated().any():
        return ""
    if pairs["train_on"].nunique() == 1:
        return f"trained on {pairs['train_on'].iloc[0]}"
    if (pairs["train_on"] == pairs["test_on"]).all():
        return "trained on the training classes of each data set itself"
    return "trained on " + "; ".join(
        f"{trained} for {tested}" for trained, tested in pairs.to_numpy()
    )


def _block_title(row: Mapping[Any, Any], varied: Sequence[str], *, own: bool) -> str:
    form = [] if row["protocol"] == DEFAULT_PROTOCOL else [str(row["protocol"])]
    if row["ways"]:  # 0: they vary
        form += [f"{row['ways']}-way {row['shots']}-shot"]
    words = ", ".join([" ".join(form), *_rarer(row, varied)])
    return words if own else f"trained on {row['train_on']}\n{words}"


def _mean(values: pd.Series[float]) -> tuple[float, float]:
    """The mean and the half-width of its 95% interval; the latter is NaN for a single value."""
    x = values.to_numpy(dtype=np.float64)
    return float(x.mean()), Z * float(x.std(ddof=1)) / np.sqrt(len(x)) if len(x) > 1 else np.nan


def _by_task(part: pd.DataFrame, condition: Mapping[str, Any]) -> pd.DataFrame:
    """Accuracy by task (rows) and method (columns) of one condition, averaged over seeds.

    A mean over what happens to be there would compare methods on different tasks: that is refused.
    """
    where = condition_title(condition)
    twice = part.duplicated(["method", "train_seed", "task"])
    if twice.any():
        row = part[twice].iloc[0]
        same = part[(part["method"] == row["method"]) & (part["train_seed"] == row["train_seed"])]
        runs = same["run"].unique() if "run" in same else []
        remedy = (
            f"report {' and '.join(map(str, runs))} apart"
            if len(runs) > 1
            else "keep one of its evaluations"
        )
        raise WorkbenchError(
            f"{row['method']} has more than one result for task {row['task']} of {where}, training seed "
            f"{row['train_seed']}: {remedy}."
        )
    first: tuple[Hashable, pd.Index[Any]] | None = None
    for (method, seed), rows in part.groupby(["method", "train_seed"], sort=False):
        tasks = pd.Index(rows["task"]).sort_values()
        if first is None:
            first = method, tasks
        elif not tasks.equals(first[1]):
            names = (
                f"{first[0]} and {method}"
                if method != first[0]
                else f"{method} (training seed {seed} and another)"
            )
            raise WorkbenchError(
                f"{names} met different tasks of {where} ({len(first[1])} and {len(tasks)}, "
                f"{len(tasks.intersection(first[1]))} of them shared) and cannot be paired: "
                "evaluate both with the same --episodes."
            )
    index = ["task", "method", "train_seed"]
    each = part.set_index(index)["accuracy"].unstack(["method", "train_seed"])
    return pd.DataFrame(
        {method: each[method].mean(axis=1, skipna=False) for method in part["method"].unique()}
    )


def is_best(cell: Mapping[Any, Any]) -> bool:
    """Whether a row of the summary is its condition's best, which has no interval to itself."""
    return bool(cell["difference"] == 0 and np.isnan(cell["difference_interval"]))
