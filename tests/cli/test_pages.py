"""Every command and every Python block of the documentation, by the real program.

A command runs as it stands, up to where it needs a data set that is not downloaded: by then its
names, options and values are checked. On the pages that a newcomer follows, a command that needs
no download runs to its end, with few steps and tasks.
"""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from doc_blocks import NAMES, blocks_of, commands_of
from image_folders import class_folders
from places import ROOT
from plugin_packages import files_of

import workbench as mlw_package
from workbench.errors import DataError

# `text` is what no program reads. `toml` is a file of a package.
KINDS = {"console", "python", "sh", "text", "toml", "{eval-rst}", "{toctree}"}
FOLLOWED = {name for name in NAMES if name.startswith(("docs/start", "docs/guides/"))}
# Pages that another test runs: they write packages, or show what is printed.
ELSEWHERE = {
    "docs/hooks.md": "tests/plugin/test_hookspecs.py",
    "docs/python.md": "tests/commands/test_functions.py",
    "docs/writing-a-plugin.md": "tests/plugin/test_installed_plugins.py, tests/scaffold",
}
# Commands that are not run, by how they begin, and why.
NOT_RUN = {
    "export": "a folder of the reader's cluster",
    "pip install": "installs; what it names in this repository is there",
    "python -m pytest": "the tests of the tutorial's package, which another test runs",
    "python -m venv": "makes an environment",
    "sbatch": "needs a cluster",
    "uv pip install": "installs; what it names in this repository is there",
    "uv sync": "makes the environment of the tests",
    "uv venv": "makes an environment",
}
SMALL = "--steps 2 --device cpu --backbone conv4:width=4"
SHORT = {
    "train": SMALL,
    "compare": f"{SMALL} --episodes 5",
    "tune": "--trials 1 --episodes 5 --device cpu",
    "eval": "--episodes 5 --device cpu",
    "predict": "--device cpu",
}
# On other pages, a command that names no data set would train on the built-in one, and a report
# would draw all runs.
ON_OTHERS = {
    "train": "--on omniglot",
    "compare": "--on omniglot",
    "tune": "--on omniglot",
    "recommend": "--train-on omniglot",
    "report": "runs/RUN",
}
NOT_DOWNLOADED = re.compile(r"(\S+) is not downloaded; run: mlw download \1$")
DATA_FLAGS = {"--on", "--test-on", "--train-on"}
# A run stands in for one of Omniglot, whose test classes are more.
OF_A_STAND_IN = {
    "mlw: 200 ways are more than the 160 classes of the test classes of glyphs; use at most 160"
}
# The package of `mlw new plugin`, which tests/scaffold installs and trains, and what stands in.
WRITTEN = {"nearest-mean": "nearest_pixel"}
RUNS = ("RUN", "l2l-RUN", "mann-RUN", "oml-RUN", "protonet-RUN")  # names that stand for a run


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A folder with what the pages take for granted: runs, photographs and a comparison."""
    folder = tmp_path_factory.mktemp("reader")
    class_folders(folder / "photos" / "birds", classes=5, images=6)
    class_folders(folder / "photos" / "new", classes=1, images=4)
    for other in ("birds", "euro/known"):
        shutil.copytree(folder / "photos" / "birds", folder / other)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MLW_CACHE", str(folder / "cache"))
        few = {"steps": 2, "validate_tasks": 8, "device": "cpu"}
        run = mlw_package.train("protonet", backbone="conv4:width=4", **few)
        mlw_package.evaluate(run, episodes=20, device="cpu")
        for name in RUNS:
            shutil.copytree(run.folder, folder / "runs" / name)
        shutil.rmtree(run.folder)
        frame = mlw_package.compare("nearest_pixel", episodes=20, device="cpu")
        shutil.move(frame.attrs["folder"], folder / "runs" / "comparisons" / "NAME")
        mlw_package.download("my-birds", source=folder / "photos" / "birds")
    return folder


@pytest.fixture
def reader(prepared, mlw, monkeypatch):
    """Run a command in that folder, as a reader does who has downloaded nothing."""
    monkeypatch.chdir(prepared)
    monkeypatch.setenv("MLW_CACHE", str(prepared / "cache"))
    return mlw


@pytest.mark.parametrize("name", NAMES)
def test_each_block_says_what_it_is(name):
    for block in blocks_of(name):
        assert block.kind in KINDS, f"{name}:{block.line}"


WITH_COMMANDS = [name for name in NAMES if name not in ELSEWHERE and commands_of(name)]


@pytest.mark.parametrize("name", WITH_COMMANDS)
def test_the_commands_of_a_page_run(name, reader):
    for file, text in files_of((ROOT / name).read_text(encoding="utf-8")).items():
        Path(file).write_text(text, encoding="utf-8")
    for words in commands_of(name):
        line = " ".join(words)
        if any(line.startswith(each) for each in NOT_RUN):
            check_folders(words)
        elif words[0] == "make":
            assert f"\n{words[1]}:" in (ROOT / "Makefile").read_text(encoding="utf-8")
        elif words[0] == "mlw":
            check_command(reader, words[1:], to_the_end=name in FOLLOWED)
        else:
            check_script(words)


def check_folders(words: list[str]) -> None:
    """What `pip install -e` names in this repository is there."""
    for word in words:
        if word.startswith("plugins/"):
            assert (ROOT / word / "pyproject.toml").is_file()


def check_command(reader, words: list[str], to_the_end: bool) -> None:
    """A command of `mlw` is accepted; it stops only where a data set is not downloaded."""
    command = words[0]
    if command == "download" and not any(word.startswith("--") for word in words):
        for name in words[1:]:
            check_command(reader, ["info", name.partition(":")[0]], to_the_end=True)
        return
    more = SHORT.get(command, "").split()
    if "--backbone" in words:
        more = [word for word in more if word not in SMALL.split()[-2:]]
    if not to_the_end and not DATA_FLAGS & set(words):
        more += ON_OTHERS.get(command, "").split()
    new = command == "new"
    code, _, errors = reader(shlex.join(words if new else [*unfolded(words), *more]))
    if code == 0:
        return
    said = errors.strip().splitlines()[-1]
    if said in OF_A_STAND_IN:
        return
    stopped = NOT_DOWNLOADED.search(said)
    assert stopped, f"mlw {shlex.join(words)}\n{said}"
    assert stopped[1] in " ".join([*words, *more]), said


def unfolded(words: list[str]) -> list[str]:
    """Put files in place of a pattern such as runs/l2l-*, and a stand-in for what is written."""
    found = []
    for word in words:
        found += map(str, Path().glob(word)) if "*" in word else [WRITTEN.get(word, word)]
    return found


def check_script(words: list[str]) -> None:
    """A Python program of this repository is there."""
    assert words[0] == "python", f"say in NOT_RUN why this is not run: {words}"
    assert (ROOT / words[1]).is_file()


WITH_PYTHON = [
    name
    for name in NAMES
    if name not in ELSEWHERE and any(block.kind == "python" for block in blocks_of(name))
]


@pytest.mark.parametrize("name", WITH_PYTHON)
def test_the_python_of_a_page_runs(name, reader):
    names: dict[str, object] = {}
    for block in blocks_of(name):
        if block.kind == "python":
            code = compile(block.text, f"{name}:{block.line}", "exec")
            try:
                exec(code, names)
            except DataError as error:  # which comes after all other checks
                if not NOT_DOWNLOADED.search(str(error)):
                    raise


def test_a_command_with_an_option_that_does_not_exist_is_found(reader):
    for line in (
        "compare protonet --on omniglot --shot 1",
        "compare protonet:temprature=2 --on omniglot",
        "train maml --on omniglot --backbone conv4:widht=32",
        "compare protonet --recipe papre --on omniglot",
        "compare protonet --protocol unbalanced:alhpa=1 --on omniglot",
        "tune protonet:temprature=2 --on omniglot",
    ):
        with pytest.raises(AssertionError):
            check_command(reader, line.split(), to_the_end=False)
