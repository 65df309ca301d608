"""Train, evaluate and fairly compare few-shot and meta-learning methods.

`import workbench as mlw` and `mlw.compare(["protonet", "maml"], on="omniglot", shots=[1, 5])`, or the
command `mlw`. What is listed here is the public interface; names are imported on first use, so that
`mlw --help` imports no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.comparison import compare
    from workbench.errors import WorkbenchError
    from workbench.hookspecs import hookimpl
    from workbench.images import Dataset, ImageClass
    from workbench.learner import Backbone, Learner, query_loss, uses_batch_statistics
    from workbench.source import Source
    from workbench.specs import Above, AtLeast
    from workbench.tasks import Examples, Predictor, Task

__version__ = "0.1.0"

_HOMES = {
    "Above": "specs",
    "AtLeast": "specs",
    "Backbone": "learner",
    "Dataset": "images",
    "Examples": "tasks",
    "ImageClass": "images",
    "Learner": "learner",
    "Predictor": "tasks",
    "Source": "source",
    "Task": "tasks",
    "WorkbenchError": "errors",
    "compare": "comparison",
    "hookimpl": "hookspecs",
    "query_loss": "learner",
    "uses_batch_statistics": "learner",
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
