"""How large the page of a report is, and how fast headless Chromium opens it: 50,000 rows.

python benchmarks/page.py
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))

from chromium import PROGRAM, Chromium
from frames import cell, curves_of, frame_of

from workbench.results.page.whole import html_page

METHODS, SHOTS, TASKS = 10, (1, 2, 5, 10, 20), 1000
READY = "document.documentElement?.dataset.ready === 'yes'"


def main() -> None:
    random = np.random.default_rng(0)
    cells = []
    for shots in SHOTS:
        for number in range(METHODS):
            right = random.binomial(75, 0.5 + 0.04 * number, TASKS)
            cells.append(cell(f"method{number}", right / 75, shots=shots))
    frame = frame_of(*cells)
    began = time.perf_counter()
    page = html_page(frame, curves_of(frame))
    print(f"{len(frame):,} rows: {len(page.encode()):,} bytes", end="")
    print(f", written in {time.perf_counter() - began:.1f} s")
    if not PROGRAM:
        print("there is no Chromium: apt install chromium")
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.html"
        path.write_text(page, encoding="utf-8")
        with Chromium(Path(folder) / "profile") as browser:
            browser.size(1400, 900)
            for _ in range(3):
                began = time.perf_counter()
                browser.open(path, READY)
                ready = time.perf_counter() - began
                browser.wait("document.querySelector('#table') !== null")
                seen = browser.value(
                    "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
                )
                print(f"first paint {seen / 1000:.2f} s, charts ready {ready:.2f} s")


if __name__ == "__main__":
    main()
