"""Random changes to training images, drawn separately for each image, on the images' own device.

    none                 the images unchanged
    crop                 a random part, resized to the whole: 8 to 100% of the area, 3:4 to 4:3
    shift                a random crop after adding a black border: 4 pixels wide for images under
                         64 pixels, 8 for larger ones
    jitter               brightness, then contrast, then saturation, each multiplied by 0.6 to 1.4
    flip                 left to right, with probability 1/2
    crop+jitter+flip     several, in the order given

What papers use, in these words: Baseline and Baseline++ (arXiv 1904.04232) and TIM (2008.11297)
`crop+jitter+flip`; MetaOptNet (1904.03758) and RFS (2003.11539) `shift+jitter+flip`; SimpleShot
(1911.04623) `crop+flip`. The `paper` recipes of these methods do so too.

Kornia does the work. It draws its numbers on the CPU from torch's global generator, whatever the
device, so a training that restores torch's random state resumes with exactly the same changes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from workbench.errors import UnknownName, UsageError

if TYPE_CHECKING:  # checking the names of a plan needs no torch
    from torch import Tensor, nn

NONE = "none"
NAMES = ("crop", "shift", "jitter", "flip")


def names(spec: str) -> tuple[str, ...]:
    """Return the changes that `crop+jitter+flip` names, in order; "none" names no change.

    Raises:
        UsageError: a name is unknown or given twice.
    """
    if spec == NONE:
        return ()
    asked = tuple(spec.split("+"))
    for name in asked:
        if name not in NAMES:
            hint = "Join several with +, as in crop+jitter+flip."
            raise UnknownName("augmentation", name, [NONE, *NAMES], hint)
    once = tuple(dict.fromkeys(asked))
    if len(once) < len(asked):
        shorter = "+".join(once)
        raise UsageError(f"augment={spec} names a change twice; use augment={shorter}")
    return asked


def build(spec: str, image_shape: tuple[int, int, int]) -> Callable[[Tensor], Tensor] | None:
    """Build the function that `augment=SPEC` applies to a batch of images; None for "none".

    The function takes and returns images `(n, channels, height, width)`, floats in 0..1.

    Args:
        image_shape: (channels, height, width).

    Raises:
        UsageError: a name is unknown or given twice, or jitter is asked for and the images are
            neither grey nor RGB.
    """
    asked = names(spec)
    if not asked:
        return None
    from torch import nn

    channels, height, width = image_shape
    if "jitter" in asked:
        _require_grey_or_rgb(channels, asked)
    available = _changes(height, width)
    return nn.Sequential(*[available[name] for name in asked])


def _require_grey_or_rgb(channels: int, asked: tuple[str, ...]) -> None:
    if channels in (1, 3):
        return
    others = [name for name in asked if name != "jitter"]
    instead = "+".join(others) or NONE
    raise UsageError(
        f"jitter needs images of 1 or 3 channels, and these have {channels}; use augment={instead}"
    )


def _changes(height: int, width: int) -> dict[str, nn.Module]:
    # Kornia takes half a second to import, and most trainings do not need it.
    from kornia.augmentation import ColorJitter, RandomCrop, RandomHorizontalFlip, RandomResizedCrop
    from torch import nn

    size = (height, width)
    # Pixel centres lie at half pixels, as in PIL and torchvision. A part is never larger than the
    # whole, so it is only ever enlarged, and the question of antialiasing does not arise.
    crop = RandomResizedCrop(size, scale=(0.08, 1.0), ratio=(3 / 4, 4 / 3), align_corners=False)
    # Bilinear weights add up to 1 only up to rounding.
    crop_in_range = nn.Sequential(crop, nn.Hardtanh(0.0, 1.0))
    # MetaOptNet and RFS: 8 of miniImageNet's 84 pixels, 4 of the 32 of CIFAR-FS and FC100.
    border = 4 if min(size) < 64 else 8
    # The order of Baseline's ImageJitter. Torchvision draws the order for each image, which changes
    # only what is clipped at black and white, because the three commute. Kornia's ColorJiggle
    # computes something else than the papers do.
    jitter = ColorJitter(brightness=0.4, contrast=0.4, saturation=0.4, order=(0, 1, 2))
    return {
        "crop": crop_in_range,
        "shift": RandomCrop(size, padding=border),
        "jitter": jitter,
        "flip": RandomHorizontalFlip(p=0.5),
    }
