"""How the results were made: the tasks, the backbones, and the commands that repeat them."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

import pandas as pd

from workbench.plugin.registry import DEFAULT_PROTOCOL
from workbench.results.frame import TEST, records
from workbench.results.grouping import conditions
from workbench.results.page.markup import heading, note, text_list
from workbench.results.wording import condition_title, enumerated


def protocol_lines(frame: pd.DataFrame, table: pd.DataFrame) -> list[str]:
    """Return what the methods were tested on, their backbones, and which are transductive."""
    lines = []
    for condition, rows in conditions(frame):
        lines.append(_condition_sentence(condition, rows))
    backbones = []
    for cell in records(table.drop_duplicates("method")):
        network = f"on {cell['backbone']}" if cell["backbone"] else "without one"
        backbones.append(f"{cell['method']} {network}")
    lines.append(f"Backbones: {'; '.join(backbones)}.")
    transductive = list(table.loc[table["transductive"], "method"].unique())
    if transductive:
        lines.append(
            "Transductive methods classify the queries of a task together, not one by one: "
            f"{enumerated(transductive)}."
        )
    else:
        lines.append("No method is transductive: each query is classified on its own.")
    return lines


def _condition_sentence(condition: Mapping[str, Any], rows: pd.DataFrame) -> str:
    queries = "varying numbers of queries"
    if condition["queries"] is not None:
        queries = f"{condition['queries']} queries per class"
    seeds = [str(seed) for seed in sorted(rows["train_seed"].unique())]
    noun = "seed" if len(seeds) == 1 else "seeds"
    return (
        f"{condition_title(condition)}: {rows['task'].nunique():,} test tasks (episodes) from "
        f"split {condition['split']}, {queries}, task seed {condition['task_seed']}, the same "
        f"tasks for every method; trained on {condition['train_on']}, training {noun} "
        f"{enumerated(seeds)}."
    )


def repeat_section(frame: pd.DataFrame, runs: pd.DataFrame) -> list[str]:
    """Return by which commands, on what and with which versions the runs were trained."""
    method_of_run = dict(zip(frame["run"], frame["method"], strict=True))
    runs = runs[runs["run"].isin(list(method_of_run))]
    runs = runs.assign(method=runs["run"].map(method_of_run))
    lines = []
    for command, group in runs.groupby("command", sort=False):
        names = enumerated(dict.fromkeys(group["method"]))
        if command:
            lines.append(f"<code>{escape(str(command))}</code> trained {escape(names)}.")
        else:
            lines.append(f"{escape(names)}: trained from Python; run.toml has all settings.")
    lines += [_evaluation_line(condition, rows) for condition, rows in _asked(frame)]
    facts = []
    for title, name in (("Trained on", "hardware"), ("Versions", "versions")):
        for words in runs[name].unique():
            facts.append(f"{title}: {words}.")
    for recipe, group in frame.groupby("recipe", sort=False):
        if recipe:
            facts.append(f"Recipe {recipe!s}: {enumerated(group['method'].unique())}.")
    folders = f"The settings are in run.toml of these folders: {enumerated(runs['run'])}."
    items = "".join(f"<li>{line}</li>" for line in lines)
    return [
        heading("How to repeat", "repeat"),
        f"<ul>{items}</ul>",
        text_list(facts),
        note(folders),
    ]


def _asked(frame: pd.DataFrame) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Iterate over what was asked of the methods: conditions, but with all their instances."""
    names = [name for name in TEST if name != "instance"]
    for _, rows in frame.groupby(names, sort=False, dropna=False):
        yield records(rows.head(1))[0], rows


def _evaluation_line(asked: Mapping[str, Any], rows: pd.DataFrame) -> str:
    """Return the command that evaluates a run on the same tasks, in a sentence."""
    words = ["mlw", "eval", "RUN", "--on", asked["test_on"]]
    for name in ("ways", "shots", "queries"):
        if asked[name] is not None:
            words += [f"--{name}", str(asked[name])]
    for name, usual in (("split", "test"), ("protocol", DEFAULT_PROTOCOL), ("task_seed", 0)):
        if asked[name] != usual:
            words += [f"--{name.replace('_', '-')}", str(asked[name])]
    words += ["--episodes", str(rows["task"].nunique())]
    if rows["temperature"].notna().any():
        words += ["--calibrate", "temperature"]
    title = condition_title({**asked, "instance": 0})
    return f"<code>{escape(shlex.join(words))}</code> evaluates a run again: {escape(title)}."
