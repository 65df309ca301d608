"""The names that `compare` takes are those of the settings they set."""

from __future__ import annotations

from dataclasses import fields

from workbench.commands.keywords import (
    LayoutKeywords,
    TaskKeywords,
    TrainKeywords,
    WorkspaceKeywords,
)
from workbench.data.image_folder.choice import LayoutChoice
from workbench.experiments.workspace import Workspace
from workbench.learning.settings import settings_options
from workbench.tasks.settings import EvaluationSettings


def test_the_names_that_compare_takes_are_those_of_its_settings():
    assert set(TrainKeywords.__annotations__) == set(settings_options())
    workspace = {field.name for field in fields(Workspace)}
    assert set(WorkspaceKeywords.__annotations__) == workspace - {"tracking"}  # track, in compare
    tasks = {field.name for field in fields(EvaluationSettings)}
    assert set(TaskKeywords.__annotations__) == tasks - {"split"}
    assert set(LayoutKeywords.__annotations__) == set(LayoutChoice._fields)
