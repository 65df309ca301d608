"""The table of results that `eval`, `compare` and `report` print."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from workbench.cli import _show

if TYPE_CHECKING:
    import pandas as pd


def print_summary(frame: pd.DataFrame, *, json: bool, published: bool = False) -> None:
    """Print the summary of a tasks frame, one row a cell; with where published numbers come from if asked."""
    from workbench.report import parts, summary

    cells = summary(frame)
    if json:
        _show.as_json([{k: _plain(v) for k, v in row.items()} for row in cells.to_dict("records")])
        return
    tasks = sorted(set(cells["episodes"]))
    title = f"accuracy in %, mean and 95% interval over {' or '.join(f'{n:,}' for n in tasks)} tasks"
    several = [
        name
        for name in ("train_on", "test_on", "split", "protocol", "queries", "instance")
        if cells[name].nunique() > 1
    ]
    columns = {"algorithm": "left"} | ({"backbone": "left"} if cells["backbone"].nunique() > 1 else {})
    columns |= dict.fromkeys(several, "left") | {"ways": "right", "shots": "right", "accuracy": "right"}
    columns |= {"difference to best": "right"}
    columns |= {"published": "right"} if cells["published"].notna().any() else {}
    columns |= {"seed sd": "right"} if cells["seed_sd"].notna().any() else {}
    columns |= {"training": "right"}
    rows = [_row(cell, columns, several) for cell in cells.to_dict("records")]
    _show.table(title, columns, rows)
    marked = sorted({name for name, is_so in zip(cells["algorithm"], cells["transductive"], strict=True) if is_so})
    if marked:
        _show.out(f"* transductive: {', '.join(marked)} may use the other queries of a task, by batch statistics")
    if published:
        _print_published(cells)
    for part in parts(frame):
        _show.out(f"only a part of what is published: {part}")


def _print_published(cells: pd.DataFrame) -> None:
    """Where the published numbers come from, and in what their protocol differs."""
    known = cells[cells["published"].notna()]
    if known.empty:
        _show.out("no number is published, that we know of, for these data, ways, shots and backbones; see: mlw info")
    for cell in known.drop_duplicates(["method", "test_on", "ways", "shots"]).to_dict("records"):
        place = f"{cell['method']}, {cell['test_on']} {cell['ways']}-way {cell['shots']}-shot"
        gap = 100 * cell["accuracy"] - cell["published"]
        _show.out(f"{place}: measured {gap:+.2f} to {_published(cell)} of {cell['published_source']}")


def _row(cell: dict[Any, Any], columns: dict[str, str], several: list[str]) -> list[str]:
    options = f":{cell['options']}" if cell["options"] else ""
    values = {
        "algorithm": f"{cell['algorithm']}{options}{' *' if cell['transductive'] else ''}",
        "backbone": cell["backbone"],
        **{name: str(cell[name]) for name in several},
        "ways": str(cell["ways"] or "vary"),
        "shots": str(cell["shots"] or "vary"),
        "accuracy": percent(cell["accuracy"], cell["interval"]),
        "difference to best": _difference(cell),
        "published": "" if math.isnan(cell["published"]) else _published(cell),
        "seed sd": "" if math.isnan(cell["seed_sd"]) else f"{100 * cell['seed_sd']:.2f}",
        "training": _show.duration(cell["train_seconds"]),
    }
    return [values[name] for name in columns]


def percent(value: float, interval: float) -> str:
    """A share and its interval as `98.12 ± 0.21`."""
    return f"{100 * value:.2f} ± {100 * interval:.2f}"


def _difference(cell: dict[Any, Any]) -> str:
    if math.isnan(cell["difference_interval"]):
        return "best"
    return f"{100 * cell['difference']:+.2f} ± {100 * cell['difference_interval']:.2f}"


def _published(cell: dict[Any, Any]) -> str:
    interval = cell["published_interval"]
    return f"{cell['published']:g}" + ("" if math.isnan(interval) else f" ± {interval:g}")


def _plain(value: Any) -> Any:
    """numpy's numbers as Python's, and no NaN: JSON has none."""
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and math.isnan(value) else value
