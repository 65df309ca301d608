"""Draw all pictures, or those that are named."""

from __future__ import annotations

import sys
from pathlib import Path

from ideas.drawings import DRAWINGS
from ideas.pen import Pen

FOLDER = Path(__file__).parents[1] / "algorithms" / "figures" / "ideas"


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[1:] or DRAWINGS:
        pen = Pen()
        DRAWINGS[name](pen)
        pen.save(FOLDER / f"{name}.svg")


if __name__ == "__main__":
    main()
