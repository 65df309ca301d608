"""The command `mlw`: its commands, and what becomes of errors.

Nothing here or in the command files imports torch, pandas or matplotlib at module level, so that
`mlw --help` answers at once.
"""

from __future__ import annotations

import errno
import os
import shlex
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from workbench.cli import (
    _complete,
    _show,
    check,
    compare,
    config,
    download,
    evaluate,
    info,
    list_,
    new,
    plugins,
    predict,
    recommend,
    report,
    runs,
    train,
    tune,
)
from workbench.cli._flags import check_words
from workbench.cli._lists import widen
from workbench.cli._streams import (
    UnwritableOutput,
    discard_output,
    guard_output,
    tolerate_encodings,
)
from workbench.errors import UsageError, WorkbenchError, lacks_memory
from workbench.plugin.blame import place_of
from workbench.plugin.registry import registry
from workbench.version import __version__

INTERRUPTED = 130
EXIT_CODES = {
    0: "The command did what it was asked.",
    1: "It could not: data, a run, a plugin or a training is at fault, a check of `mlw check` did "
    "not hold, or the output cannot be written.",
    2: "Wrong usage: an unknown command, option or name, or an invalid value. Nothing was done.",
    INTERRUPTED: "It was stopped by Ctrl-C. The same command resumes.",
}
KEPT = {  # after Ctrl-C, by command
    "download": "what has arrived is kept",
    "train": "all but the last seconds of the training is kept",
    "eval": "finished evaluations are kept",
    "tune": "all trials are kept, and all but the last seconds of the one in progress",
    "recommend": "finished trainings and evaluations are kept",
    "compare": "finished trainings and evaluations are kept, and all but the last seconds of "
    "the one in progress",
}


def _no_exit_code(*_returned: object, **_options: object) -> None:
    """Forget what a command returned: what is left in `_call` is then the code of an exit."""


app = typer.Typer(
    name="mlw",
    result_callback=_no_exit_code,
    help="Train, evaluate and fairly compare few-shot and meta-learning methods.",
    epilog="--debug and --quiet may stand anywhere. Exit codes: 0 success, 1 failure, 2 wrong "
    f"usage, {INTERRUPTED} stopped by Ctrl-C.",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("list")(list_.list_)
app.command("info")(info.info)
app.command("plugins")(plugins.plugins)
app.command("config")(config.config)
app.command("download")(download.download)
app.command("train")(train.train)
app.command("eval")(evaluate.evaluate)
app.command("compare")(compare.compare)
app.command("tune")(tune.tune)
app.command("predict")(predict.predict)
app.command("recommend")(recommend.recommend)
app.command("report")(report.report)
app.command("runs")(runs.runs)
app.command("check")(check.check)
app.add_typer(new.app, name="new")


@app.callback()
def mlw(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    quiet: Annotated[
        bool,
        typer.Option("--quiet", help="No progress and no notes: results and errors only."),
    ] = False,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Train, evaluate and fairly compare few-shot and meta-learning methods."""


def run() -> None:
    """Run `mlw`, and exit with one of `EXIT_CODES`."""
    guard_output()
    tolerate_encodings()
    try:
        try:
            if _complete.asked():
                _complete.answer(app)
            _run(sys.argv[1:])
        finally:
            sys.stdout.flush()
    except UnwritableOutput as error:
        discard_output()
        if error.errno != errno.EPIPE:  # the reader has gone, for instance `| head`
            print(f"mlw: standard output cannot be written: {error.strerror}", file=sys.stderr)
        sys.exit(1)


def _run(words: list[str]) -> None:
    debug = "--debug" in words
    if debug:
        words.remove("--debug")
        os.environ["MLW_DEBUG"] = "1"  # a broken plugin shows its traceback too
    _show.be_quiet(asked="--quiet" in words)
    if _show.quiet():
        words.remove("--quiet")
    if words[:1] == ["--version"]:
        print(f"mlw {__version__}")
        return
    try:
        registry().register_commands(app)
        wide = widen(words) or ["--help"]
        check_words(app, wide)
        _call(wide)
    except WorkbenchError as error:
        if debug:
            raise
        _show.error(f"mlw: {error}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print(f"mlw: stopped{_kept(words)}", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except UnwritableOutput:  # even while a plugin prints
        raise
    except Exception as error:
        sentence = _sentence_of(error, words)
        if debug or not sentence:
            raise
        _show.error(sentence)
        sys.exit(1)


def _call(words: Sequence[str]) -> None:
    """Run a command. What Typer refuses, such as a word where a number belongs, is one sentence.

    Raises:
        UsageError: Typer refuses a word.
        KeyboardInterrupt: Ctrl-C, which Typer turns into an error of its own.
    """
    try:
        code = app(words, prog_name="mlw", standalone_mode=False)
    except Exception as error:
        explain = getattr(error, "format_message", None)  # an error of the parser has it
        if explain is None:
            raise
        sentence = " ".join(explain().split()).rstrip(".")
        help_line = " ".join(["mlw", *words[:1], "--help"]) if words[0][:1] != "-" else "mlw --help"
        raise UsageError(f"{sentence}; see {help_line}") from error
    if code == INTERRUPTED:
        raise KeyboardInterrupt
    if code:
        sys.exit(code)


def _sentence_of(error: Exception, words: Sequence[str]) -> str:
    """Return a sentence for lack of memory or an error in a plugin; "" for an error of our own."""
    if lacks_memory(error):
        of_python = isinstance(error, MemoryError) and str(error)
        reason = f": {error}" if of_python else ""
        return f"mlw: there is not enough memory{reason}; ask for less at once"
    place = place_of(error)
    if place is None:
        return ""
    reason = (str(error).splitlines() or ["no message"])[0]
    return (
        f"mlw: the plugin {place.plugin} ({place.distribution}) fails in {place.file}, line "
        f"{place.line}: {type(error).__name__}: {reason}; for the traceback: "
        f"{shlex.join(['mlw', '--debug', *words])}"
    )


def _kept(words: Sequence[str]) -> str:
    """Return what is kept of an interrupted command, and how to go on."""
    for word in words:
        if word in KEPT:
            return f"; {KEPT[word]}; run the same command again to resume"
    return ""
