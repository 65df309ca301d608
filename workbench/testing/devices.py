"""The checks in another precision, and on a device that stands for a GPU."""

from __future__ import annotations

import torch

from workbench.learning.learner import scores
from workbench.plugin.blame import at_place
from workbench.testing.adapting import check_rows
from workbench.testing.attempts import answer, embedded, first_losses, one_of
from workbench.testing.elsewhere import ELSEWHERE, LeftBehind, elsewhere, move
from workbench.testing.subject import USUAL, Subject
from workbench.testing.training import check_reached
from workbench.testing.watching import default_dtype


def check_float32(subject: Subject) -> None:
    """Check losses and one task in float32, in which everything is computed in the end."""
    with default_dtype(subject.single):
        learner = subject.learner()
        check_reached(first_losses(learner, subject.source(), "float32"))
        learner.zero_grad()
        learner.eval()
        with torch.no_grad():
            found = embedded(learner, next(subject.source().tasks()))
            check_rows(learner, found)
            given = answer(learner, one_of(found.task), seed=1)
        complaint = found.complaint or given.complaint
        assert not complaint, complaint
        assert not given.scores.isnan().any(), "scores must be numbers, and in float32 some are NaN"


def check_device(subject: Subject) -> None:
    """Check that a loss and a task stay on the device of the images.

    The stand-in for a GPU does not have all that torch has. What has worked on the CPU and fails
    here for another reason than a mixture of devices is not held against the learner.
    """
    try:
        with default_dtype(subject.single):
            _compute_elsewhere(subject)
    except LeftBehind as error:
        raise AssertionError(
            f"a learner must compute on the device of its images, and on a GPU {error}"
            f"{at_place(error)}"
        ) from error
    except AssertionError:
        raise
    except Exception:
        return


def _compute_elsewhere(subject: Subject) -> None:
    teachers = subject.teachers()
    learner = subject.learner(teachers)
    with elsewhere():
        for module in [learner, *teachers]:
            move(module)
        source = subject.source(USUAL, device=ELSEWHERE)
        loss = next(iter(learner.train().losses(source)), None)
        if loss is not None:
            assert loss.device == ELSEWHERE, "losses must stay on the device of the images"
            if loss.requires_grad:
                loss.backward()
        task = next(subject.source(USUAL, device=ELSEWHERE).tasks())
        learner.eval()
        with torch.no_grad():
            support = task.support._replace(x=learner.embed(task.support.x[0])[None])
            queries = learner.embed(task.query.x[0])[None]
            found = scores(learner, support, queries)
        assert found.device == ELSEWHERE, "scores must stay on the device of the images"
