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

import ast
import hashlib
import inspect
import json
import os
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from importlib.abc import InspectLoader
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, resolve_name
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import RunError
from workbench.plugin import options as specs
from workbench.plugin import recipes
from workbench.plugin.registry import registry

if TYPE_CHECKING:
    import pandas as pd
    import torch

    from workbench.experiments.plan import Plan
    from workbench.learning.learner import Learner
    from workbench.tasks.splits import Data

FORMAT = 1  # of the folder
RESULTS_VERSION = 2  # raised when the core's numbers change


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
            raise RunError(f"{self.folder} is not a run folder: it has no run.toml; see: mlw train --help") from None
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
        self, data: Data, device: torch.device, *, seen: bool | None = None, options: Mapping[str, Any] | None = None
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

        from workbench.experiments.plan import build_learner

        if not self.finished:
            raise RunError(f"{self.folder} is not trained to the end; type the command that began it again")
        plan = self.plan()
        chosen = replace(plan, options=plan.options | dict(options or {}))
        learner = build_learner(chosen, data, seen=seen).to(device)
        try:
            learner.load_state_dict(load_file(self.folder / "weights.safetensors", device=str(device)))
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

        asked = ["test_on", "split", "protocol", "ways", "shots", "queries", "task_seed", "task", "instance"]
        frames: list[pd.DataFrame] = [pd.read_parquet(path) for path in self.folder.glob("eval/*.parquet")]
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


def find(places: Iterable[str | os.PathLike[str]]) -> list[Run]:
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
            raise RunError(f"There are no runs in {place}; make one with: mlw train protonet --out {place}")
        found += [Run(path) for path in inside]
    return found


def curves(names: Iterable[str], out: str | os.PathLike[str] = "runs") -> pd.DataFrame:
    """The learning curves of runs by folder name, one row a step that was written."""
    import pandas as pd

    return pd.concat([Run(Path(out) / name).curve() for name in names], ignore_index=True)


def with_published(frame: pd.DataFrame) -> pd.DataFrame:
    """Put the published number beside the rows whose data, protocol, ways, shots, backbone and options are its own."""
    columns = dict.fromkeys(("published", "published_interval"), float("nan")) | {"published_source": ""}
    frame = frame.assign(**columns)
    where = ["train_on", "test_on", "protocol", "ways", "shots"]
    for (name, chosen, backbone, *place), rows in frame.groupby(["algorithm", "all_options", "backbone", *where]):
        if not registry().knows("algorithms", str(name)):
            continue
        entry = registry().find("algorithms", str(name))
        number = recipes.matching(entry, str(chosen), dict(zip(where, place, strict=True)), str(backbone))
        if number:
            interval = float("nan") if number.interval is None else number.interval
            source = "; ".join(filter(None, [number.source, number.protocol]))
            numbers = {"published": number.accuracy, "published_interval": interval}
            frame.loc[rows.index, list(numbers)] = list(numbers.values())
            frame.loc[rows.index, "published_source"] = source
    return frame


def run_folder(plan: Plan, data: Data, out: Path) -> Path:
    """Where the run of a plan is or will be."""
    covered = {
        "plan": asdict(plan),
        "data": data.fingerprint,
        "sources": sources(plan),
        "results": RESULTS_VERSION,
    }
    digest = hashlib.sha256(json.dumps(covered, sort_keys=True).encode()).hexdigest()[:8]
    tested = f"{plan.val_ways}w{plan.val_shots}s-" if plan.episodic else ""
    return out / f"{plan.algorithm.replace('/', '-')}-{data.name.replace('/', '-')}-{tested}{digest}"


def begun(name: str, out: Path) -> Run:
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


def learnt_from(plan: Plan, out: Path) -> set[str]:
    """The single data sets that a plan, and all that it builds on, are trained on: their specs."""
    labels = set(plan.data.split(specs.TOGETHER))
    for first in (plan.init, *plan.teachers):
        if first:
            labels |= learnt_from(begun(first, out).plan() if isinstance(first, str) else first, out)
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


def sources(plan: Plan) -> dict[str, str]:
    """Checksums of the files that define algorithm and backbone, and those of what is trained before."""
    targets = {"algorithm": registry().find("algorithms", plan.algorithm).load()}
    if plan.backbone:
        targets["backbone"] = registry().find("backbones", specs.parse(plan.backbone).name).load()
    sums = {role: hashlib.sha256(_source_text(target).encode()).hexdigest() for role, target in targets.items()}
    for key, value in specs.parse(plan.backbone).options.items() if plan.backbone else ():
        if (path := Path(value).expanduser()).is_file():  # other weights in a file of one name are another run
            sums[f"backbone {key}"] = hashlib.sha256(path.read_bytes()).hexdigest()
    for number, first in enumerate([plan.init, *plan.teachers]):
        if not isinstance(first, str):
            sums |= {f"{number} {role}": checksum for role, checksum in sources(first).items()}
    return sums


def _source_text(target: type) -> str:
    """The text of the module that defines a target, and of the modules of its package that this one uses."""
    texts: dict[str, str] = {}
    todo = [target.__module__]
    while todo:
        name = todo.pop()
        if name not in texts:
            texts[name], used = _module(name)
            todo += used
    if not texts[target.__module__]:  # typed into a notebook or at a prompt: at best the class has a text
        try:
            return inspect.getsource(target)
        except (OSError, TypeError):
            return target.__qualname__
    return "\0".join(texts[name] for name in sorted(texts))


def _module(name: str) -> tuple[str, list[str]]:
    """The text of a module, if it has one, and the modules of its own package that it imports, at its top or later."""
    spec = _spec(name)
    text = spec.loader.get_source(name) if spec and isinstance(spec.loader, InspectLoader) else None
    package = name.partition(".")[0]
    if spec is None or text is None or package == "workbench":  # RESULTS_VERSION speaks for the core
        return text or "", []
    used = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            used += [alias.name for alias in node.names if alias.name.partition(".")[0] == package]
        elif isinstance(node, ast.ImportFrom):
            origin = resolve_name("." * node.level + (node.module or ""), spec.parent)
            if origin.partition(".")[0] == package:
                # `from package import module` uses that module, not all that the package registers
                inside = [f"{origin}.{alias.name}" for alias in node.names]
                used += [whole if _spec(whole) else origin for whole in inside]
    return text, used


def _spec(name: str) -> ModuleSpec | None:
    try:
        return find_spec(name)
    except (ModuleNotFoundError, ValueError):  # the name before the last dot is no package; or it is __main__
        return None


def write(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file under a temporary name and rename it: it is there whole, or not at all."""
    part = path.with_name(f".{path.name}.part")
    write(part)
    os.replace(part, path)


def write_toml(path: Path, content: Mapping[str, Any]) -> None:
    """Write TOML, whole or not at all; keys with None are left out, for TOML has no null."""
    import tomli_w

    write(path, lambda part: part.write_text(tomli_w.dumps(_without_none(content)), encoding="utf-8"))


def _without_none(value: Any) -> Any:
    """TOML has no null: a key that is absent says none."""
    if isinstance(value, Mapping):
        return {key: _without_none(inner) for key, inner in value.items() if inner is not None}
    return [_without_none(inner) for inner in value] if isinstance(value, tuple | list) else value


def _plan(table: Mapping[str, Any] | str) -> Any:
    """A plan read from TOML, with its absent keys as None again; or the run folder that stands for one."""
    from workbench.experiments.plan import Plan
    from workbench.learning.training import TrainSettings, settings_options

    if isinstance(table, str):
        return table
    options = specs.options_of(registry().find("algorithms", table["algorithm"]).load())
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
