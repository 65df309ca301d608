"""Which configuration is trained next, and how far: successive halving that goes on with runs.

Li, Jamieson, Rostamizadeh, Gonina, Hardt, Recht, Talwalkar: A System for Massively Parallel
Hyperparameter Tuning, 2020, arXiv 1810.05934 (ASHA), with one worker. Every configuration is
trained to the first rung. Of those on a rung, the best third is trained on, to the next. The last
rung is the end of the training. What waits on a rung is a paused run, and going on resumes it.

The first configuration is the default, and is trained to the end first, so that what is chosen is
never worse on validation tasks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

FACTOR = 3  # one in so many is trained on


class Job(NamedTuple):
    """What is trained next."""

    number: int  # of the configuration; the next number for a new one
    rung: int  # where the training stops


def rungs_of(steps: int, validate_every: int) -> tuple[int, ...]:
    """Return the steps of the rungs: a ninth, a third and all of a training, as far as validated.

    Each but the last is a multiple of `validate_every`. A training that is not validated on its way
    has the last rung only.
    """
    found = []
    for share in (FACTOR**2, FACTOR):
        if validate_every:
            least = -(-steps // share)
            found.append(-(-least // validate_every) * validate_every)
    earlier = sorted({step for step in found if step < steps})
    return (*earlier, steps)


def next_job(reached: Sequence[Sequence[float]], trials: int, rungs: int) -> Job | None:
    """Return what is trained next; None when all is done.

    Args:
        reached: of each configuration so far, the accuracies on its rungs; minus infinity on the
            rung where it failed.
        trials: how many configurations there are to be.
        rungs: of a training.
    """
    if not reached:
        return Job(0, 0)
    begun = [number for number, accuracies in enumerate(reached) if not accuracies]
    if begun:  # proposed before a kill
        return Job(begun[0], 0)
    if len(reached[0]) < rungs and _alive(reached[0]):
        return Job(0, len(reached[0]))
    earlier = list(reversed(range(rungs - 1)))
    job = _going_on(reached, earlier, FACTOR)
    if job is None and len(reached) < trials:
        return Job(len(reached), 0)
    if job is None:  # at least one besides the default comes to the end
        ends = [rung for rung in earlier if _only_the_default_is_above(reached, rung)]
        job = _going_on(reached, ends, 1)
    return job


def _going_on(reached: Sequence[Sequence[float]], rungs: Sequence[int], factor: int) -> Job | None:
    """Return the first job that goes on from one of some rungs."""
    for rung in rungs:
        number = _promoted(reached, rung, factor)
        if number is not None:
            return Job(number, rung + 1)
    return None


def _promoted(reached: Sequence[Sequence[float]], rung: int, factor: int) -> int | None:
    """Return the best configuration that waits on a rung, if it is among the best of all there."""
    there = [number for number, accuracies in enumerate(reached) if len(accuracies) > rung]
    there.sort(key=lambda number: -reached[number][rung])  # stable: of equals, the earlier first
    for number in there[: len(there) // factor]:
        if len(reached[number]) == rung + 1 and _alive(reached[number]):
            return number
    return None


def _only_the_default_is_above(reached: Sequence[Sequence[float]], rung: int) -> bool:
    return all(len(accuracies) <= rung + 1 for accuracies in reached[1:])


def _alive(accuracies: Sequence[float]) -> bool:
    return accuracies[-1] != float("-inf")
