"""Completion: names, options and values, in bash as bash splits words, without importing torch."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

MLW = Path(sys.executable).with_name("mlw")
SCRIPT = """
export PATH={folder}:$PATH
eval "$({mlw} --show-completion)"
while read -r -a words; do
    COMP_WORDS=("${{words[@]}}")
    [ "${{words[-1]}}" = "END" ] && COMP_WORDS[-1]=""
    COMP_CWORD=$(( ${{#words[@]}} - 1 ))
    COMPREPLY=()
    _mlw_completion mlw
    echo "${{COMPREPLY[*]}}" | tr '\\n' ' '
    echo
done
"""
# words as bash splits them, and what is among the answers; END is the empty word
ASKED = [
    ("mlw co", {"compare", "config"}),
    ("mlw compare protone", {"protonet"}),
    ("mlw compare maml : inner_", {"inner_steps=", "inner_lr="}),
    ("mlw compare maml : first_order = END", {"true", "false"}),
    ("mlw compare maml : first_order = true,inner_l", {"true,inner_lr="}),
    ("mlw train maml : optimizer = ad", {"adam", "adamw"}),
    ("mlw compare protonet --on omni", {"omniglot", "omniglot_small1", "omniglot_small2"}),
    ("mlw compare protonet --on glyphs omniglot_", {"omniglot_small1", "omniglot_small2"}),
    ("mlw --quiet compare protonet --test-on glyphs : si", {"size="}),
    ("mlw compare protonet --shots 1 5 --backb", {"--backbone"}),
    ("mlw compare protonet --backbone conv4 : wi", {"width="}),
    ("mlw train protonet --track tens", {"tensorboard"}),
    ("mlw eval runs --spl", {"--split"}),
    ("mlw info glyph", {"glyphs"}),
    ("mlw list tr", {"trackers"}),
    ("mlw runs --state un", {"unfinished"}),
    ("mlw train nothing : en", set()),
]


@pytest.mark.skipif(not Path("/bin/bash").exists(), reason="there is no bash")
def test_bash_completes():
    script = SCRIPT.format(folder=MLW.parent, mlw=MLW)
    asked = "".join(f"{line}\n" for line, _ in ASKED)
    done = subprocess.run(
        ["/bin/bash", "--norc", "-c", script],
        input=asked,
        capture_output=True,
        text=True,
        check=True,
    )
    for (line, expected), answered in zip(ASKED, done.stdout.splitlines(), strict=True):
        assert set(answered.split()) == expected, line


def ask(text, shell):
    variables = {"_MLW_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_ARGS": text}
    code = (
        "import sys\nfrom workbench.cli.main import run\n"
        "sys.argv = ['mlw']\n"
        "try:\n    run()\n"
        "finally:\n    heavy = {'torch', 'pandas', 'matplotlib', 'kornia'} & set(sys.modules)\n"
        "    print(sorted(heavy), file=sys.stderr)\n"
    )
    environment = {**os.environ, **variables, "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )


@pytest.mark.parametrize(
    "line",
    [
        "mlw compare maml:inner_",
        "mlw compare protonet --on glyphs omni",
        "mlw compare protonet --on glyphs:",
        "mlw train protonet:",
        "mlw train protonet --backbone conv4:",
        "mlw info ",
    ],
)
def test_a_completion_imports_nothing_heavy(line):
    done = ask(line, "fish")
    assert done.stdout.strip()
    assert done.stderr.splitlines()[-1] == "[]"


def test_fish_and_zsh_get_whole_words_with_a_line_about_each():
    lines = ask("mlw compare maml:inner_st", "fish").stdout.splitlines()
    assert lines == [f"maml:inner_steps=\t{lines[0].partition(chr(9))[2]}"]
    assert len(lines[0]) > len("maml:inner_steps=\t")
    answer = ask("mlw compare protonet --on omniglot_small1", "zsh").stdout
    assert answer.startswith('_arguments \'*: :(("omniglot_small1":')
    assert shlex.split(answer)


def test_the_script_of_a_shell_is_shown():
    environment = {**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    done = subprocess.run(
        [MLW, "--show-completion", "zsh"],
        capture_output=True,
        text=True,
        env=environment,
        check=True,
    )
    assert "#compdef mlw" in done.stdout
