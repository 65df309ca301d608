"""A trained run as a classifier of scikit-learn."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from workbench.commands.answering import check_ways, learner_for, trained_method
from workbench.commands.train import train
from workbench.data.arrays import as_pictures, as_sized, refuse_empty
from workbench.environment import device_name
from workbench.errors import WorkbenchError
from workbench.experiments.run import Run, find_run
from workbench.plugin.registry import DEFAULT_DATASET
from workbench.predicting.answer import probabilities
from workbench.progress import say_nothing

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.utils import assert_all_finite, column_or_1d
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_consistent_length, check_is_fitted
except ImportError as error:
    raise ImportError(
        "mlw.FewShotClassifier needs scikit-learn; run: pip install scikit-learn"
    ) from error

if TYPE_CHECKING:
    from sklearn.utils import Tags


class FewShotClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Classify images with a trained run, after showing it a few of each class.

    >>> birds = mlw.FewShotClassifier("runs/protonet-...").fit(known, ["owl", "owl", "jay", "jay"])
    >>> birds.predict(new)

    `fit` keeps the images and chooses test-time options, where the method has some. Each call of
    `predict` adapts the method, which was trained on other data, to them, and answers as
    `mlw.evaluate` would. Works with `cross_val_score`, pipelines and the metrics of
    scikit-learn, which is needed: pip install scikit-learn.

    Images are file names, PIL images, arrays or tensors: `(n, height, width)`, `(n, height, width,
    channels)` or `(n, channels, height, width)`, of 0 to 255 or 0.0 to 1.0. They are brought to the
    size and the channels of the run. Rows of numbers, as `sklearn.datasets` has them, are images
    that have these already.

    Args:
        run: a run folder, what `train` returned, or an algorithm ("protonet:steps=500", or own
            code), which is trained first, or read from `out` if it has been.
        train_on: data sets to train an algorithm on.
        shots: of the tasks to train it for.
        out: folder of the runs that are trained.
        device: auto, cpu, cuda, cuda:1, mps ...

    Attributes:
        classes_: the classes, sorted.
        run_: the run that is used.
        transductive_: whether the images of one call of `predict` decide about one another.
    """

    def __init__(
        self,
        run: str | os.PathLike[str] | Run | type = "protonet",
        *,
        train_on: str | Sequence[str] = DEFAULT_DATASET,
        shots: int = 1,
        out: str | os.PathLike[str] | None = None,
        device: str | None = None,
    ):
        self.run = run
        self.train_on = train_on
        self.shots = shots
        self.out = out
        self.device = device

    def fit(self, X: Iterable[Any], y: Iterable[Any]) -> Self:
        """Show images of each class.

        Args:
            X: n images.
            y: n classes, texts or whole numbers.

        Raises:
            ValueError: an image cannot be read, labels are missing, or there is one class only.
            UsageError: the method takes another number of classes.
            RunError: it is no run, is not finished, or its weights do not fit the present code.
        """
        truth = column_or_1d(y, warn=True)
        assert_all_finite(truth, input_name="y")
        check_classification_targets(truth)
        images = as_sized(X)
        refuse_empty(images)
        check_consistent_length(images, truth)
        self.classes_, numbers = np.unique(truth, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"The labels have one class, {self.classes_[0]}; give images of at least two"
            )
        self.run_ = self._trained(len(self.classes_))
        check_ways(self.run_, [str(name) for name in self.classes_])
        pictures = self._pictures(images)
        method = trained_method(self.run_, self.device or device_name())
        self._device = method.device
        self._learner = learner_for(method, numbers, say_nothing)
        self._support = (pictures, numbers.astype(np.int64))
        self.transductive_ = self._learner.transductive
        return self

    def predict_proba(self, X: Iterable[Any]) -> NDArray[np.float64]:
        """Return the probability of each class, `(n, classes)`; NaN where the method broke down."""
        check_is_fitted(self)
        support, labels = self._support
        return probabilities(
            self._learner,
            support,
            labels,
            self._pictures(X),
            device=self._device,
            precision=self.run_.plan.settings.precision,
        )

    def predict(self, X: Iterable[Any]) -> NDArray[Any]:
        """Return the most probable class of each image, `(n,)`.

        Raises:
            WorkbenchError: the method broke down on an image, so it has no class.
        """
        found = self.predict_proba(X)
        broken = int(np.isnan(found).any(axis=1).sum())
        if broken:
            raise WorkbenchError(
                f"{self.run_.label} broke down on {broken:,} of {len(found):,} images: its scores "
                "are not finite; predict_proba has NaN for these"
            )
        answers: NDArray[Any] = self.classes_[found.argmax(axis=1)]
        return answers

    def _trained(self, ways: int) -> Run:
        """Return the run that is named, or that an algorithm gives."""
        if isinstance(self.run, Run):
            return self.run
        if not isinstance(self.run, type) and os.path.isdir(self.run):
            return find_run(os.fspath(self.run))
        return train(
            self.run if isinstance(self.run, type) else os.fspath(self.run),
            on=self.train_on,
            ways=ways,
            shots=self.shots,
            out=self.out,
            device=self.device,
        )

    def _pictures(self, images: Iterable[Any]) -> NDArray[np.uint8]:
        """Return images as the run wants them, `(n, channels, height, width)`."""
        return as_pictures(images, self.run_.manifest.image_shape)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.classifier_tags.poor_score = True  # rows of numbers are no photographs
        return tags
