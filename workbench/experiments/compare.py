"""Compare methods: every cell on the same tasks, one tidy frame.

A cell is (algorithm x backbone x data set x ways x shots x seed). Each is trained into its run folder
and judged; what is finished is read, so the same command again costs nothing and goes on where it
was stopped.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from workbench.errors import DataError, UnknownName, UsageError
from workbench.experiments.fingerprint import run_folder
from workbench.experiments.run import training_data_of, writable
from workbench.plugin.options import Spec, parse_spec
from workbench.plugin.registry import DEFAULT_DATASET, registry
from workbench.results.figures import accuracy_figure, difference_figure
from workbench.storage import write_file

if TYPE_CHECKING:
    import pandas as pd

    from workbench.experiments.plan import Plan
    from workbench.experiments.train_run import Watch
    from workbench.tasks.splits import Data


class Cell(NamedTuple):
    """One entry of a comparison, planned and checked."""

    plan: Plan
    train_data: Data
    data: Data  # of the test
    ways: int
    shots: int
    queries: int


class _Form(NamedTuple):
    """Where test tasks of one form come from, and what is trained on for them."""

    place: str
    trained_on: str
    ways: int
    shots: int
    queries: int


def compare(
    algorithms: Sequence[str],
    *,
    on: str | Sequence[str] = DEFAULT_DATASET,
    train_on: str | Sequence[str] | None = None,
    leave_one_out: bool = False,
    ways: int | Sequence[int] | None = None,
    shots: int | Sequence[int] = 1,
    queries: int | None = None,
    protocol: str = "way-shot",
    episodes: int = 600,
    seeds: int = 1,
    task_seed: int = 0,
    backbone: str | Sequence[str] | None = None,
    recipe: str = "quick",
    baseline: str | Sequence[str] | None = None,
    out: str | os.PathLike[str] = "runs",
    device: str = "auto",
    fresh: bool = False,
    watch: Watch | None = None,
    note: Callable[[str], None] | None = None,
    **settings: Any,
) -> pd.DataFrame:
    """Train and judge every cell; return one row a test task.

    >>> frame = mlw.compare(["protonet", "maml"], on="omniglot", shots=[1, 5])

    The frame is written too, with its summary, the paired differences and figures, in the folder
    `frame.attrs["folder"]`.

    Args:
        algorithms: specs, `maml:first_order=true`.
        on: data sets, specs too, on whose test classes the methods are judged.
        train_on: the data sets on whose training classes they are trained, several at once; if left out, each of
            `on` its own.
        leave_one_out: train for each of `on` on all the others together; those without training classes are only
            tested on. One of which all classes train, `eurosat:split=train`, is judged as `eurosat`.
        ways: of a test task; if left out, 5, or as many as the test classes are.
        queries: a class, in a test task; if left out, 15, or what the shots leave.
        protocol: how test tasks are drawn, a spec: `unbalanced:alpha=5`.
        episodes: test tasks, the same for every cell of one (data set, ways, shots).
        seeds: how many trainings a cell, with seeds 0 to seeds - 1.
        baseline: the methods to whose best the heat map compares, by algorithm or label; see `report.baselines`.
        fresh: compute anew what is finished.
        watch: shows the records of a training.
        note: told what is going on, a line at a time.
        settings: training settings for all algorithms; None leaves the recipe's.

    Raises:
        UsageError, DataError: before anything is trained, if any cell cannot be. Only ways and shots for which one of
            several data sets is too small are left out, and noted.
    """
    import pandas as pd

    from workbench.experiments.evaluate_run import evaluate_run
    from workbench.experiments.train_run import train_run, unwatched
    from workbench.learning.device import select_device

    for name in algorithms:
        registry().find(
            "algorithms", parse_spec(name).name
        )  # a misspelt name before any data is opened
    chosen = select_device(device)
    given = {key: value for key, value in settings.items() if value is not None}
    out = Path(out)
    places = _places(_listed(on), _listed(train_on) if train_on else [], leave_one_out, note)
    forms = _forms(places, _listed(ways), _listed(shots), queries, protocol, note)
    cells = list(_cells(algorithms, forms, seeds, backbone, recipe, given, out))
    measured_against = _listed(baseline) if baseline else []
    _check_baselines(measured_against, [cell.plan for cell in cells])
    frames: list[pd.DataFrame] = []
    for number, cell in enumerate(cells, 1):
        folder = run_folder(cell.plan, cell.train_data, out)
        if note:
            note(f"[{number}/{len(cells)}] {folder.name}")
        run = train_run(
            cell.plan,
            cell.train_data,
            out,
            device=chosen,
            fresh=fresh and not _seen(frames, folder),
            watch=watch or unwatched,
        )
        judged = evaluate_run(
            run,
            cell.data,
            ways=cell.ways,
            shots=cell.shots,
            queries=cell.queries,
            protocol=protocol,
            episodes=episodes,
            seed=task_seed,
            device=chosen,
            fresh=fresh,
        )
        frames.append(judged)
    frame = pd.concat(frames, ignore_index=True)
    folder = out / "comparisons" / _name(frame, protocol, episodes, task_seed)
    _write(frame, folder, measured_against)
    frame.attrs["folder"] = str(folder)
    return frame


def _places(
    on: list[str], train_on: list[str], leave_one_out: bool, note: Callable[[str], None] | None
) -> list[tuple[str, str]]:
    """What is tested on, and what is trained on for it."""
    from workbench.plugin.options import TOGETHER

    if not leave_one_out:
        return [(place, TOGETHER.join(train_on) or place) for place in on]
    if train_on:
        raise UsageError(
            "--leave-one-out trains on the other data sets of --on; leave --train-on out"
        )
    if len(on) < 2:
        raise UsageError(
            "--leave-one-out needs several data sets; write for instance --on omniglot glyphs --leave-one-out"
        )
    return list(_left_out(on, note))


def _left_out(on: list[str], note: Callable[[str], None] | None) -> Iterator[tuple[str, str]]:
    """Each data set, and all the others that have training classes."""
    from workbench.plugin.options import TOGETHER
    from workbench.tasks.splits import open_data

    trained = [place for place in on if "train" in open_data(place).tables]
    if (only := [place for place in on if place not in trained]) and note:
        note(f"only tested on, for there are no training classes: {', '.join(only)}")
    for place in on:
        others = [other for other in trained if open_data(other).label != open_data(place).label]
        if not others:
            raise UsageError(
                f"Nothing is left to train on when {place} is left out: "
                f"no other data set of --on has training classes; add one, see: mlw list datasets"
            )
        yield _judged_as(place), TOGETHER.join(others)


def _judged_as(place: str) -> str:
    """A data set of which all classes train, `eurosat:split=train`, is judged without that option."""
    from workbench.tasks.splits import open_data

    if "test" in open_data(place).tables:
        return place
    spec = parse_spec(place)
    return str(
        Spec(spec.name, {key: value for key, value in spec.options.items() if key != "split"})
    )


def _check_baselines(names: list[str], plans: list[Plan]) -> None:
    """Refuse a baseline that is not compared, before anything is trained."""
    known = {plan.algorithm: 0 for plan in plans} | {
        f"{plan.algorithm}:{plan.typed}": 0 for plan in plans if plan.typed
    }
    for name in names:
        if name not in known:
            raise UnknownName("method", name, known)


def _forms(
    places: list[tuple[str, str]],
    ways: list[int] | list[None],
    shots: list[int],
    queries: int | None,
    protocol: str,
    note: Callable[[str], None] | None,
) -> list[_Form]:
    """The tasks to judge on.

    Of several data sets one may be too small for some ways and shots, as Omniglot's classes of 20 images are for 20
    shots: it is left out there, with a note, and judged where it can be.

    Raises:
        DataError: nothing would be left of a data set, or of ways and shots.
    """
    from workbench.tasks.protocols.build import build_protocol
    from workbench.tasks.splits import open_data

    found, refused = [], []
    for (place, trained_on), way, shot in product(places, ways, shots):
        data = open_data(place)
        try:
            all_ways, asked = data.fitting("test", way, shot, queries)
            drawn_by = build_protocol(protocol, all_ways, shot, asked)
            drawn_by.check(data.classes("test"), f"the test classes of {data.label}")
        except DataError as error:
            refused.append((place, way, shot, error))
        else:
            found.append((way, _Form(place, trained_on, all_ways, shot, asked)))
    judged = {form.place for _, form in found}
    met = {(way, form.shots) for way, form in found}
    for place, way, shot, why in refused:
        if place not in judged or (way, shot) not in met:
            raise why
        if note:
            note(f"left out: {why}")
    return [form for _, form in found]


def _cells(
    algorithms: Sequence[str],
    forms: Sequence[_Form],
    seeds: int,
    backbone: str | Sequence[str] | None,
    recipe: str,
    settings: Mapping[str, Any],
    out: Path,
) -> Iterator[Cell]:
    """Plan all cells, so that what cannot be is said before anything is trained."""
    from workbench.experiments.plan import make_plan
    from workbench.tasks.splits import open_data, refuse_leak, require_same_shape

    backbones = [backbone] if backbone is None or isinstance(backbone, str) else list(backbone)
    axes = (forms, list(dict.fromkeys(algorithms)), backbones, range(seeds))
    for form, algorithm, wanted, seed in product(*axes):
        data, train_data = open_data(form.place), open_data(form.trained_on)
        asked: dict[str, Any] = {
            "ways": form.ways,
            "shots": form.shots,
            "recipe": recipe,
            "seed": seed,
        }
        plan = make_plan(algorithm, train_data, backbone=wanted, settings=settings, **asked)
        require_same_shape(f"The images of {train_data.label} are", train_data.image_shape, data)
        refuse_leak(train_data, data, earlier=training_data_of(plan, out))
        yield Cell(plan, train_data, data, form.ways, form.shots, form.queries)


def _name(frame: pd.DataFrame, *protocol: str | int) -> str:
    """The methods, and a hash of what was compared."""
    cells = (
        frame[["run", "test_on", "ways", "shots", "queries"]].drop_duplicates().to_numpy().tolist()
    )
    digest = hashlib.sha256(json.dumps([cells, protocol]).encode()).hexdigest()[:8]
    return f"{'-'.join(frame['algorithm'].unique()).replace('/', '-')[:60]}-{digest}"


def _write(frame: pd.DataFrame, folder: Path, baseline: Sequence[str]) -> None:
    """The tidy frames and the figures, for who does not read them from the command line."""
    from workbench.results.heatmap import heatmap_figure
    from workbench.results.summary import differences, is_matrix, summary

    with writable(folder):
        write_file(folder / "tasks.parquet", lambda part: frame.to_parquet(part, index=False))
        cells = summary(frame, baseline)
        for name, table in (("summary", cells), ("differences", differences(frame))):
            write_file(folder / f"{name}.csv", partial(table.to_csv, index=False))
        drawn = {"accuracy": accuracy_figure(frame), "differences": difference_figure(frame)}
        if is_matrix(cells):
            drawn["heatmap"] = heatmap_figure(frame, baseline)
        for name, figure in drawn.items():
            write_file(folder / f"{name}.png", partial(figure.savefig, dpi=150, format="png"))


def _seen(frames: Sequence[pd.DataFrame], folder: Path) -> bool:
    """Whether this comparison has made the run already: a baseline serves all ways and shots."""
    return any(frame["run"].iloc[0] == folder.name for frame in frames)


def _listed(value: Any) -> list[Any]:
    return [value] if value is None or isinstance(value, str | int) else list(dict.fromkeys(value))
