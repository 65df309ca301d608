"""Charts of how sure methods are: accuracy by confidence, and by share of queries answered."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from workbench.results.page.charts import Chart, Series, axis, chart, reference, sampled
from workbench.results.page.charts import series as series_of
from workbench.results.sureness import (
    CALIBRATED,
    FEWEST,
    answers_of,
    coverage,
    has_answers,
    reliability,
    sureness_panels,
)

WHOLE = [-1, 102]  # percent, with room for the markers at its ends


def sure_charts(frame: pd.DataFrame) -> list[Chart]:
    """Return two charts for each panel of the static figure, which explains them."""
    found = []
    for title, rows in sureness_panels(frame):
        by_confidence: list[Series] = [reference([0, 100], [0, 100])]
        by_coverage: list[Series] = []
        for method in frame["method"].unique():
            of_method = rows[rows["method"] == method]
            if has_answers(of_method):
                by_confidence += _reliability(str(method), of_method)
                by_coverage += _coverage(str(method), of_method)
        accuracy = axis("accuracy, %", range=WHOLE)
        confidence = axis("confidence, %", range=WHOLE)
        found.append(chart(title, confidence, accuracy, by_confidence))
        answered = axis("queries answered, the surest first, %", range=WHOLE)
        found.append(chart(title, answered, axis("accuracy of these, %"), by_coverage))
    return found


def _reliability(method: str, rows: pd.DataFrame) -> list[Series]:
    parts = []
    for column, kind, when in (
        ("confidences", "points", ""),
        (CALIBRATED, "thin", ", after the temperature"),
    ):
        points = reliability(answers_of(rows, column))
        points = points[points["queries"] >= FEWEST]
        if points.empty:
            continue
        part = series_of(kind, method, 100 * points["confidence"], 100 * points["accuracy"])
        part["hover"] = _words(method + when, "confidence", points)
        parts.append(part)
    return parts


def _coverage(method: str, rows: pd.DataFrame) -> list[Series]:
    points = coverage(answers_of(rows))
    points = sampled(points[points["queries"] >= FEWEST])
    part = series_of("line", method, 100 * points["coverage"], 100 * points["accuracy"])
    part["hover"] = _words(method, "coverage", points)
    return [part]


def _words(method: str, name: str, points: pd.DataFrame) -> list[str]:
    rows: Iterable[tuple[float, float, int]] = zip(
        points[name], points["accuracy"], points["queries"], strict=True
    )
    heading = "confidence" if name == "confidence" else "answered"
    return [
        f"{method}\n{heading} {100 * at:.1f}%: accuracy {100 * accuracy:.1f}%\n{queries:,} queries"
        for at, accuracy, queries in rows
    ]
