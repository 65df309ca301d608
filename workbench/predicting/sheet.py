"""A contact sheet: each image with its predicted class, as one HTML page in one file."""

from __future__ import annotations

import base64
import io
from html import escape
from pathlib import PurePath
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.predicting.pictures import Pictures

SHOWN = 2_000  # images to classify, the least sure first; a page of more opens slowly
OF_CLASS = 10  # images of each class of the support
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Predictions</title>
<style>
:root { color-scheme: light dark; --line: #ddd; --dim: #666; --bar: #2a6fb0; --wrong: #b03a2a }
@media (prefers-color-scheme: dark) {
  :root { --line: #3a3d3f; --dim: #a0a0a0; --bar: #6aa9e0; --wrong: #f08a7a }
}
body { margin: 0 auto; max-width: 76rem; padding: 1rem; font: 16px/1.4 system-ui, sans-serif }
h1 { font-size: 1.5rem } h2 { font-size: 1.1rem; margin-top: 2rem }
.images { display: flex; flex-wrap: wrap; gap: .6rem }
figure { margin: 0; width: 8.5rem; font-size: .85rem; overflow-wrap: anywhere }
.known figure { width: auto } .known img { width: 3.5rem; height: 3.5rem }
img { width: 8.5rem; height: 8.5rem; image-rendering: pixelated; display: block;
  border: 1px solid var(--line); box-sizing: border-box }
.bar { height: .35rem; background: var(--line) } .bar div { height: 100%; background: var(--bar) }
small, p { color: var(--dim) } b.wrong { color: var(--wrong) }
@media print { figure { break-inside: avoid } }
</style>
</head>
<body>
BODY
</body>
</html>
"""


def contact_sheet(table: pd.DataFrame, support: Pictures, asked: Pictures) -> str:
    """Return a page with the support by class, and the images to classify, least sure first.

    Args:
        table: of predictions, one row per image of `asked`.
        support: images with classes.
        asked: the images that were classified.
    """
    order = table["probability"].fillna(-1.0).argsort(kind="stable").tolist()
    parts = ["<h1>Predictions</h1>", f"<p>{escape(_summary(table))}</p>"]
    parts.append("<h2>Images to classify, the least sure first</h2>")
    if len(order) > SHOWN:
        parts.append(f"<p>The first {SHOWN:,} of {len(order):,}.</p>")
    figures = [_figure(table.iloc[row].to_dict(), asked.images[row]) for row in order[:SHOWN]]
    parts.append(f"<div class=images>{''.join(figures)}</div>")
    parts.append("<h2>Images to learn from</h2>")
    for name in sorted(set(support.labels)):
        parts.append(_class_row(name, support))
    return _PAGE.replace("BODY", "\n".join(parts))


def _summary(table: pd.DataFrame) -> str:
    text = f"{len(table):,} images"
    if "possible" in table:
        table = table[table["predicted"] != ""]
        text += f", {len(table):,} of them with one possible class"
    if len(table) and (table["label"] != "").all():
        right = (table["label"] == table["predicted"]).mean()
        text += f"; the class that the folder names is predicted for {100 * right:.1f}%"
    return text + "."


def _figure(row: dict[Any, Any], image: NDArray[np.uint8]) -> str:
    """Return one image with its class, a bar of its probability, and the name of its file."""
    name = PurePath(row["file"]).name
    if not row["predicted"] and row.get("possible") is not None:
        answer = f"<b>left open</b>: {escape(row['possible'] or 'no class is possible')}"
        width = 0.0
    elif not row["predicted"]:
        answer = "<b class=wrong>no answer: the method broke down</b>"
        width = 0.0
    else:
        width = 100 * row["probability"]
        wrong = row["label"] not in ("", row["predicted"])
        kind = " class=wrong" if wrong else ""
        answer = f"<b{kind}>{escape(row['predicted'])}</b> {row['probability']:.2f}"
        if wrong:
            answer += f"<br>not {escape(row['label'])}"
    return (
        f"<figure>{_picture(image, name)}"
        f"<div class=bar><div style='width:{width:.0f}%'></div></div>"
        f"{answer}<br><small>{escape(name)}</small></figure>"
    )


def _class_row(name: str, support: Pictures) -> str:
    """Return some images of a class."""
    members = [row for row, label in enumerate(support.labels) if label == name]
    pictures = []
    for row in members[:OF_CLASS]:
        label = PurePath(support.names[row]).name
        pictures.append(f"<figure>{_picture(support.images[row], label)}</figure>")
    more = f" <small>and {len(members) - OF_CLASS} more</small>" if len(members) > OF_CLASS else ""
    return f"<p>{escape(name)}{more}</p><div class='images known'>{''.join(pictures)}</div>"


def _picture(image: NDArray[np.uint8], name: str) -> str:
    """Return an image `(channels, height, width)` as an element, as large as it was decoded."""
    from PIL import Image

    pixels = image[0] if image.shape[0] == 1 else image.transpose(1, 2, 0)
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(stream, format="png")
    data = base64.b64encode(stream.getvalue()).decode("ascii")
    return f'<img loading=lazy alt="{escape(name)}" src="data:image/png;base64,{data}">'
