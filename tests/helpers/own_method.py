"""The text of a method that a test writes to a file, and edits."""

from __future__ import annotations

METHOD = """
from workbench import Learner, query_loss
from workbench.functional import class_means


class Own(Learner):
    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone

    def embed(self, images):
        return self.backbone(images)

    def adapt(self, support):
        return lambda x: x @ class_means(support).mT

    def losses(self, source):
        return (query_loss(self, tasks) for tasks in source.tasks())
"""
