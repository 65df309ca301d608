"""Installed plugins: the one of the tutorial, broken ones, and two that register the same name."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from plugin_packages import DOCS, IMPORT, files_of, install, place, sessions_of

TUTORIAL = (DOCS / "writing-a-plugin.md").read_text(encoding="utf-8")
GREET = """
@hookimpl
def register_commands(app):
    @app.command()
    def hello(name: str):
        '''Greet somebody.'''
        print("hello", name)
"""
MLW = Path(sysconfig.get_path("scripts")) / "mlw"
FEW = ["--steps", "2", "--episodes", "10"]


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """The folder that commands run in, so that a later command finds the runs of an earlier one."""
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def tutorial(tmp_path_factory):
    """The package of the tutorial, written from its page and installed."""
    folder, site = tmp_path_factory.mktemp("mlw-cosine"), tmp_path_factory.mktemp("site")
    for name, text in files_of(TUTORIAL).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    install(site, folder)
    return site, folder


@pytest.fixture
def mlw(work):
    def run(
        *words: str, sites: tuple[Path, ...] = (), code: int = 0, **env: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in a new process, with the packages installed in these folders."""
        inherited = {
            key: value for key, value in os.environ.items() if key not in ("MLW_PLUGINS", "COLUMNS")
        }
        path = os.pathsep.join(map(str, sites))
        done = subprocess.run(
            [MLW, *words],
            capture_output=True,
            text=True,
            cwd=work,
            env=inherited | {"PYTHONPATH": path} | env,
        )
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done

    return run


def names(done: subprocess.CompletedProcess[str]) -> set[str]:
    return {row["name"] for row in json.loads(done.stdout)}


# --- the tutorial


def test_the_tutorial_is_short_and_shows_what_it_prints():
    files = files_of(TUTORIAL)
    lines = [line for text in files.values() for line in text.splitlines() if line.strip()]
    assert 12 <= len(lines) <= 70
    assert {
        "pyproject.toml",
        "mlw_cosine/recipes.toml",
        "tests/test_conformance.py",
    } <= files.keys()
    assert [command.split()[1] for command in sessions_of(TUTORIAL)] == [
        "list",
        "info",
        "train",
        "compare",
    ]


def shape_of(printed: str) -> list[str]:
    """Return printed text without numbers, hashes, marks and the widths that depend on them.

    The marks say that a training of the tests is shorter than its recipe.
    """
    printed = re.sub(r"^[§¶].*$", "", printed, flags=re.MULTILINE)
    printed = re.sub(r" [§¶]+", "", printed)
    printed = re.sub(r"-[0-9a-f]{8}\b", "-HASH", printed)
    printed = re.sub(r"[+\u2212-]?\d[\d.,]*", "N", printed)
    printed = printed.replace("N min", "N s").replace("N ± N best", "N ± N N ± N")
    lines = [
        re.sub(r"─+", "─", " ".join(line.split())).replace("best N s", "N ± N N s")
        for line in printed.splitlines()
    ]
    return sorted(line for line in lines if line)  # sorted: the order of the two streams varies


@pytest.mark.parametrize("command", sessions_of(TUTORIAL))
def test_the_tutorial_prints_what_it_shows(mlw, tutorial, command):
    _, *words = command.split()
    few = {"train": FEW[:2], "compare": FEW}.get(words[0], [])
    done = mlw(*words, *few, sites=tutorial[:1])
    assert shape_of(done.stdout + done.stderr) == shape_of(sessions_of(TUTORIAL)[command])


def test_the_tutorial_passes_its_own_test(tutorial):
    site, folder = tutorial
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "tests"],
        capture_output=True,
        text=True,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(site)},
    )
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


# --- broken plugins

BROKEN = {
    "raises": (
        "raise RuntimeError('see [/var/log] and [bold]more[/]')",
        "RuntimeError: see [/var/log] and [bold]more[/]",
    ),
    "exits": ("import sys; sys.exit('enough')", "SystemExit: enough"),
    "syntax": ("def (", "SyntaxError: invalid syntax"),
    "needs": ("import something_absent", "ModuleNotFoundError: No module named 'something_absent'"),
    "hook": (
        "@hookimpl\ndef register_datasets(register): raise ValueError('no')",
        "ValueError: no",
    ),
    "misspelt": (
        "@hookimpl\ndef register_algorithm(register): ...",
        "unknown hook 'register_algorithm'",
    ),
    "argument": (
        "@hookimpl\ndef register_algorithms(add): ...",
        "{'add'} are declared in the hookimpl but can not be found",
    ),
    "twice": (
        "@hookimpl\ndef register_backbones(register): register('a', 'a:A'); register('a', 'b:B')",
        "'a' twice",
    ),
    "form": (
        "@hookimpl\ndef register_backbones(register): register('a', 'a.A')",
        "not 'package.module:Class'",
    ),
    "command": ("@hookimpl\ndef register_commands(app): app.command('list')(print)", ""),
    "taken": (
        "@hookimpl\ndef register_commands(app):\n"
        "    @app.command('list')\n    def other(): print('ha')",
        "there is already a command 'list'",
    ),
}
UNLOADABLE = """
@hookimpl
def register_algorithms(register):
    register("absent", "mlw_unloadable.absent:Absent")
    register("classless", "mlw_unloadable.classless:Classless")
    register("leaving", "mlw_unloadable.leaving:Leaving")
    register("elsewhere", "mlw_raises.part:Elsewhere")
"""


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """One broken package installed by pip, the others written as pip would install them."""
    site, folder = tmp_path_factory.mktemp("broken"), tmp_path_factory.mktemp("mlw-raises")
    (folder / "pyproject.toml").write_text(
        files_of(TUTORIAL)["pyproject.toml"].replace("cosine", "raises"), encoding="utf-8"
    )
    (folder / "mlw_raises").mkdir()
    (folder / "mlw_raises" / "__init__.py").write_text(BROKEN["raises"][0], encoding="utf-8")
    install(site, folder)
    for name, (code, _) in BROKEN.items():
        if name != "raises":
            place(site, f"mlw-{name}", IMPORT + code)
    place(
        site, "mlw-unloadable", IMPORT + UNLOADABLE, classless="", leaving="import sys; sys.exit(3)"
    )
    return site


def test_a_broken_plugin_is_a_row(mlw, broken):
    rows = {
        row["name"]: row for row in json.loads(mlw("plugins", "--json", sites=(broken,)).stdout)
    }
    for name, (_, error) in BROKEN.items():
        assert rows[name]["error"], name
        assert error in rows[name]["error"]
        assert "\n" not in rows[name]["error"]
        assert rows[name]["distribution"] == f"mlw-{name}"
    assert "which cannot be imported" in rows["unloadable"]["error"]  # its classes are tried too
    assert not any(rows[name]["error"] for name in ("metric", "optimization", "transfer", "vision"))
    assert rows["metric"]["algorithms"] == ["matching", "protonet", "relation", "siamese"]


def test_an_error_is_printed_as_it_is(mlw, broken):
    printed = mlw("plugins", sites=(broken,), COLUMNS="400").stdout
    assert "RuntimeError: see [/var/log] and [bold]more[/]" in printed


def test_debug_shows_the_traceback(broken, work):
    environment = os.environ | {"PYTHONPATH": str(broken), "MLW_PLUGINS": "raises"}
    done = subprocess.run(
        [MLW, "--debug", "plugins"], capture_output=True, text=True, env=environment, cwd=work
    )
    assert done.returncode == 0
    assert "Traceback" in done.stderr
    assert "mlw_raises" in done.stderr


def test_broken_plugins_disturb_nothing_else(mlw, tutorial, broken):
    sites = (tutorial[0], broken)
    listed = mlw("list", "--json", sites=sites)
    assert {"protonet", "maml", "baseline", "cosine", "conv4", "tiny", "glyphs", "waves"} <= names(
        listed
    )
    assert re.search(r"raises.* did not load; see: mlw plugins", mlw("list", sites=sites).stderr)
    words = ["protonet", "cosine", "--on", "waves", "--backbone", "tiny", "--json", *FEW]
    compared = json.loads(mlw("compare", *words, sites=sites).stdout)
    assert [row["algorithm"] for row in compared] == ["protonet", "cosine"]


@pytest.mark.parametrize("name", ["absent", "classless", "leaving", "elsewhere"])
def test_a_class_that_cannot_be_imported_is_one_sentence(mlw, broken, name):
    said = mlw("info", name, sites=(broken,), code=1).stderr
    assert re.fullmatch(
        rf"mlw: mlw-unloadable/{name} names '.*', which cannot be imported: .*\n", said
    )
    assert f"mlw --debug info mlw-unloadable/{name}" in said


def test_a_list_says_which_class_cannot_be_read(mlw, broken):
    rows = json.loads(mlw("list", "--json", sites=(broken,)).stdout)
    about = {row["name"]: row["about"] for row in rows}
    assert about["absent"] == "cannot be read; see: mlw info mlw-unloadable/absent"
    assert about["elsewhere"] == "cannot be read; see: mlw info mlw-unloadable/elsewhere"


# --- two that register the same name

TWIN = """
@hookimpl
def register_algorithms(register):
    register("twin", "mlw_{side}.twin:Twin")
@hookimpl
def register_backbones(register):
    register("pixels", "mlw_{side}.twin:Pixels")
"""
TWIN_CLASSES = '''
from torch import nn
from workbench import Learner
from workbench.functional import class_means

class Twin(Learner):
    """The {side} one."""
    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone
    def embed(self, images):
        return self.backbone(images)
    def adapt(self, support):
        return lambda x: {sign}x @ class_means(support).mT
    def losses(self, source):
        return iter(())

class Pixels(nn.Flatten):
    def __init__(self, image_shape):
        super().__init__()
        self.dim = image_shape[0] * image_shape[1] * image_shape[2]
'''


@pytest.fixture(scope="module")
def twins(tmp_path_factory, tutorial):
    site = tmp_path_factory.mktemp("twins")
    for side, sign in (("left", ""), ("right", "-")):
        place(
            site,
            f"mlw-{side}",
            IMPORT + TWIN.format(side=side),
            twin=TWIN_CLASSES.format(side=side, sign=sign),
        )
    return (site, tutorial[0])


def test_twins_are_listed_by_full_name(mlw, twins):
    listed = names(mlw("list", "--json", sites=twins))
    assert {
        "mlw-left/twin",
        "mlw-right/twin",
        "mlw-left/pixels",
        "mlw-right/pixels",
        "protonet",
    } <= listed
    assert not {"twin", "pixels"} & listed


def test_twins_are_trained_and_compared_by_full_name(mlw, twins):
    both = ["mlw-left/twin", "mlw-right/twin"]
    words = ["--on", "waves", "--backbone", "mlw-right/pixels"]
    folder = mlw("train", both[0], *words, sites=twins).stdout.strip()
    assert folder.startswith("runs/mlw-left-twin-waves-")
    compared = mlw("compare", *both, *words, "--json", "--episodes", "10", sites=twins)
    left, right = json.loads(compared.stdout)
    assert [left["algorithm"], right["algorithm"]] == both
    assert left["accuracy"] != right["accuracy"]  # each is its own
    assert Path(folder).name in compared.stderr  # and was not trained again


@pytest.mark.parametrize("words", [["info", "twin"], ["compare", "protonet", "twin"]], ids=" ".join)
def test_a_name_that_two_plugins_register_is_one_sentence(mlw, twins, words):
    done = mlw(*words, sites=twins, code=2)
    sentence = (
        "mlw: Two plugins register the algorithm 'twin'; "
        "use the full name: mlw-left/twin and mlw-right/twin.\n"
    )
    assert (done.stdout, done.stderr) == ("", sentence)


# --- MLW_PLUGINS


def test_only_the_plugins_named_are_loaded(mlw, twins):
    listed = names(mlw("list", "--json", sites=twins, MLW_PLUGINS="left,metric"))
    assert listed == {"twin", "pixels", "matching", "protonet", "relation", "siamese"}


# --- commands


def test_a_plugin_can_add_a_command_to_mlw(mlw, tmp_path):
    place(tmp_path, "mlw-greet", IMPORT + GREET)
    assert mlw("hello", "Ada", sites=(tmp_path,)).stdout == "hello Ada\n"
    assert "Greet somebody" in mlw("--help", sites=(tmp_path,)).stdout
