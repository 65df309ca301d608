"""What all fuzzers share: how many cases, how a file is damaged from a fixed seed, and bounds.

A fuzzer lies in `tests/fuzz` and tries one seed per case:

    pytestmark = pytest.mark.fuzz

    @pytest.mark.parametrize("seed", seeds(few=12, full=400))
    def test_a_damaged_archive(seed, tmp_path):
        damaged = mutate(original, seed)

The suite tries the few; `make fuzz` tries them all, with `MLW_FUZZ=full`. `MLW_FUZZ=50` tries 50.
`tests/fuzz/conftest.py` bounds the time and the memory of every case.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

FULL = "full"
SECONDS = 120  # generous: a case takes one or two, and the machine may be busy
MEMORY = 512 * 2**20  # bytes; nothing that is damaged has a megabyte
PROCESS = Path("/proc/self")


def seeds(few: int, full: int) -> range:
    """Return the seeds to try: `few` of them, or what the environment variable `MLW_FUZZ` says."""
    wanted = os.environ.get("MLW_FUZZ", "")
    if not wanted:
        return range(few)
    if wanted == FULL:
        return range(full)
    return range(min(int(wanted), full))


@contextmanager
def little_memory(most: int = MEMORY) -> Iterator[None]:
    """Check that the process at no moment took more than `most` bytes of memory in addition.

    Memory that was asked for and never written to does not count. Only Linux tells; elsewhere
    nothing is checked.
    """
    if not (PROCESS / "status").is_file():
        yield
        return
    with suppress(OSError):  # where it cannot be set back, a lower peak than before is not seen
        (PROCESS / "clear_refs").write_text("5")
    before = _peak()
    yield
    grown = _peak() - before
    assert grown <= most, f"{grown:,} bytes of memory, which is more than {most:,}"


def _peak() -> int:
    """Return the most bytes of memory that this process had at once."""
    status = (PROCESS / "status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) * 1024


def mutate(content: bytes, seed: int) -> bytes:
    """Return a file's content with one damage. The same seed always gives the same damage."""
    choose = random.Random(seed)
    damage = choose.choice([_flip, _zero, _cut, _repeat, _insert, _remove])
    return damage(bytearray(content), choose)


def _flip(content: bytearray, choose: random.Random) -> bytes:
    """Flip one bit of up to eight bytes."""
    for _ in range(choose.randint(1, 8)):
        if content:
            content[choose.randrange(len(content))] ^= 1 << choose.randrange(8)
    return bytes(content)


def _zero(content: bytearray, choose: random.Random) -> bytes:
    """Overwrite a part with zeros, as a disk does that lost a block."""
    start, stop = _part(content, choose)
    content[start:stop] = bytes(stop - start)
    return bytes(content)


def _cut(content: bytearray, choose: random.Random) -> bytes:
    """Leave out the end, as a transfer does that broke off."""
    start, _ = _part(content, choose)
    return bytes(content[:start])


def _repeat(content: bytearray, choose: random.Random) -> bytes:
    """Write a part twice."""
    start, stop = _part(content, choose)
    return bytes(content[:stop] + content[start:])


def _insert(content: bytearray, choose: random.Random) -> bytes:
    """Put random bytes in between."""
    start, _ = _part(content, choose)
    return bytes(content[:start] + choose.randbytes(choose.randint(1, 64)) + content[start:])


def _remove(content: bytearray, choose: random.Random) -> bytes:
    """Leave out a part in the middle."""
    start, stop = _part(content, choose)
    return bytes(content[:start] + content[stop:])


def _part(content: bytearray, choose: random.Random) -> tuple[int, int]:
    """Return where a random part begins and ends."""
    start, stop = sorted(choose.randint(0, len(content)) for _ in range(2))
    return start, stop
