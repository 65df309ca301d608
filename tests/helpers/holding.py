"""A process of its own that holds a lock until it is told to let go."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HOLD = """
import sys
from pathlib import Path
from workbench.locks import locked

with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


class Holder:
    """The process; as a note, it lets go of the lock at the first thing that it is told."""

    def __init__(self, process: subprocess.Popen):
        self.process = process
        self.told: list[str] = []

    def __call__(self, text: str) -> None:
        self.told.append(text)
        self.let_go()

    def let_go(self) -> None:
        if not self.process.stdin.closed:
            self.process.stdin.close()


@contextmanager
def held(path: Path) -> Iterator[Holder]:
    """Hold a lock in another process, at most until the block ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    holder = Holder(process)
    try:
        assert process.stdout.readline() == "held\n"
        yield holder
    finally:
        holder.let_go()
        process.wait()
        process.stdout.close()
