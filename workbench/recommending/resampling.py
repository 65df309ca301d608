"""Intervals of accuracies over repeated splits of the same images.

Splits share images, so their accuracies are correlated and the usual interval is too narrow.
Nadeau, Bengio: Inference for the Generalization Error, Machine Learning 52, 2003, correct the
variance of a mean over J splits of n1 training and n2 test images:

    (1 / J + n2 / n1) * variance of a split

That is for splits that use all images each time. Where n1 + n2 are only a share of the images,
splits share less; here n2 / n1 is multiplied with that share.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench.results.paired import Z


def corrected_interval(
    values: pd.Series[float], *, train: int, test: int, images: int
) -> tuple[float, float]:
    """Return the mean over splits and the half-width of its corrected 95% interval.

    Args:
        values: one for each split.
        train: images that a split learns from.
        test: images that it asks.
        images: of the whole data set.
    """
    numbers = values.to_numpy(dtype=np.float64)
    splits = len(numbers)
    shared = min((train + test) / images, 1.0)
    variance = (1 / splits + shared * test / train) * numbers.var(ddof=1)
    return float(numbers.mean()), Z * float(np.sqrt(variance))
