"""The record of a search in Optuna's journal, and what Optuna proposes next.

The journal says of each configuration its options and its accuracies on the rungs. Each proposal is
a function of the journal and of a seed, so a search that was killed goes on as if it had not been.
One process writes: whoever holds the lock of the search.
"""

from __future__ import annotations

import json
import warnings
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from workbench.errors import RunError
from workbench.storage import write_file
from workbench.tuning.space import Axis

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

JOURNAL = "journal.log"
SEALS = ".crc"  # in place of its suffix: the file with a checksum of each line
NAME = "search"
SECONDS, FAILED = "seconds", "failed"  # attributes of a configuration
AMONG_THE_BEST = 5  # trials that importances need, and as many others


class Configuration(NamedTuple):
    """One point of the space, and how far it came."""

    number: int
    values: dict[str, Any]  # by axis; {} for the defaults
    accuracies: tuple[float, ...]  # on validation tasks, 0..1, on each rung that it reached
    seconds: float  # of training and validation
    failed: str = ""  # why it broke down


class Journal:
    """The configurations of a search, kept in a file.

    Args:
        folder: of the search; made already.
        axes: what is varied.

    Raises:
        RunError: the journal is damaged.
    """

    def __init__(self, folder: Path, axes: Sequence[Axis]):
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        path = folder / JOURNAL
        self._path = path
        _mend(path)
        _require_unchanged(path)
        _seal(path)  # Optuna adds lines when it opens the file, and where some were cut
        self.axes = tuple(axes)
        try:
            self._storage: BaseStorage = JournalStorage(JournalFileBackend(str(path)))
            self._study = optuna.create_study(
                storage=self._storage, study_name=NAME, direction="maximize", load_if_exists=True
            )
            _require_accuracies(self.configurations)
        except (ValueError, KeyError, TypeError, AttributeError, AssertionError) as error:
            raise _damaged(path) from error

    @property
    def configurations(self) -> list[Configuration]:
        """All configurations, in the order in which they were proposed."""
        return [self._configuration(trial) for trial in self._trials]

    def add(self, values: Mapping[str, Any]) -> None:
        """Add a configuration that nothing is known of yet."""
        from optuna.trial import TrialState, create_trial

        axes = [axis for axis in self.axes if axis.name in values]
        trial = create_trial(
            state=TrialState.RUNNING,
            params={axis.name: _stored(axis, values[axis.name]) for axis in axes},
            distributions={axis.name: _distribution(axis) for axis in axes},
        )
        self._study.add_trial(trial)
        _seal(self._path)

    def record(self, number: int, accuracy: float, seconds: float, failed: str = "") -> None:
        """Add what a configuration reached on its next rung, and what that took."""
        trial = self._trials[number]
        before = self._configuration(trial)
        total = before.seconds + seconds
        self._storage.set_trial_user_attr(trial._trial_id, SECONDS, total)
        if failed:
            self._storage.set_trial_user_attr(trial._trial_id, FAILED, failed)
        rung = len(before.accuracies)
        self._storage.set_trial_intermediate_value(trial._trial_id, rung, accuracy)
        _seal(self._path)

    def propose(self, sampler: str, seed: int) -> dict[str, Any]:
        """Return the options of the next configuration, by axis.

        Args:
            sampler: "tpe" (a tree-structured Parzen estimator, arXiv 2304.11127) or "random".
        """
        told = self._told(_sampler(sampler, seed, len(self._trials)))
        trial = told.ask({axis.name: _distribution(axis) for axis in self.axes})
        return {axis.name: _read(axis, trial.params[axis.name]) for axis in self.axes}

    def importances(self) -> dict[str, float]:
        """Return by axis how much it mattered for being among the best on the first rung; sum 1.

        Watanabe, Bansal, Hutter: PED-ANOVA, IJCAI 2023, arXiv 2304.10255. It is {} where too few
        were tried, or all were equal.
        """
        from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
        from optuna.samplers import RandomSampler

        compared = self._told(RandomSampler(), rung=0)
        losses = [-trial.value for trial in compared.trials if trial.value is not None]
        if len(losses) < 2 * AMONG_THE_BEST or len(set(losses)) < 2:
            return {}
        share = max(0.1, AMONG_THE_BEST / len(losses))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of an evaluator that Optuna calls experimental
            found = get_param_importances(
                compared,
                evaluator=PedAnovaImportanceEvaluator(target_quantile=share),
                target=_loss,
            )
        return {name: share for name, share in found.items() if np.isfinite(share)}

    @property
    def _trials(self) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False)

    def _configuration(self, trial: FrozenTrial) -> Configuration:
        values = {}
        for axis in self.axes:
            if axis.name in trial.params:
                values[axis.name] = _read(axis, trial.params[axis.name])
        reached = sorted(trial.intermediate_values.items())
        return Configuration(
            number=trial.number,
            values=values,
            accuracies=tuple(accuracy for _, accuracy in reached),
            seconds=float(trial.user_attrs.get(SECONDS, 0.0)),
            failed=str(trial.user_attrs.get(FAILED, "")),
        )

    def _told(self, sampler: BaseSampler, rung: int | None = None) -> Study:
        """Return a study in memory that knows what the journal knows.

        The journal's own study does not: what waits on a rung is still running there.

        Args:
            rung: None: each configuration is as good as on the last rung that it reached, and those
                with fewer rungs are worse. A number: all that reached this rung, by what they had.
        """
        import optuna
        from optuna.trial import TrialState, create_trial

        study = optuna.create_study(direction="maximize", sampler=sampler)
        top = max((len(trial.intermediate_values) for trial in self._trials), default=0)
        for trial in self._trials:
            values = {
                step: value if np.isfinite(value) else 0.0
                for step, value in trial.intermediate_values.items()
            }
            if not trial.params or not values:
                continue  # the defaults, which may lie outside of the ranges
            last = max(values) if rung is None else rung
            done = rung is not None or last == top - 1
            study.add_trial(
                create_trial(
                    state=TrialState.COMPLETE if done else TrialState.PRUNED,
                    value=values[last],
                    params=trial.params,
                    distributions=trial.distributions,
                    intermediate_values=values,
                )
            )
        return study


def _sampler(name: str, seed: int, number: int) -> BaseSampler:
    """Return what proposes the configuration with a number; the seed is the same for all."""
    from optuna.samplers import RandomSampler, TPESampler

    own = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
    if name == "random":
        return RandomSampler(seed=own)
    return TPESampler(seed=own)


def _loss(trial: FrozenTrial) -> float:
    """Return what is smaller for a better trial."""
    assert trial.value is not None  # they are complete
    return -trial.value


def _distribution(axis: Axis) -> BaseDistribution:
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    if axis.values:
        return CategoricalDistribution([str(value) for value in axis.values])
    if axis.whole:
        return IntDistribution(int(axis.low), int(axis.high), log=axis.logarithmic)
    return FloatDistribution(axis.low, axis.high, log=axis.logarithmic)


def _stored(axis: Axis, value: Any) -> Any:
    """Return a value as Optuna keeps it: choices as text, for JSON has no tuples."""
    return str(value) if axis.values else value


def _read(axis: Axis, stored: Any) -> Any:
    """Return a value as the method takes it.

    Numbers have three figures: more decide nothing, and a spec should be short enough to type.
    """
    if axis.values:
        return next(value for value in axis.values if str(value) == stored)
    if axis.whole:
        return int(stored)
    short = float(f"{stored:.3g}")
    return min(max(short, axis.low), axis.high)


def _mend(path: Path) -> None:
    """Cut off a line that a killed process did not finish; nothing counted on it yet.

    Raises:
        RunError: another line is damaged.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return
    whole = content.rfind(b"\n") + 1
    for line in content[:whole].splitlines():
        try:
            json.loads(line)
        except ValueError as error:
            raise _damaged(path) from error
    if whole < len(content):
        with path.open("r+b") as file:
            file.truncate(whole)


def _require_accuracies(configurations: Sequence[Configuration]) -> None:
    """Raise `ValueError` or `TypeError` unless all accuracies are in 0..1, or of a breakdown."""
    for each in configurations:
        for accuracy in each.accuracies:
            if not (0 <= accuracy <= 1 or accuracy == float("-inf")):
                raise ValueError(f"{accuracy} is no accuracy")


def _seal(path: Path) -> None:
    """Write the checksum of each line of the journal beside it."""
    lines = path.read_bytes().splitlines() if path.exists() else []
    text = "".join(f"{zlib.crc32(line):08x}\n" for line in lines)
    write_file(path.with_suffix(SEALS), lambda part: part.write_text(text, encoding="ascii"))


def _require_unchanged(path: Path) -> None:
    """Raise `RunError` if a line has another checksum than when it was written.

    Lines after the last that was sealed are of a process that was killed; lines may be missing.
    """
    seals = path.with_suffix(SEALS)
    if not seals.exists() or not path.exists():
        return
    sealed = seals.read_text(encoding="ascii").split()
    for line, known in zip(path.read_bytes().splitlines(), sealed, strict=False):
        if f"{zlib.crc32(line):08x}" != known:
            raise _damaged(path)


def _damaged(path: Path) -> RunError:
    return RunError(
        f"{path} is damaged; the runs beside it are kept, so the search costs little again: "
        f"remove the file and type the same command: rm {path}"
    )
