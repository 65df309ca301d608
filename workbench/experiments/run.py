"""Run folders: a trained learner, how it came to be, and how it was judged.

    protonet-omniglot-5w1s-3fa9c2d1/
        run.toml                what was trained, with what, on what, with which versions
        train.csv               step, loss, learning rate, seconds, validation accuracy
        weights.safetensors     the trained weights; there once training is done
        state.pt                where an unfinished training stands
        eval/NAME-HASH.parquet  one row a test task; NAME-HASH.toml: what was asked

The hash in the name covers the plan, the data's content, the source text of the modules that define
algorithm and backbone (and of what these import from their own package), and RESULTS_VERSION. So what is
finished is never computed twice, a changed method never answers with old numbers, and what was
interrupted goes on, bit for bit.

Every file is written under a temporary name and renamed. Reading runs imports no torch.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import RunError
from workbench.plugin.options import TOGETHER, options_of
from workbench.plugin.registry import registry
from workbench.results.published import with_published

if TYPE_CHECKING:
    import pandas as pd
    import torch

    from workbench.experiments.plan import Plan
    from workbench.learning.learner import Learner
    from workbench.tasks.splits import Data

FORMAT = 1  # of the folder


@dataclass(frozen=True)
class Run:
    """One run folder."""

    folder: Path

    @cached_property
    def about(self) -> dict[str, Any]:
        """What `run.toml` says.

        Raises:
            RunError: there is none, or it is of another version.
        """
        path = self.folder / "run.toml"
        try:
            about = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise RunError(
                f"{self.folder} is not a run folder: it has no run.toml; see: mlw train --help"
            ) from None
        except (OSError, ValueError) as error:
            raise RunError(f"{path} cannot be read: {error}; train again with --fresh") from error
        if about.get("format") != FORMAT:
            raise RunError(
                f"{self.folder} was written in format {about.get('format')} by workbench "
                f"{about.get('versions', {}).get('workbench', '?')}, and this one reads format {FORMAT}; "
                "train again, or use the version that wrote it"
            )
        return about

    @property
    def finished(self) -> bool:
        """Whether training is done."""
        return (self.folder / "weights.safetensors").is_file()

    @property
    def label(self) -> str:
        """The algorithm as typed: `maml:first_order=true`."""
        plan = self.about["plan"]
        return f"{plan['algorithm']}:{plan['typed']}" if plan["typed"] else str(plan["algorithm"])

    def plan(self) -> Plan:
        """The plan that was trained."""
        plan: Plan = _plan(self.about["plan"])
        return plan

    def learner(
        self,
        data: Data,
        device: torch.device,
        *,
        seen: bool | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Learner:
        """The trained learner, in eval mode.

        Args:
            data: what it was trained on.
            seen: whether the tasks to come are of that data.
            options: of the test, over those of the plan.

        Raises:
            RunError: training is not finished, or the weights do not fit the code of today.
        """
        from safetensors.torch import load_file

        from workbench.experiments.build import build_learner

        if not self.finished:
            raise RunError(
                f"{self.folder} is not trained to the end; type the command that began it again"
            )
        plan = self.plan()
        chosen = replace(plan, options=plan.options | dict(options or {}))
        learner = build_learner(chosen, data, seen=seen).to(device)
        try:
            learner.load_state_dict(
                load_file(self.folder / "weights.safetensors", device=str(device))
            )
        except Exception as error:  # safetensors and torch raise many
            raise RunError(
                f"The weights of {self.folder} cannot be loaded into {self.about['plan']['algorithm']} as it is now: "
                f"{str(error).splitlines()[0]}; train again with --fresh"
            ) from error
        return learner.eval()

    def curve(self) -> pd.DataFrame:
        """train.csv with the columns `run` and `label` in front."""
        import pandas as pd

        frame = pd.read_csv(self.folder / "train.csv")
        frame.insert(0, "label", self.label)
        frame.insert(0, "run", self.folder.name)
        return frame

    def evaluations(self) -> pd.DataFrame:
        """All rows of all evaluations, one a task; of those that ask for the same tasks, the longest."""
        import pandas as pd

        asked = [
            "test_on",
            "split",
            "protocol",
            "ways",
            "shots",
            "queries",
            "task_seed",
            "task",
            "instance",
        ]
        frames: list[pd.DataFrame] = [
            pd.read_parquet(path) for path in self.folder.glob("eval/*.parquet")
        ]
        frames = [
            frame for frame in frames if {*asked, "all_options", "overlap"} <= set(frame)
        ]  # others are of an older version
        if not frames:
            return pd.DataFrame()
        frames.sort(key=len, reverse=True)
        frame = pd.concat(frames, ignore_index=True)
        # more tasks begin with the fewer, so what is dropped here is there already
        frame = frame.drop_duplicates(asked)
        return with_published(frame.reset_index(drop=True))


def find_runs(places: Iterable[str | os.PathLike[str]]) -> list[Run]:
    """The runs in folders: a folder is a run, or holds runs.

    Raises:
        RunError: a folder is neither.
    """
    found = []
    for place in map(Path, places):
        if (place / "run.toml").is_file():
            found.append(Run(place))
            continue
        inside = sorted(path.parent for path in place.glob("*/run.toml"))
        if not inside:
            raise RunError(
                f"There are no runs in {place}; make one with: mlw train protonet --out {place}"
            )
        found += [Run(path) for path in inside]
    return found


def learning_curves(names: Iterable[str], out: str | os.PathLike[str] = "runs") -> pd.DataFrame:
    """The learning curves of runs by folder name, one row a step that was written."""
    import pandas as pd

    return pd.concat([Run(Path(out) / name).curve() for name in names], ignore_index=True)


def finished_run(name: str, out: Path) -> Run:
    """The finished run that `init=` or `teachers=` names, below `out` or by its path.

    Raises:
        RunError: it is not there, or not finished.
    """
    run = Run(out / name if (out / name).is_dir() else Path(name))
    if not run.finished:
        raise RunError(
            f"{run.folder} is not a finished run, so nothing can start from it; name another, or finish it by the "
            "command in its run.toml"
        )
    return run


def training_data_of(plan: Plan, out: Path) -> set[str]:
    """The single data sets that a plan, and all that it builds on, are trained on: their specs."""
    labels = set(plan.data.split(TOGETHER))
    for first in (plan.init, *plan.teachers):
        if first:
            labels |= training_data_of(
                finished_run(first, out).plan() if isinstance(first, str) else first, out
            )
    return labels


@contextmanager
def writable(out: Path) -> Iterator[None]:
    """Turn an error of the disk below `out` into one sentence."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise RunError(
            f"{error.filename or out} cannot be written: {error.strerror or error}; choose another folder with --out"
        ) from error


def _plan(table: Mapping[str, Any] | str) -> Any:
    """A plan read from TOML, with its absent keys as None again; or the run folder that stands for one."""
    from workbench.experiments.plan import Plan
    from workbench.learning.settings import TrainSettings, settings_options

    if isinstance(table, str):
        return table
    options = options_of(registry().find("algorithms", table["algorithm"]).load())
    settings: dict[str, Any] = dict.fromkeys(settings_options()) | dict(table["settings"])
    whole: dict[str, Any] = dict.fromkeys(Plan.__dataclass_fields__) | dict(table)
    return Plan(
        **whole
        | {
            "options": dict.fromkeys(options) | dict(table["options"]),
            "settings": TrainSettings(**settings),
            "init": _plan(table.get("init", "")),
            "teachers": tuple(_plan(teacher) for teacher in table.get("teachers", ())),
        }
    )
