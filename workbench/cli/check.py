"""`mlw check NAME...`: whether plugins keep the contract, and how to mend what does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli import _complete, _show
from workbench.cli._options import Json

if TYPE_CHECKING:
    from workbench.commands.check import Checked
    from workbench.testing.checks import Finding


def check(
    name: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME...",
            help="Algorithms, backbones or data sets, with options: maml:first_order=true; or "
            "packages of plugins: mlw-metric. Or own code: ./my_method.py:MyMethod.",
            autocompletion=_complete.anything,
        ),
    ],
    json: Json = False,
) -> None:
    """Check whether plugins keep the contract: what was asked, what came, and how to mend it.

    The exit code is 1 if something does not hold.
    """
    from workbench.commands.check import check as run_checks

    def told(each: Checked, count: int) -> None:
        if not json:
            _print(each, everything=count == 1)

    found = run_checks(name, note=_show.note, told=told)
    if json:
        _show.as_json([row for each in found for row in _as_rows(each)])
    if not all(each.held for each in found):
        raise typer.Exit(1)


def _as_rows(each: Checked) -> list[dict[str, Any]]:
    rows = []
    for finding in each.findings:
        about = {"kind": each.kind, "name": each.name, "distribution": each.distribution}
        rows.append({**about, **asdict(finding)})
    return rows


def _print(each: Checked, *, everything: bool) -> None:
    """Print the table of one thing.

    Args:
        everything: also the rows of what held, which the title counts.
    """
    shown = [finding for finding in each.findings if everything or not finding.held]
    title = f"{each.name} · {each.kind} of {each.distribution}: {_counts(each.findings)}"
    if not shown:
        _show.out(title)
        return
    columns = ["check", "asked", "came"]
    rows = [[finding.check, finding.asks, _came(finding)] for finding in shown]
    if not each.held:
        columns.append("how to mend it")
        for row, finding in zip(rows, shown, strict=True):
            row.append(finding.mend)
    _show.table(title, dict.fromkeys(columns, "left"), rows)


def _came(finding: Finding) -> str:
    if finding.held:
        return "held"
    if finding.held is None:
        return f"not asked: {finding.came}"
    return f"did not hold: {finding.came}"


def _counts(found: Sequence[Finding]) -> str:
    """Return "18 held, 2 did not hold, 1 was not asked"."""
    held = sum(finding.held is True for finding in found)
    broken = sum(finding.held is False for finding in found)
    words = [f"{held} held"]
    if broken:
        words.append(f"{broken} did not hold")
    if held + broken < len(found):
        words.append(f"{len(found) - held - broken} not asked")
    return ", ".join(words)
