"""Tell trackers what happens, and go on without those that fail.

That one failed is told by Python's logging, which writes a warning to standard error: whoever hears
no notes would miss what it did not track.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from types import MappingProxyType
from typing import Any

from workbench.errors import PluginError, UsageError, WorkbenchError
from workbench.experiments.tracker import Outcome, TrackedEvaluation, TrackedRun, Tracker
from workbench.plugin.blame import at_place
from workbench.plugin.nearest import CORE
from workbench.plugin.options import convert_options, options_of, parse_spec
from workbench.plugin.registry import registry
from workbench.progress import say_nothing

LOG = logging.getLogger(__name__)


class Tracking:
    """The trackers of a command.

    Args:
        trackers: by name.
        note: told that nothing is tracked of what was computed before.
    """

    def __init__(
        self,
        trackers: Mapping[str, Tracker] | None = None,
        note: Callable[[str], None] = say_nothing,
    ):
        self._trackers = dict(trackers or {})
        self._note = note
        self._followed: set[Path] = set()  # run folders
        self._told_of_old_work = False

    def __bool__(self) -> bool:
        return bool(self._trackers)

    @contextmanager
    def following(self, run: TrackedRun) -> Iterator[Followed]:
        """Tell trackers that work on a run begins, and at the end of the block how it ended."""
        followed = Followed(self)
        self._followed.add(run.folder)
        self.tell("begin", run)
        outcome: Outcome = "failed"
        try:
            yield followed
            outcome = "stopped" if followed.paused else "finished"
        except KeyboardInterrupt:
            outcome = "stopped"
            raise
        finally:
            self.tell("end", outcome)

    def leave_old_work(self, folder: Path) -> None:
        """Say once that trackers are told nothing of what was computed before this command.

        Args:
            folder: of the run that is read.
        """
        if folder.absolute() in self._followed:
            return
        if self._trackers and not self._told_of_old_work:
            self._told_of_old_work = True
            self._note(
                "what was trained or evaluated earlier is read, not tracked; to compute and track "
                "it again: --fresh"
            )

    def tell(self, event: str, *given: Any) -> None:
        """Tell all trackers of an event; one that raises is told nothing more."""
        for name, tracker in list(self._trackers.items()):
            try:
                with _apart():
                    getattr(tracker, event)(*given)
            except (Exception, SystemExit) as error:
                del self._trackers[name]
                reason = (str(error).splitlines() or ["no message"])[0]
                LOG.warning(
                    f"the tracker {name} failed in {event}{at_place(error)} and is told nothing "
                    f"more; the work goes on: {type(error).__name__}: {reason}"
                )


class Followed:
    """A run that trackers follow."""

    def __init__(self, tracking: Tracking):
        self._tracking = tracking
        self.paused = False  # the training stops before its end, and will be resumed

    def record(self, step: int, numbers: Mapping[str, float | None]) -> None:
        """Tell of a row of the learning curve; what is None was not measured."""
        known = {key: value for key, value in numbers.items() if value is not None}
        self._tracking.tell("record", step, MappingProxyType(known))

    def evaluated(self, evaluation: TrackedEvaluation) -> None:
        """Tell of an evaluation."""
        self._tracking.tell("evaluated", evaluation)


@contextmanager
def _apart() -> Iterator[None]:
    """Keep what a tracker prints off standard output, and its random numbers off the training."""
    import torch

    devices = []
    if torch.cuda.is_initialized():
        devices = [torch.cuda.current_device()]
    with redirect_stdout(sys.stderr), torch.random.fork_rng(devices):
        yield


def tracking_of(specs: Iterable[str], note: Callable[[str], None]) -> Tracking:
    """Return the trackers that specs name, `tensorboard` or `trackio:project=birds`.

    Raises:
        UsageError: there is no such tracker or option, or it is not installed.
        PluginError: the tracker cannot be made.
    """
    return Tracking({text: _tracker(text) for text in specs}, note)


def _tracker(text: str) -> Tracker:
    spec = parse_spec(text)
    if not registry().named("trackers", spec.name) and _is_extra(spec.name):
        raise UsageError(
            f"the tracker {spec.name} is not installed; run: pip install '{CORE}[{spec.name}]'"
        )
    registration = registry().find("trackers", spec.name)
    target = registration.load()
    if not issubclass(target, Tracker):
        raise PluginError(f"{registration.full_name} is no subclass of workbench.Tracker")
    options = convert_options(spec.name, spec.options, options_of(target))
    try:
        tracker: Tracker = target(**{**registration.preset, **options})
    except WorkbenchError:
        raise
    except Exception as error:  # of a library that it is made with
        raise PluginError(
            f"the tracker {text} cannot be made{at_place(error)}: {type(error).__name__}: {error}"
        ) from error
    return tracker


def _is_extra(name: str) -> bool:
    """Return whether an extra of the workbench installs a plugin for a name."""
    try:
        lines = requires(CORE) or []
    except PackageNotFoundError:
        return False
    wanted = f'extra == "{name}"'
    return any(line.startswith("mlw-") and wanted in line.replace("'", '"') for line in lines)
