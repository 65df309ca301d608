"""Trackers: what they are told, that they change nothing, and what becomes of one that fails."""

from __future__ import annotations

import csv
from dataclasses import FrozenInstanceError

import pytest
import torch
from registered import register
from small_runs import evaluated, interrupt_at, plan_of

from workbench import Tracker
from workbench.errors import PluginError, UsageError
from workbench.experiments import train_run as training
from workbench.experiments.evaluate_run import evaluate_run
from workbench.experiments.run_files import WEIGHTS
from workbench.experiments.tracking import Tracking, tracking_of
from workbench.experiments.train_run import train_run
from workbench.experiments.workspace import Workspace
from workbench.tasks.settings import EvaluationSettings, evaluation_tasks

EVENTS = ("begin", "record", "evaluated", "end")


class Remembers(Tracker):
    """Keeps what it is told."""

    def __init__(self):
        self.told = []

    def begin(self, run):
        self.told.append(("begin", run))

    def record(self, step, numbers):
        self.told.append(("record", step, dict(numbers)))

    def evaluated(self, evaluation):
        self.told.append(("evaluated", evaluation))

    def end(self, outcome):
        self.told.append(("end", outcome))

    @property
    def events(self):
        return [event for event, *_ in self.told]

    @property
    def steps(self):
        return [step for event, step, *_ in self.told if event == "record"]


def place(out, tracker, **given):
    return Workspace(out, "cpu", tracking=Tracking({"it": tracker}), **given)


def test_a_training_and_an_evaluation_are_told(data, tmp_path):
    tracker = Remembers()
    plan = plan_of(data, steps=4, validate_every=2)
    run = train_run(plan, data, place(tmp_path, tracker))
    assert tracker.events == ["begin", *["record"] * 4, "end"]
    begun = tracker.told[0][1]
    assert (begun.name, begun.label, begun.steps, begun.done) == (
        run.folder.name,
        "protonet",
        4,
        0,
    )
    assert begun.facts["lr"] == plan.settings.lr
    assert begun.facts["backbone"] == "conv4:width=8"
    assert "init" in begun.facts
    assert "clip_norm" not in begun.facts  # it is None
    with (run.folder / "train.csv").open() as file:
        rows = list(csv.DictReader(file))
    for (_, step, numbers), row in zip(tracker.told[1:-1], rows, strict=True):
        written = {key: float(value) for key, value in row.items() if value and key != "step"}
        assert (step, numbers) == (int(row["step"]), written)

    tasks = evaluation_tasks(data.members[0], EvaluationSettings(3, 2, 4, episodes=10))
    frame = evaluate_run(run, tasks, place(tmp_path, tracker), trained_on=data)
    event, found = tracker.told[-2]
    assert (event, tracker.told[-3][1].done) == ("evaluated", 4)
    assert found.numbers["accuracy"] == pytest.approx(frame["accuracy"].mean())
    assert found.numbers["tasks"] == 10
    assert found.facts["ways"] == 3
    assert found.title.endswith("3-way 2-shot")
    for told in (begun.facts, found.numbers):
        with pytest.raises(TypeError):
            told["lr"] = 3
    with pytest.raises(FrozenInstanceError):
        begun.done = 3


def test_what_is_resumed_is_one_run_and_says_where_it_begins(data, tmp_path):
    tracker = Remembers()
    plan = plan_of(data, steps=6)
    train_run(plan, data, place(tmp_path, tracker), pause=lambda step: step == 2)
    assert (tracker.steps, tracker.told[-1]) == ([1, 2], ("end", "stopped"))
    with pytest.raises(KeyboardInterrupt):
        train_run(plan, data, place(tmp_path, tracker, report=interrupt_at(4)))
    assert tracker.told[-1] == ("end", "stopped")
    train_run(plan, data, place(tmp_path, tracker))
    begun = [told[1] for told in tracker.told if told[0] == "begin"]
    assert [run.done for run in begun] == [0, 2, 2]
    assert len({run.name for run in begun}) == 1
    assert tracker.steps == [1, 2, 3, 4, 3, 4, 5, 6]
    assert tracker.told[-1] == ("end", "finished")


def test_a_training_that_breaks_down_ends_as_failed(data, tmp_path):
    tracker = Remembers()
    with pytest.raises(Exception, match="The loss is"):
        train_run(plan_of(data, steps=9, lr=1e20), data, place(tmp_path, tracker))
    assert tracker.told[-1] == ("end", "failed")


class Meddles(Remembers):
    """Draws random numbers and prints."""

    def record(self, step, numbers):
        torch.manual_seed(3)
        print("on standard output")


def test_weights_are_the_same_with_and_without_a_tracker(data, tmp_path, capsys):
    plan = plan_of(data, steps=4, augment="shift")
    without = train_run(plan, data, Workspace(tmp_path / "a", "cpu"))
    followed = train_run(plan, data, place(tmp_path / "b", Meddles()))
    assert (without.folder / WEIGHTS).read_bytes() == (followed.folder / WEIGHTS).read_bytes()
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "on standard output" in printed.err


@pytest.mark.parametrize("event", EVENTS)
def test_a_tracker_that_raises_is_told_nothing_more(event, data, tmp_path, caplog):
    tracker = Remembers()

    def fail(*given):
        tracker.told.append((event, *given))
        raise OSError(28, "No space left on device")

    setattr(tracker, event, fail)
    other = Remembers()
    workspace = Workspace(tmp_path, "cpu", tracking=Tracking({"broken": tracker, "sound": other}))
    run = train_run(plan_of(data, steps=2), data, workspace)
    tasks = evaluation_tasks(data.members[0], EvaluationSettings(3, 2, 4, episodes=10))
    evaluate_run(run, tasks, workspace, trained_on=data)
    assert run.finished
    assert tracker.events.count(event) == 1
    assert tracker.told[-1][0] == event
    assert caplog.messages == [
        f"the tracker broken failed in {event} and is told nothing more; the work goes on: "
        "OSError: [Errno 28] No space left on device"
    ]
    assert other.events == ["begin", "record", "record", "end", "begin", "evaluated", "end"]


def test_what_is_read_is_not_tracked_and_that_is_said_once(data, tmp_path):
    plan, said = plan_of(data, steps=2), []
    run = train_run(plan, data, Workspace(tmp_path, "cpu"))
    evaluated(run, data)
    tracker = Remembers()
    workspace = Workspace(tmp_path, "cpu", tracking=Tracking({"it": tracker}, said.append))
    train_run(plan, data, workspace)
    tasks = evaluation_tasks(data.members[0], EvaluationSettings(3, 2, 4, episodes=10))
    evaluate_run(run, tasks, workspace, trained_on=data)
    assert tracker.told == []
    assert said == [
        "what was trained or evaluated earlier is read, not tracked; to compute and track it "
        "again: --fresh"
    ]
    assert training.is_finished(run.folder)


def test_what_this_command_trained_is_no_earlier_work(data, tmp_path):
    said: list[str] = []
    workspace = Workspace(tmp_path, "cpu", tracking=Tracking({"it": Remembers()}, said.append))
    plan = plan_of(data, steps=2)
    train_run(plan, data, workspace)
    train_run(plan, data, workspace)  # for other shots, or for a method that starts from it
    assert said == []


class Odd:
    """Is no tracker."""


class Unready(Tracker):
    """Cannot be made."""

    def __init__(self):
        raise ConnectionError("nobody answers")


def test_a_tracker_that_is_none_or_cannot_be_made_is_refused(monkeypatch):
    register(monkeypatch, "trackers", "odd", Odd)
    with pytest.raises(PluginError, match=r"/odd is no subclass of workbench\.Tracker"):
        tracking_of(["odd"], print)
    register(monkeypatch, "trackers", "unready", Unready)
    with pytest.raises(PluginError, match=r"unready cannot be made.*ConnectionError: nobody answ"):
        tracking_of(["unready"], print)


def test_one_that_is_not_installed_names_the_command(monkeypatch):
    from workbench.plugin.registry import registry

    monkeypatch.setenv("MLW_PLUGINS", "vision,metric")
    registry.cache_clear()
    with pytest.raises(UsageError, match=r"run: pip install 'meta-learning-workbench\[trackio\]'"):
        tracking_of(["trackio"], print)
    with pytest.raises(UsageError, match=r"There is no tracker 'sklearn'\."):
        tracking_of(["sklearn"], print)
    registry.cache_clear()
