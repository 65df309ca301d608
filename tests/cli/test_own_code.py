"""Own code without a package, on the command line: `mlw compare ./my_method.py:MyMethod`."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from own_method import METHOD

NET = """
import torch
from torch import nn
from own_features import channels_of


class Net(nn.Module):
    def __init__(self, image_shape):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(image_shape[0], channels_of(), 5, stride=4), nn.ReLU(), nn.Flatten()
        )

    def forward(self, images):
        return self.body(images)
"""
DATA = """
import numpy as np
import workbench as mlw


class Noise(mlw.Dataset):
    "Noise."

    def classes(self, split, files):
        if split == "test":
            random = np.random.default_rng(0)
            for number in range(5):
                images = random.integers(0, 256, (20, 1, 28, 28), np.uint8)
                yield mlw.ImageClass(f"noise{number}", images)
"""
MLW = Path(sys.executable).with_name("mlw")
SMALL = "--steps 2 --episodes 4"


@pytest.fixture
def files(tmp_path):
    (tmp_path / "own.py").write_text(METHOD)
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "own_features.py").write_text("def channels_of():\n    return 4\n")
    (tmp_path / "data.py").write_text(DATA)
    yield tmp_path
    sys.path[:] = [place for place in sys.path if place != str(tmp_path)]
    sys.modules.pop("own_features", None)


def runs_in(folder):
    return sorted(path.parent.name for path in (folder / "runs").glob("[!.]*/run.toml"))


def test_a_method_and_a_backbone_of_files(mlw, files):
    line = f"compare ./own.py:Own protonet --backbone ./net.py {SMALL}"
    code, out, err = mlw(line)
    assert code == 0, err
    assert re.search(r"\bOwn\b.*\bprotonet\b", out, re.DOTALL)
    assert "Own is made of own code or data (own.py); the run is kept under a checksum" in err
    assert [name.rpartition("-")[0] for name in runs_in(files)] == [
        "Own-glyphs-5w1s",
        "protonet-glyphs-5w1s",
    ]
    own, protonet = runs_in(files)
    text = (files / "runs" / own / "run.toml").read_text()
    assert '"own.py" = "not installed"' in text
    assert '"net.py" = "not installed"' in text
    frame = pd.read_parquet(next((files / "runs" / "comparisons").glob("*/tasks.parquet")))
    assert set(frame["algorithm"]) == {"Own", "protonet"}
    assert set(frame["backbone"]) == {"Net"}
    mlw(line)
    assert runs_in(files) == [own, protonet], "the same code is not trained again"


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("own.py", "class_means(support).mT", "class_means(support).mT / 2"),
        ("own_features.py", "4", "3"),
    ],
)
def test_another_text_is_another_run(files, file, old, new):
    """In processes of their own, as people edit between two commands."""

    def train():
        words = ["train", "./own.py", "--backbone", "./net.py", "--steps", "2"]
        subprocess.run([MLW, *words], cwd=files, check=True, capture_output=True)

    train()
    train()
    assert len(runs_in(files)) == 1
    path = files / file
    before = path.read_text()
    path.write_text(before.replace(old, new))
    assert path.read_text() != before
    train()
    assert len(runs_in(files)) == 2


def test_options_follow_the_class(mlw, files):
    text = "from typing import Annotated\n" + METHOD
    text = text.replace(
        "def __init__(self, backbone):",
        "def __init__(self, backbone, *, scale: Annotated[float, 'of scores'] = 1.0):",
    )
    (files / "own.py").write_text(text)
    code, out, err = mlw(f"compare ./own.py:Own ./own.py:scale=3 --backbone conv4 {SMALL}")
    assert code == 0, err
    assert "Own:scale=3.0" in out
    code, _, err = mlw(f"compare ./own.py:Own:scal=3 --backbone conv4 {SMALL}")
    assert code != 0
    assert "Own has no option 'scal'. Did you mean scale?" in err


def test_own_data_of_a_file(mlw, files):
    code, out, err = mlw(f"compare nearest_pixel --train-on glyphs --on ./data.py {SMALL}")
    assert code == 0, err
    assert out.startswith("Noise:") or "Noise" in out.splitlines()[0]


def test_a_run_is_evaluated_elsewhere_with_code(files):
    def run(*words):
        return subprocess.run([MLW, *words], cwd=files, capture_output=True, text=True)

    assert run("train", "./own.py", "--backbone", "conv4:width=8", "--steps", "2").returncode == 0
    (name,) = runs_in(files)
    bare = run("eval", f"runs/{name}", "--episodes", "4")
    assert bare.returncode != 0
    assert "was made of Own, own code of own.py; name it: --code FILE.py" in bare.stderr
    given = run("eval", f"runs/{name}", "--episodes", "4", "--code", "own.py")
    assert given.returncode == 0, given.stderr
    assert "Own" in given.stdout
    report = run("report", "runs", "--out", "page.html", "--examples", "1")
    assert report.returncode == 0, report.stderr
    page = (files / "page.html").read_text()
    assert "was made of Own, own code of own.py; name it: --code FILE.py" in page
    report = run("report", "runs", "--out", "page.html", "--examples", "1", "--code", "own.py")
    assert report.returncode == 0, report.stderr
    assert "own code of" not in (files / "page.html").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("./nothing.py:X", "./nothing.py cannot be read: No such file or directory"),
        ("./own.py:Y", "./own.py has no algorithm 'Y', but Own; write for instance ./own.py:Own"),
        ("./net.py", "./net.py has no algorithm, a class derived from mlw.Learner"),
        ("./net.py:Net", "Net is no algorithm: give a class derived from mlw.Learner"),
        (
            "./broken.py",
            "broken.py cannot be imported: ZeroDivisionError: division by zero, line",
        ),
        ("./syntax.py", "syntax.py cannot be imported: invalid syntax, line 1"),
        ("./leaves.py", "leaves.py cannot be imported: SystemExit: 3, line 2"),
        ("./two.py", "./two.py has several: A, B; write for instance ./two.py:A"),
        ("./abstract.py:A", "./abstract.py has no algorithm"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(mlw, files, words, said):
    (files / "broken.py").write_text("import sys\n\n1 / 0\n")
    (files / "syntax.py").write_text("def :\n")
    (files / "leaves.py").write_text("import sys\nsys.exit(3)\n")
    (files / "two.py").write_text(
        "from workbench import Learner\nclass A(Learner): pass\nclass B(Learner): pass\n"
    )
    (files / "abstract.py").write_text("class A: pass\n")
    code, _, err = mlw(f"compare {words} {SMALL}")
    assert code != 0
    assert said in err
    assert err.count("\n") == 1
    assert not (files / "runs").exists()


def test_two_classes_of_one_name_are_refused(mlw, files):
    (files / "other.py").write_text(METHOD.replace(".mT", ".mT / 3"))
    code, _, err = mlw(f"compare ./own.py ./other.py --backbone conv4 {SMALL}")
    assert code != 0
    assert "own.py and other.py both have a class Own; rename one" in err


@pytest.mark.parametrize(
    ("forward", "said"),
    [
        ("return self.body[0](images)", "gives (2, 4, 6, 6) for two images"),
        ("return self.lost(images)", "'Net' object has no attribute 'lost' (net"),
    ],
)
def test_a_module_whose_features_cannot_be_measured(mlw, files, forward, said):
    (files / "net.py").write_text(NET.replace("return self.body(images)", forward))
    code, _, err = mlw(f"compare ./own.py --backbone ./net.py {SMALL}")
    assert code != 0
    assert said in err


def test_check_takes_a_file(mlw, files):
    code, out, _ = mlw("check ./own.py")
    assert code == 0
    assert "Own" in out
