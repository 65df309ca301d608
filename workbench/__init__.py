"""Train, evaluate and fairly compare few-shot and meta-learning methods.

`import workbench as mlw` and `mlw.compare(["protonet", "maml"], on="omniglot", shots=[1, 5])`, or
the command `mlw`.

A plugin may import five modules: `workbench` (the contract), `workbench.data` (reading image
files), `workbench.functional` (arithmetic that methods share), `workbench.errors` and
`workbench.testing`. The names in their `__all__` are the public interface; all else may change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.lazy import lazy_names
from workbench.version import INTERFACE as INTERFACE
from workbench.version import __version__ as __version__

if TYPE_CHECKING:
    from workbench.commands.check import check
    from workbench.commands.classifier import FewShotClassifier
    from workbench.commands.compare import compare
    from workbench.commands.download import download
    from workbench.commands.evaluate import evaluate
    from workbench.commands.load import load
    from workbench.commands.predict import predict
    from workbench.commands.recommend import learn_experience, recommend
    from workbench.commands.report import report
    from workbench.commands.train import train
    from workbench.commands.tune import tune
    from workbench.data.dataset import Dataset, Groups, ImageClass
    from workbench.errors import WorkbenchError
    from workbench.experiments.tracker import TrackedEvaluation, TrackedRun, Tracker
    from workbench.learning.learner import Backbone, Learner, query_loss, uses_batch_statistics
    from workbench.learning.modulation import film_features, film_sites, modulated
    from workbench.learning.norms import normalises_by_batch, require_torch
    from workbench.plugin.hookspecs import Register, hookimpl
    from workbench.plugin.options import Above, AtLeast, Between
    from workbench.tasks.source import Source
    from workbench.tasks.task import Examples, Predictor, Task

__all__ = [
    "Above",
    "AtLeast",
    "Backbone",
    "Between",
    "Dataset",
    "Examples",
    "FewShotClassifier",
    "Groups",
    "ImageClass",
    "Learner",
    "Predictor",
    "Register",
    "Source",
    "Task",
    "TrackedEvaluation",
    "TrackedRun",
    "Tracker",
    "WorkbenchError",
    "check",
    "compare",
    "download",
    "evaluate",
    "film_features",
    "film_sites",
    "hookimpl",
    "learn_experience",
    "load",
    "modulated",
    "normalises_by_batch",
    "predict",
    "query_loss",
    "recommend",
    "report",
    "require_torch",
    "train",
    "tune",
    "uses_batch_statistics",
]

_HOMES = {
    "Above": "workbench.plugin.options",
    "AtLeast": "workbench.plugin.options",
    "Backbone": "workbench.learning.learner",
    "Between": "workbench.plugin.options",
    "Dataset": "workbench.data.dataset",
    "Examples": "workbench.tasks.task",
    "FewShotClassifier": "workbench.commands.classifier",
    "Groups": "workbench.data.dataset",
    "ImageClass": "workbench.data.dataset",
    "Learner": "workbench.learning.learner",
    "Predictor": "workbench.tasks.task",
    "Register": "workbench.plugin.hookspecs",
    "Source": "workbench.tasks.source",
    "Task": "workbench.tasks.task",
    "TrackedEvaluation": "workbench.experiments.tracker",
    "TrackedRun": "workbench.experiments.tracker",
    "Tracker": "workbench.experiments.tracker",
    "WorkbenchError": "workbench.errors",
    "check": "workbench.commands.check",
    "compare": "workbench.commands.compare",
    "download": "workbench.commands.download",
    "evaluate": "workbench.commands.evaluate",
    "film_features": "workbench.learning.modulation",
    "film_sites": "workbench.learning.modulation",
    "hookimpl": "workbench.plugin.hookspecs",
    "learn_experience": "workbench.commands.recommend",
    "load": "workbench.commands.load",
    "modulated": "workbench.learning.modulation",
    "normalises_by_batch": "workbench.learning.norms",
    "query_loss": "workbench.learning.learner",
    "predict": "workbench.commands.predict",
    "recommend": "workbench.commands.recommend",
    "report": "workbench.commands.report",
    "require_torch": "workbench.learning.norms",
    "train": "workbench.commands.train",
    "tune": "workbench.commands.tune",
    "uses_batch_statistics": "workbench.learning.learner",
}

__getattr__ = lazy_names(__name__, _HOMES)


def __dir__() -> list[str]:
    return [*__all__, "INTERFACE", "__version__"]
