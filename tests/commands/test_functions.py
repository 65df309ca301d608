"""The commands as functions: offered by the package, described, and as the docs show them."""

from __future__ import annotations

import inspect
import pydoc
import re
from pathlib import Path

import numpy as np
import pytest
from places import ROOT

import workbench as mlw
from workbench.cli.main import app
from workbench.errors import RunError, UsageError

FUNCTIONS = (
    "check",
    "compare",
    "download",
    "evaluate",
    "learn_experience",
    "load",
    "predict",
    "recommend",
    "report",
    "train",
    "tune",
)
PAGE = ROOT / "docs" / "python.md"


def test_the_package_offers_them():
    assert set(FUNCTIONS) <= set(dir(mlw))
    for name in FUNCTIONS:
        assert inspect.isfunction(getattr(mlw, name)), name


def test_help_describes_them():
    text = pydoc.plain(pydoc.render_doc(mlw))
    for name in FUNCTIONS:
        first = (inspect.getdoc(getattr(mlw, name)) or "").splitlines()[0]
        assert re.search(rf"^    {name}\(", text, re.MULTILINE), name
        assert first in text


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_has_types_an_example_and_its_errors(name):
    function = getattr(mlw, name)
    for parameter in inspect.signature(function).parameters.values():
        assert parameter.annotation is not parameter.empty
    text = inspect.getdoc(function)
    for part in (">>> ", "Args:", "Raises:"):
        assert part in text
    assert f"`mlw.{name}(" in PAGE.read_text(encoding="utf-8")


def test_every_command_that_computes_is_a_function():
    commands = {command.name for command in app.registered_commands if command.name}
    functions = set(FUNCTIONS) - {"evaluate", "load", "learn_experience"} | {"eval"}
    assert functions <= commands
    assert commands - functions <= {"config", "info", "list", "plugins", "runs"}


def test_the_page_of_the_docs_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = PAGE.read_text(encoding="utf-8")
    names = {"__name__": "__main__"}
    for block in re.finditer(r"```python\n(.+?)```", text, re.DOTALL):
        lines_before = text.count("\n", 0, block.start(1))
        exec(compile("\n" * lines_before + block[1], str(PAGE), "exec"), names)
    printed = capsys.readouterr().out
    assert "torch.Size([3, 5])" in printed
    assert "There is no argument 'n_shot'. Did you mean shots?" in printed
    assert Path("report.html").is_file()
    frame = names["frame"]
    assert sorted(frame["shots"].unique()) == [1, 5]
    assert set(frame["run"]) == {names["run"].folder.name}
    assert names["run"].label == "protonet:temperature=2.0"

    with pytest.raises(RunError, match=r"runs holds \d runs; name one, for instance runs/"):
        mlw.load("runs")


@pytest.mark.parametrize(
    "call",
    [
        lambda: mlw.check([]),
        lambda: mlw.check("no_such_name"),
        lambda: mlw.check("protonet:depth=2"),
        lambda: mlw.compare([], steps=0),
        lambda: mlw.compare("protonet", on=Path("nowhere"), steps=0),
        lambda: mlw.compare("protonet", episodes=0),
        lambda: mlw.compare("protonet", shots="few"),
        lambda: mlw.compare(3),
        lambda: mlw.train(["protonet", "maml"]),
        lambda: mlw.train("protonet", ways=[5, 20]),
        lambda: mlw.train("protonet", seed=2**64),
        lambda: mlw.train("protonet", backbone=["conv4", "resnet12"]),
        lambda: mlw.evaluate([]),
        lambda: mlw.evaluate(None),
        lambda: mlw.evaluate("runs", split="all"),
        lambda: mlw.download(["glyphs", "omniglot"]),
        lambda: mlw.download("no_such_set"),
        lambda: mlw.report("runs", out=3),
        lambda: mlw.load(np.array([1])),
    ],
)
def test_a_wrong_call_is_refused_before_anything_is_written(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as caught:
        call()
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_numbers_of_numpy_give_what_plain_numbers_give(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plain = mlw.compare("nearest_pixel", shots=[1, 2], episodes=4, out="one", device="cpu")
    other = mlw.compare(
        np.array(["nearest_pixel"]),
        shots=np.array([1, 2]),
        episodes=np.int64(4),
        seeds=np.int8(1),
        out=Path("two"),
        device="cpu",
    )
    assert plain["accuracy"].tolist() == other["accuracy"].tolist()
    assert plain["run"].tolist() == other["run"].tolist()


def test_a_generated_set_takes_no_files(tmp_path):
    with pytest.raises(UsageError, match=r"glyphs is generated .* download my-glyphs --from /"):
        mlw.download("glyphs", source=tmp_path)


def test_training_says_where_fewer_ways_and_shots_are_validated(tmp_path):
    told: list[str] = []
    place = {"out": tmp_path, "device": "cpu", "note": told.append}
    mlw.train("protonet", ways=100, shots=30, steps=0, **place)
    assert [text.partition(",")[0] for text in told] == [
        "--ways 100: the weights are chosen on tasks of 80 ways",
        "--shots 30: the weights are chosen on tasks of 19 shots",
    ]
    told.clear()
    mlw.train("protonet", ways=20, shots=5, steps=0, **place)
    assert told == []


def test_download_of_a_generated_set_says_so(capsys):
    told = []
    done = mlw.download("glyphs:size=19", note=told.append)
    assert str(done).startswith("glyphs is generated and needs no download\nglyphs:size=19: Char")
    assert done.tables["test"].images.shape[1:] == (1, 19, 19)
    assert told == ["preparing glyphs:size=19 ..."]
    assert "\ntrain: 400 classes, 8,000 images of 1 x 19 x 19" in str(done)
    again: list[str] = []
    mlw.download("glyphs:size=19", note=again.append)
    assert again == ["glyphs:size=19 is prepared already; comparing its images with checksums ..."]
    assert capsys.readouterr().out == ""
