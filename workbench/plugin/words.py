"""Other words of the field for arguments and settings, so that a message can say which is meant."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

_TASKS = ("eval", "compare", "tune")
_TRAININGS = ("train", "compare", "tune", "recommend")

# arguments, and the commands that have them: what no option of a data set or a backbone can set
ARGUMENTS = {
    "ways": ("train", "eval", "compare", "tune", "recommend"),
    "shots": ("train", "eval", "compare", "tune", "recommend"),
    "queries": _TASKS,
    "protocol": _TASKS,
    "episodes": _TASKS,
    "task_seed": _TASKS,
    "calibrate": _TASKS,
    "trace": ("eval",),
    "split": ("eval",),
    "on": ("train", "eval", "compare", "tune", "runs"),
    "train_on": ("train", "compare", "recommend"),
    "seed": ("train", "tune"),
    "seeds": ("compare",),
    "trials": ("tune",),
    "tuned": ("compare",),
    "backbone": _TRAININGS,
    "recipe": _TRAININGS,
    "steps": _TRAININGS,
    "lr": _TRAININGS,
    "precision": _TRAININGS,
    "train_ways": _TRAININGS,
    "train_shots": _TRAININGS,
    "train_queries": _TRAININGS,
    "baseline": ("compare", "report"),
    "code": ("eval", "predict", "report"),
    "device": ("train", "eval", "compare", "tune", "predict", "recommend"),
    "out": ("info", "train", "compare", "tune", "predict", "recommend", "report"),
    "fresh": ("train", "eval", "compare", "tune", "recommend"),
    "track": ("train", "eval", "compare"),
}

# by our word, words of papers and of other libraries; `singular` covers n_, num_, k_ and endings
OTHER_WORDS = {
    "ways": ("way", "class", "nway", "kway", "test_way"),
    "shots": ("shot", "support", "kshot", "nshot", "test_shot", "samples_per_class"),
    "queries": ("query", "qry", "nquery", "test_query"),
    "episodes": ("episode", "test_episode", "task", "test_task", "eval_task", "eval_episode"),
    "steps": (
        "epoch",
        "iteration",
        "iter",
        "step",
        "max_step",
        "train_step",
        "update",
        "max_epoch",
    ),
    "lr": ("learning_rate", "outer_lr", "meta_lr", "alpha", "rate"),
    "batch_size": ("batchsize", "batch", "bs"),
    "meta_batch": ("meta_batch_size", "task_batch", "tasks_per_batch", "tasks_per_step"),
    "optimizer": ("optim", "optimiser", "opt"),
    "weight_decay": ("wd", "decay", "l2"),
    "clip_norm": ("grad_clip", "clip", "max_norm", "gradient_clip"),
    "schedule": ("scheduler", "lr_scheduler", "lr_schedule"),
    "augment": ("augmentation", "transform"),
    "precision": ("dtype", "amp", "fp16", "bf16"),
    "init": ("checkpoint", "ckpt", "pretrained", "resume", "weight"),
    "seed": ("random_seed", "manual_seed", "random_state", "rng"),
    "seeds": ("run", "repeat", "trial"),
    "on": ("test_on", "dataset", "data", "test_dataset", "eval_on"),
    "train_on": ("train_dataset", "source", "train_data"),
    "backbone": ("model", "network", "arch", "encoder", "architecture"),
    "device": ("gpu", "cuda", "accelerator"),
    "out": ("output", "out_dir", "save_dir", "root", "log_dir", "folder"),
}


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the known name that is most likely meant, "" if none is near.

    The field's other words come first: `n_shot` is `shots`, although `train_shots` is spelt more
    like it.
    """
    known = list(known)
    meant = same(name, known)
    return meant or next(iter(get_close_matches(_plain(name), known, n=1, cutoff=0.6)), "")


def same(name: str, known: Iterable[str]) -> str:
    """Return the known name that has this name or another word for it, "" if none has."""
    known = list(known)
    word = _plain(name)
    if word in known:
        return word
    for ours, others in OTHER_WORDS.items():
        if ours in known and _singular(word) in (_singular(ours), *others):
            return ours
    return ""


def commands_with(argument: str) -> str:
    """Return the commands that have an argument, in words: "mlw eval, compare or tune"."""
    *others, last = ARGUMENTS[argument]
    return f"mlw {', '.join(others)} or {last}" if others else f"mlw {last}"


def _plain(name: str) -> str:
    return name.lstrip("-").replace("-", "_").lower()


def _singular(word: str) -> str:
    """Return a word without what says that it is a number: "n_shots" is "shot"."""
    word = re.sub(r"^(n|num|number_of|k|q)_", "", word)
    if word == "queries":
        return "query"
    if word == "classes":
        return "class"
    if word.endswith("s") and not word.endswith("ss") and len(word) > 2:
        return word[:-1]
    return word
