"""How far a recommendation falls short of the best method: leave one data set out.

    python benchmarks/regret.py EXPERIENCE.csv RUNS --train-on miniimagenet:size=28

For each data set of a table of experience, methods are chosen without what the table knows of it:
by the ranking alone; by `mlw recommend`, which also looks at 10 images of each of 5 classes; and as
one method for everything. The regret is how far the choice lies below the best method of the table,
in percentage points, on 5-way tasks of the data set. RUNS holds runs trained for such tasks,
so that nothing is trained again.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

import workbench as mlw
from workbench.data.opening import open_dataset
from workbench.recommending.experience import read_experience, write_experience
from workbench.recommending.landmarks import landmarks
from workbench.recommending.ranking import expected_shortfall, static_choice

WAYS, IMAGES = 5, 10


def main() -> None:
    """Print the regrets as a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("experience", type=Path)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--train-on", required=True)
    parser.add_argument("--shots", type=int, default=5)
    asked = parser.parse_args()
    table = read_experience(asked.experience)
    rows = [_regrets(table, data, asked) for data in table["data"].unique()]
    found = pd.DataFrame(rows).set_index("data")
    found.loc["mean"] = found.mean(numeric_only=True)
    print(found.round(1).to_string(na_rep=""))


def _regrets(table: pd.DataFrame, data: str, asked: argparse.Namespace) -> dict[str, object]:
    others = table[table["data"] != data]
    here = table[
        (table["data"] == data) & (table["ways"] == WAYS) & (table["shots"] == asked.shots)
    ]
    accuracy = here.set_index("method")["accuracy"]
    like = landmarks(open_dataset(data).table("test"))
    ranked = expected_shortfall(others, like, WAYS, asked.shots).index[0]
    static = static_choice(others)
    with tempfile.TemporaryDirectory() as place:
        write_experience(others, Path(place, "experience.csv"))
        folder = _few_images(data, Path(place))
        size = open_dataset(data).image_shape[-1]
        found = mlw.recommend(
            f"{folder}:size={size}",
            train_on=asked.train_on,
            shots=asked.shots,
            experience=Path(place, "experience.csv"),
            out=asked.runs,
        )
    best = accuracy.max()

    def regret(method: str) -> float:
        return float(100 * (best - accuracy[method]))

    row: dict[str, object] = {"data": data, "best": f"{accuracy.idxmax()} {100 * best:.1f}"}
    row |= {"recommended": found.method, "its regret": regret(found.method)}
    row |= {"ranking alone": regret(str(ranked)), "static choice": regret(static)}
    for method in ("baseline", "nearest_neighbor", "protonet"):
        row[f"always {method}"] = regret(method)
    return row


def _few_images(data: str, root: Path) -> Path:
    """Write some images of some classes, as a user would have them."""
    table = open_dataset(data).table("test")
    random = np.random.default_rng(0)
    folder = root / ("few-" + "".join(letter for letter in data if letter.isalnum()))
    for label in random.permutation(len(table.names))[:WAYS]:
        place = folder / table.names[label].replace("/", "_")
        place.mkdir(parents=True)
        rows = random.permutation(np.arange(table.starts[label], table.starts[label + 1]))
        for row in rows[:IMAGES]:
            image = table.images[row]
            pixels = image[0] if len(image) == 1 else image.transpose(1, 2, 0)
            Image.fromarray(np.ascontiguousarray(pixels)).save(place / f"{row}.png")
    return folder


if __name__ == "__main__":
    main()
