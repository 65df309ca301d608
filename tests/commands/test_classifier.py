"""A run as a classifier of scikit-learn: the numbers of `evaluate`, forms of images, the API."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import check_estimator
from sklearn.utils.validation import validate_data

import workbench as mlw
from workbench.data.opening import open_dataset
from workbench.errors import UsageError, WorkbenchError
from workbench.plugin.registry import registry
from workbench.tasks.protocols.way_shot import WayShot
from workbench.tasks.source import Source
from workbench.tasks.splits import domain

TASKS = 3


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def run(out):
    return mlw.train("protonet", on="glyphs", steps=2, validate_every=0, out=out, shots=2)


@pytest.fixture(scope="module")
def tasks():
    """Return images and labels of the first test tasks of the glyphs."""
    dataset = open_dataset("glyphs")
    images = dataset.table("test").images
    source = Source([domain(dataset, "test")], WayShot(5, 2, 3), seed=0)
    found = []
    for number in range(TASKS):
        rows = next(source.stacks(number, 1, 1))
        found.append(
            (images[rows.support[0]], rows.support_y[0], images[rows.query[0]], rows.query_y[0])
        )
    return found


def a_run_of(name, out):
    return mlw.train(name, on="glyphs", steps=2, validate_every=0, out=out, shots=2)


SHORT = {  # fewer steps per task, in less time
    "anil": "anil:test_steps=2",
    "baseline": "baseline:head_epochs=3",
    "baselinepp": "baselinepp:head_epochs=3",
    "cnaps": "cnaps:meta_batch=1",
    "film": "film:meta_batch=1",
    "finetune": "finetune:tune_epochs=2",
    "l2l": "l2l:inner_steps=2,meta_batch=1",
    "reptile": "reptile:test_steps=3",
    "tim": "tim:head_steps=10",
    "tsa": "tsa:adapt_steps=3",
    "url": "url:adapt_steps=3",
}


@pytest.mark.parametrize("name", sorted(registry().entries("algorithms")))
def test_accuracies_are_those_of_evaluate(name, out, tasks):
    run = a_run_of(SHORT.get(name, name), out)
    frame = mlw.evaluate(run, on="glyphs", shots=2, queries=3, episodes=TASKS)
    accuracies = []
    for support, labels, queries, truth in tasks:
        classifier = mlw.FewShotClassifier(run).fit(support, labels)
        accuracies.append(classifier.score(queries, truth))
    assert accuracies == frame["accuracy"].tolist()
    assert classifier.transductive_ == frame["transductive"].all()


def test_an_algorithm_is_trained_first_and_only_once(out, tasks):
    support, labels, queries, _ = tasks[0]
    first = mlw.FewShotClassifier("nearest_pixel", out=out).fit(support, labels)
    again = mlw.FewShotClassifier("nearest_pixel", out=out).fit(support, labels)
    assert first.run_.folder == again.run_.folder
    assert np.array_equal(first.predict(queries), again.predict(queries))


def test_classes_may_be_texts(run, tasks):
    support, labels, queries, _ = tasks[0]
    names = np.array(["owl", "jay", "elk", "ant", "bee"])
    classifier = mlw.FewShotClassifier(run).fit(support, names[labels])
    assert classifier.classes_.tolist() == ["ant", "bee", "elk", "jay", "owl"]
    by_number = mlw.FewShotClassifier(run).fit(support, labels)
    assert np.array_equal(classifier.predict(queries), names[by_number.predict(queries)])
    assert classifier.predict_proba(queries).shape == (len(queries), 5)


# --- forms of images


def forms(images, folder):
    """Return the same images in every form that is taken."""
    files = []
    for number, image in enumerate(images):
        files.append(folder / f"{number}.png")
        Image.fromarray(image[0]).save(files[-1])
    return {
        "file names": [str(file) for file in files],
        "paths": files,
        "pictures": [Image.open(file) for file in files],
        "(n, c, h, w)": images,
        "(n, h, w)": images[:, 0],
        "(n, h, w, c)": images.transpose(0, 2, 3, 1),
        "RGB": np.repeat(images, 3, axis=1).transpose(0, 2, 3, 1),
        "rows": images.reshape(len(images), -1),
        "whole numbers": images.astype(np.int64),
        "floats": images / 255,
        "float32": (images / 255).astype(np.float32),
        "a tensor": torch.from_numpy(np.array(images)),
        "tensors of floats": [torch.from_numpy(image / 255) for image in images],
        "a list": list(images),
    }


def test_all_forms_of_images_give_the_same_answers(run, tasks, tmp_path):
    support, labels, queries, _ = tasks[0]
    classifier = mlw.FewShotClassifier(run).fit(support, labels)
    expected = classifier.predict_proba(queries)
    for form, images in forms(queries, tmp_path).items():
        assert np.array_equal(classifier.predict_proba(images), expected), form


def test_another_size_is_resized_as_that_of_a_file(run, tasks, tmp_path):
    support, labels, queries, _ = tasks[0]
    classifier = mlw.FewShotClassifier(run).fit(support, labels)
    large = np.kron(queries[:, 0], np.ones((3, 3), np.uint8))
    files = []
    for number, image in enumerate(large):
        files.append(tmp_path / f"{number}.png")
        Image.fromarray(image).save(files[-1])
    assert np.array_equal(classifier.predict_proba(large), classifier.predict_proba(files))


@pytest.mark.parametrize(
    ("images", "words"),
    [
        ("owl.png", "several images"),
        ([], "0 sample"),
        (np.zeros((2, 7)), "no images of 1 x 28 x 28"),
        (np.full((2, 28, 28), 2.5), "outside of 0 to 1"),
        (np.full((2, 28, 28), 300), "outside of 0 to 255"),
        (np.full((2, 28, 28), np.nan), "NaN or infinity"),
        (np.zeros((2, 28, 28), complex), "is no image"),
        (np.zeros((2, 28, 28, 7), np.uint8), r"has the shape \(28, 28, 7\)"),
        (["no/such.png"], "no/such.png cannot be read: No such file"),
    ],
)
def test_what_is_no_image_is_refused(run, tasks, images, words):
    support, labels, _, _ = tasks[0]
    classifier = mlw.FewShotClassifier(run).fit(support, labels)
    with pytest.raises(ValueError, match=words):
        classifier.predict(images)


def test_a_file_that_is_no_image_is_named(run, tasks, tmp_path):
    support, labels, _, _ = tasks[0]
    (tmp_path / "text.png").write_text("no image")
    classifier = mlw.FewShotClassifier(run).fit(support, labels)
    with pytest.raises(ValueError, match=r"text\.png is not an image"):
        classifier.predict([tmp_path / "text.png"])


# --- refusals


def test_one_class_and_other_numbers_of_classes_are_refused(out, run, tasks):
    support, labels, _, _ = tasks[0]
    with pytest.raises(ValueError, match="The labels have one class, 3"):
        mlw.FewShotClassifier(run).fit(support[:2], [3, 3])
    some = labels < 3
    with pytest.raises(UsageError, match="trained for 5 classes, and the support has 3"):
        mlw.FewShotClassifier(a_run_of("maml", out)).fit(support[some], labels[some])


def test_where_a_method_breaks_down_there_is_no_class(run, tasks, monkeypatch):
    support, labels, queries, _ = tasks[0]
    classifier = mlw.FewShotClassifier(run).fit(support, labels)
    found = np.full((len(queries), 5), 0.2)
    found[1] = np.nan
    monkeypatch.setattr("workbench.commands.classifier.probabilities", lambda *a, **k: found)
    words = re.escape(f"protonet broke down on 1 of {len(queries)} images")
    with pytest.raises(WorkbenchError, match=words):
        classifier.predict(queries)


# --- scikit-learn


def test_it_takes_part_in_cross_validation_and_pipelines(run, tasks):
    support, labels, queries, truth = tasks[0]
    images, classes = np.concatenate([support, queries]), np.concatenate([labels, truth])
    splits = StratifiedKFold(5, shuffle=True, random_state=0)
    alone = cross_val_score(mlw.FewShotClassifier(run), images, classes, cv=splits)
    inverted = make_pipeline(FunctionTransformer(np.invert), FunctionTransformer(np.invert))
    piped = make_pipeline(*[step for _, step in inverted.steps], mlw.FewShotClassifier(run))
    assert alone.mean() > 0.5
    assert np.array_equal(cross_val_score(piped, images, classes, cv=splits), alone)


def test_a_clone_has_the_same_settings_and_no_images(run, tasks):
    support, labels, queries, _ = tasks[0]
    classifier = mlw.FewShotClassifier(run, device="cpu").fit(support, labels)
    other = clone(classifier)
    assert other.get_params() == classifier.get_params()
    assert not hasattr(other, "classes_")
    other.fit(support, labels)
    assert np.array_equal(other.predict(queries), classifier.predict(queries))


class OnRows(mlw.FewShotClassifier):
    """Paints rows of any numbers as images, because the checks of scikit-learn have no images."""

    def _pictures(self, images):
        fitting = not hasattr(self, "transductive_")
        rows = validate_data(self, images, reset=fitting, dtype=np.float64)
        if fitting:
            self._least, self._most = rows.min(), rows.max()
        span = max(self._most - self._least, 1e-9)
        values = np.clip(255 * (rows - self._least) / span, 0, 255)
        side = self.run_.manifest.image_shape[-1]
        repeated = np.resize(values.T, (side * side, len(rows))).T
        return repeated.reshape(-1, 1, side, side).astype(np.uint8)

    def fit(self, X, y):
        for name in [name for name in vars(self) if name.endswith("_")]:
            delattr(self, name)
        return super().fit(X, y)


def test_it_passes_the_checks_of_scikit_learn(out):
    results = check_estimator(
        OnRows("nearest_pixel", out=out),
        on_fail=None,
        on_skip=None,
    )
    failed = {}
    for each in results:
        if each["status"] == "failed":
            failed[each["check_name"]] = each["exception"]
    assert failed == {}
    assert len(results) > 40
