"""Train, evaluate and fairly compare few-shot and meta-learning methods.

`import workbench as mlw` and `mlw.compare(["protonet", "maml"], on="omniglot", shots=[1, 5])`, or the
command `mlw`. What is listed here is the public interface; names are imported on first use, so that
`mlw --help` imports no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.data.prepared import Dataset, ImageClass
    from workbench.errors import WorkbenchError
    from workbench.experiments.compare import compare
    from workbench.learning.learner import Backbone, Learner, query_loss, uses_batch_statistics
    from workbench.plugin.hookspecs import hookimpl
    from workbench.plugin.options import Above, AtLeast
    from workbench.tasks.source import Source
    from workbench.tasks.task import Examples, Predictor, Task

__version__ = "0.1.0"

_HOMES = {
    "Above": "plugin.options",
    "AtLeast": "plugin.options",
    "Backbone": "learning.learner",
    "Dataset": "data.prepared",
    "Examples": "tasks.task",
    "ImageClass": "data.prepared",
    "Learner": "learning.learner",
    "Predictor": "tasks.task",
    "Source": "tasks.source",
    "Task": "tasks.task",
    "WorkbenchError": "errors",
    "compare": "experiments.compare",
    "hookimpl": "plugin.hookspecs",
    "query_loss": "learning.learner",
    "uses_batch_statistics": "learning.learner",
}

__all__ = [
    "Above",
    "AtLeast",
    "Backbone",
    "Dataset",
    "Examples",
    "ImageClass",
    "Learner",
    "Predictor",
    "Source",
    "Task",
    "WorkbenchError",
    "compare",
    "hookimpl",
    "query_loss",
    "uses_batch_statistics",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'workbench' has no attribute {name!r}")
    return getattr(import_module(f"workbench.{_HOMES[name]}"), name)
