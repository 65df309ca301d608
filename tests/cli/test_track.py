"""`--track`: a plugin's tracker that raises in any event stops nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from command_lines import SMALL, check_refused
from plugin_packages import place

from workbench.experiments.run_files import WEIGHTS
from workbench.plugin.registry import registry

EVENTS = ("begin", "record", "evaluated", "end")
PLUGIN = """
from typing import Annotated
from workbench import Tracker, hookimpl

class Fails(Tracker):
    "Raises in one event."
    def __init__(self, *, event: Annotated[str, "event"] = "begin"):
        self.event = event
        setattr(self, event, self.fail)

    def fail(self, *given):
        raise RuntimeError(f"cannot {self.event}")

@hookimpl
def register_trackers(register):
    register("fails", Fails)
"""


@pytest.fixture
def fails(tmp_path, monkeypatch):
    """A plugin with the tracker `fails`."""
    place(tmp_path / "site", "mlw-fails", PLUGIN)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    registry.cache_clear()
    yield
    registry.cache_clear()
    sys.modules.pop("mlw_fails", None)


def test_a_tracker_that_raises_stops_nothing(mlw, fails, caplog):
    line = "compare protonet --episodes 4"
    code, expected, _ = mlw(line, *SMALL, "--out", "plain", "--json")
    assert code == 0
    for event in EVENTS:
        track = ["--track", f"fails:event={event}"]
        caplog.clear()
        code, output, _ = mlw(line, *SMALL, "--out", event, "--json", *track)
        assert code == 0
        told = [text for text in caplog.messages if "the tracker" in text]
        assert len(told) == 1
        assert told[0].startswith(f"the tracker fails:event={event} failed in {event} (mlw_fails/")
        assert told[0].endswith(f"the work goes on: RuntimeError: cannot {event}")
        assert output.count('"accuracy"') == expected.count('"accuracy"')
        for run in Path("plain").glob(f"*-*/{WEIGHTS}"):
            assert run.read_bytes() == Path(event, *run.parts[1:]).read_bytes()


def test_an_unknown_tracker_or_option_is_refused(mlw, fails):
    check_refused(
        mlw, "train protonet --track wandb", 2, ["no tracker 'wandb'", "mlw list trackers"]
    )
    check_refused(mlw, "train protonet --track fails:evnt=end", 2, ["Did you mean event?"])
    check_refused(mlw, "train protonet --track", 2, ["--track needs a value", "tensorboard"])


def test_a_tracker_is_listed_and_described(mlw, fails):
    assert "Raises in one event." in mlw("list trackers")[1]
    assert "fails:event=begin" in mlw("info fails")[1]
    assert "trackers: fails" in mlw("plugins")[1]
