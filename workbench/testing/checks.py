"""A check is one question of the contract: what it asks, what came of it, and how to mend it.

Tests and `mlw check` ask the same checks: `require_held` makes one error of what did not hold, and
the command prints all findings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from workbench.errors import WorkbenchError

Subject = TypeVar("Subject")


class NotAsked(Exception):
    """A check does not apply to its subject. The message says why."""


@dataclass(frozen=True)
class Check(Generic[Subject]):
    """One question about a subject.

    Args:
        name: one or two words.
        asks: what the contract asks, a sentence without its full stop.
        mend: what an author can do if it does not hold.
        run: raises `AssertionError` or `WorkbenchError` with what came, or `NotAsked`.
        needs: names of earlier checks. If one of them did not hold, this one is not asked: what
            came would be a consequence.
    """

    name: str
    asks: str
    mend: str
    run: Callable[[Subject], None]
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """What came of a check."""

    check: str
    asks: str
    held: bool | None  # None: it was not asked
    came: str  # what did not hold, or why it was not asked; "" if it held
    mend: str  # "" unless it did not hold


def findings(checks: Sequence[Check[Subject]], subject: Subject) -> Iterator[Finding]:
    """Ask checks of a subject, one after another; yield what came of each."""
    broken: dict[str, str] = {}  # by check, the one that did not hold, itself or an earlier one
    for check in checks:
        cause = next((broken[need] for need in check.needs if need in broken), "")
        if cause:
            broken[check.name] = cause
            came = f"{cause} did not hold"
            yield Finding(check.name, check.asks, None, came, "")
            continue
        found = _asked(check, subject)
        if found.held is False:
            broken[check.name] = check.name
        yield found


def require_held(found: Iterable[Finding]) -> None:
    """Raise `AssertionError` with a line for each check that did not hold."""
    broken = [each for each in found if each.held is False]
    assert not broken, "\n".join(f"{each.check}: {each.came}\n  {each.mend}" for each in broken)


def _asked(check: Check[Subject], subject: Subject) -> Finding:
    try:
        check.run(subject)
    except NotAsked as reason:
        return Finding(check.name, check.asks, None, str(reason), "")
    except (AssertionError, WorkbenchError) as error:
        return Finding(check.name, check.asks, False, str(error), check.mend)
    return Finding(check.name, check.asks, True, "", "")
