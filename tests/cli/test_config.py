"""Where runs and data are kept: a flag wins over a variable, and it over the default."""

from __future__ import annotations

import json
from pathlib import Path

from command_lines import SMALL, check_refused

import workbench


def settings(mlw):
    return {row["setting"]: row for row in json.loads(mlw("config --json")[1])}


def test_config_says_what_is_in_force_and_why(mlw, monkeypatch, tmp_path):
    monkeypatch.setenv("MLW_CACHE", str(tmp_path / "cache"))
    found = settings(mlw)
    assert (found["runs"]["value"], found["runs"]["comes_from"]) == ("runs", "the default")
    assert (found["device"]["value"], found["device"]["flag"]) == ("auto", "--device")
    assert found["data sets"]["value"] == str(tmp_path / "cache")
    assert found["data sets"]["comes_from"] == "the variable MLW_CACHE"
    assert found["plugins"]["value"] == "all that are installed"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MLW_OUT", "~/mine")
    monkeypatch.setenv("MLW_DEVICE", "cpu")
    monkeypatch.setenv("NO_COLOR", "1")
    found = settings(mlw)
    assert found["runs"]["value"] == str(tmp_path / "mine")
    assert found["runs"]["comes_from"] == "the variable MLW_OUT"
    assert found["device"]["value"] == "cpu"
    assert found["colours"]["value"] == "none"
    output = mlw("config")[1]
    assert "MLW_DEVICE" in output
    assert "--out" in output


def test_a_flag_wins_over_a_variable(mlw, monkeypatch):
    monkeypatch.setenv("MLW_OUT", "chosen")
    monkeypatch.setenv("MLW_DEVICE", "tpu9")
    check_refused(mlw, "train protonet", 1 + 1, ["no device 'tpu9'"])
    folder = mlw("train protonet", *SMALL)[1].strip()  # with --device cpu
    assert Path(folder).parent == Path("chosen")
    folder = mlw("train protonet --out other", *SMALL)[1].strip()
    assert Path(folder).parent == Path("other")
    monkeypatch.setenv("MLW_DEVICE", "")
    frame = workbench.evaluate(folder, episodes=4)
    assert len(frame) == 4
    assert mlw("runs")[1].startswith("1 run, ")


def test_the_variables_hold_in_python_too(monkeypatch, tmp_path):
    monkeypatch.setenv("MLW_OUT", str(tmp_path / "there"))
    monkeypatch.setenv("MLW_DEVICE", "cpu")
    run = workbench.train("nearest_pixel")
    assert run.folder.parent == tmp_path / "there"
