"""The command given again: after kill -9, and after a method was changed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
from plugin_packages import place
from small_runs import CLOCKS

from workbench.plugin.registry import registry

MLW = str(Path(sys.executable).with_name("mlw"))


def stamps(out):
    return {path.parent.name: path.stat().st_mtime_ns for path in out.glob("*/weights.safetensors")}


def command(out, *algorithms, **environment):
    options = ["--steps", "60", "--episodes", "30", "--shots", "1", "--device", "cpu", "--out"]
    return subprocess.Popen(
        [MLW, "compare", *algorithms, *options, str(out)],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process):
    output, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors
    return output


def written_frame(out):
    paths = (out / "comparisons").glob("*/tasks.parquet")
    newest = max(paths, key=lambda path: path.stat().st_mtime)
    return pd.read_parquet(newest).drop(columns=CLOCKS)


def wait_for(condition):
    until = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < until, "it never happened"
        time.sleep(0.02)


def test_kill_9_and_the_same_command_again(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    finish(command(whole, "baseline", "protonet"))
    process = command(killed, "baseline", "protonet")
    wait_for(
        lambda: (
            list(killed.glob("baseline-*/eval/*.parquet"))
            and list(killed.glob("protonet-*/run.toml"))
        )
    )
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not list(killed.glob("comparisons"))
    weights = next(killed.glob("baseline-*/weights.safetensors"))
    stamp = weights.stat().st_mtime_ns
    finish(command(killed, "baseline", "protonet"))
    assert weights.stat().st_mtime_ns == stamp
    pd.testing.assert_frame_equal(written_frame(killed), written_frame(whole), check_exact=True)


PLUGIN = """
from workbench import hookimpl

@hookimpl
def register_algorithms(register):
    register("own", "mlw_own.method:ProtoNet")
"""


def test_a_changed_method_is_computed_again_and_only_it(tmp_path):
    home = registry().find("algorithms", "protonet").load().__module__
    source = Path(sys.modules[home].__file__).read_text()
    place(tmp_path / "site", "mlw-own", PLUGIN, method=source)
    package = tmp_path / "site" / "mlw_own"
    (package / "recipes.toml").write_text('[[own]]\nquick = { backbone = "conv4" }\n')
    path = {"PYTHONPATH": str(tmp_path / "site")}
    out = tmp_path / "runs"
    finish(command(out, "own", "protonet", **path))
    before = stamps(out)
    assert "/ self.temperature" in source
    changed = source.replace("/ self.temperature", "/ (2 * self.temperature)")
    (package / "method.py").write_text(changed)
    finish(command(out, "own", "protonet", **path))
    after = stamps(out)
    assert {name: after[name] for name in before} == before
    assert [name.partition("-")[0] for name in after.keys() - before.keys()] == ["own"]
