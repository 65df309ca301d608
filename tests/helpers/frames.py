"""Tasks frames with the values that a test gives, learning curves, and a parser of HTML pages."""

from __future__ import annotations

import json
import math
from html.parser import HTMLParser

import numpy as np
import pandas as pd

from workbench.results.frame import CURVES, DTYPES, TASKS, typed

DEFAULTS = {
    "options": "",
    "all_options": "",
    "settings": "",
    "starts": "",
    "training": "",
    "backbone": "conv4",
    "train_on": "glyphs",
    "train_fingerprint": "",
    "test_fingerprint": "",
    "test_on": "glyphs",
    "split": "test",
    "protocol": "way-shot",
    "ways": 5,
    "shots": 1,
    "queries": 15,
    "instance": 0,
    "results_version": 2,
    "code": "",
    "train_seed": 0,
    "task_seed": 0,
    "task_ways": 5,
    "support": 5,
    "broken": False,
    "loss": 0.5,
    "brier": 0.25,
    "temperature": float("nan"),
    "calibrated_loss": float("nan"),
    "calibrated_brier": float("nan"),
    "calibrated_error": float("nan"),
    "hits": (),
    "confidences": (),
    "calibrated_confidences": (),
    "adapt_seconds": 0.002,
    "episodic": True,
    "transductive": False,
    "oracle": False,
    "selected": "",
    "selected_on": (),
    "departures": (),
    "pretrained_on": (),
    "overlap": "",
    "calibration_error": 0.03,
    "train_seconds": 60.0,
    "recipe": "quick",
    "tuned": "",
    "steps": 1000,
    "recipe_steps": 1000,
    "images": 80_000,
    "train_loss": float("nan"),
    "chance_loss": float("nan"),
    "eval_seconds": 7.0,
    "parameters": 1000,
    "parts": (),
    "published": float("nan"),
    "published_spread": float("nan"),
    "published_spread_kind": "",
    "published_source": "",
}


def cell(algorithm, accuracy, first_task=0, **given):
    """Return the rows of one cell; `given` replaces the defaults, with None for what varies."""
    values = {**DEFAULTS, **given}
    values.setdefault("train_sets", tuple(values["train_on"].split(" + ")))
    run = f"{algorithm}-{values['options']}-{values['shots']}s-{values['train_seed']}"
    values = {"algorithm": algorithm, "run": run, **values}
    rows = []
    for task, value in enumerate(accuracy, first_task):
        rows.append({**values, "task": task, "accuracy": value})
    names = [column.name for column in TASKS]
    return typed(pd.DataFrame(rows, columns=names), TASKS)


def frame_of(*cells):
    return pd.concat(cells, ignore_index=True)


def by_hand(values):
    """Return the mean and the half-width of its 95% interval, from the definitions."""
    n = len(values)
    mean = sum(values) / n
    variance = sum((value - mean) ** 2 for value in values) / (n - 1)
    return mean, 1.96 * math.sqrt(variance / n)


def drawn(skill, tasks=40, seed=0):
    """Return accuracies over tasks whose difficulty all methods share."""
    hard = np.random.default_rng(0).normal(0, 0.1, tasks)
    noise = np.random.default_rng(seed).normal(0, 0.02, tasks)
    return np.clip(skill + hard + noise, 0, 1)


def three_methods():
    """Return three methods (one transductive, one with a published number) by two shots."""
    cells = []
    for shots, gain in ((1, 0.0), (5, 0.15)):
        published = {
            "published": 98.8,
            "published_spread": 0.4,
            "published_spread_kind": "interval",
            "published_source": "Snell et al. 2017",
        }
        cells.append(cell("protonet", drawn(0.7 + gain, seed=1), shots=shots, **published))
        cells.append(
            cell(
                "maml", drawn(0.65 + gain, seed=2), shots=shots, options="lr=0.1", transductive=True
            )
        )
        cells.append(cell("baseline", drawn(0.4 + gain, seed=3), shots=shots))
    return frame_of(*cells)


def curves_of(frame):
    """Return learning curves of the runs: 40 steps, validated every tenth."""
    parts = []
    for i, run in enumerate(frame["run"].unique()):
        step = np.arange(1, 41)
        accuracy = np.where(step % 10 == 0, 0.5 + step / 100 - i / 100, np.nan)
        columns = {
            "step": step,
            "loss": 2 / step + i,
            "lr": 1e-3,
            "seconds": step / 10,
            "val_accuracy": accuracy,
            "train_on": "glyphs",
            "val_protocol": "way-shot",
            "val_ways": 5,
            "val_shots": int(run.split("-")[-2].removesuffix("s")),
        }
        parts.append(pd.DataFrame({"run": run, "label": run.split("-")[0], **columns}))
    return typed(pd.concat(parts, ignore_index=True), CURVES)


class Page(HTMLParser):
    """The tags, the addresses to load, the links within, the scripts and the words of a page."""

    VOID = frozenset({"meta", "img", "wbr", "br", "link", "input"})

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.loads, self.words = [], [], [], []
        self.links, self.scripts = [], {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            if name == "href" and value.startswith("#"):
                self.links.append(value)
            elif name in ("src", "href", "data", "action", "srcset"):
                self.loads.append(value)
        if tag == "script":
            self.scripts[dict(attrs).get("id", "")] = ""
            self.script = dict(attrs).get("id", "")
        assert not any(name.startswith("on") for name, _ in attrs)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts[self.script] += data
        elif self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def data(self):
        """What is embedded for the scripts of a report."""
        return json.loads(self.scripts["data"])


def follows(frame, columns):
    """Check the names and types of a frame's columns."""
    assert list(frame.columns) == [column.name for column in columns]
    for column in columns:
        values = frame[column.name]
        if column.kind == "texts":
            assert all(isinstance(value, tuple) for value in values), column.name
        elif column.kind == "text":
            # Before pandas 3, texts are objects; an empty column of them is no text to pandas.
            assert values.dtype == object or pd.api.types.is_string_dtype(values), column.name
            assert all(isinstance(value, str) for value in values), column.name
        else:
            assert str(values.dtype) == DTYPES[column.kind], column.name
