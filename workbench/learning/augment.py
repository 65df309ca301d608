"""Random changes to training images, each image by a draw of its own, on the device where the images are.

    none                 the images as they are
    crop                 a random part, 8 to 100% of the area and 3:4 to 4:3 in shape, resized to the whole
    shift                a random crop after a black border: 4 pixels for images under 64 pixels, 8 for larger
    jitter               brightness, then contrast, then saturation, each times 0.6 to 1.4
    flip                 left to right, half of the time
    crop+jitter+flip     several, in the order typed

What papers do, in these words: Baseline and Baseline++ (arXiv 1904.04232) `crop+jitter+flip`; MetaOptNet
(1904.03758) and RFS (2003.11539) `shift+jitter+flip`; SimpleShot's code (1911.04623) `crop+flip`.

Kornia does the work. Its numbers are drawn on the CPU by torch's global generator, whatever the device, so a
training that restores torch's random state goes on with the very same changes.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from workbench.errors import UnknownName, UsageError

Augment = Callable[[Tensor], Tensor]
"""Images `(n, channels, height, width)`, floats in 0..1, to changed images of the same shape in 0..1."""

NONE = "none"
NAMES = ("crop", "shift", "jitter", "flip")


def names(spec: str) -> tuple[str, ...]:
    """The changes that `crop+jitter+flip` asks for, in order; none for "none".

    Raises:
        UsageError: a name that is none of them, or one given twice.
    """
    asked = tuple(spec.split("+")) if spec != NONE else ()
    for name in asked:
        if name not in NAMES:
            raise UnknownName(
                "augmentation", name, [NONE, *NAMES], "Join several by +, as in crop+jitter+flip."
            )
    once = tuple(dict.fromkeys(asked))
    if len(once) < len(asked):
        raise UsageError(f"augment={spec} names one change twice; type augment={'+'.join(once)}")
    return asked


def build(spec: str, image_shape: tuple[int, int, int]) -> Augment | None:
    """What `augment=SPEC` does to a batch of images of (channels, height, width); None where it does nothing.

    Raises:
        UsageError: a name that is none of them or given twice, or jitter of images that are neither grey nor RGB.
    """
    asked = names(spec)
    channels, height, width = image_shape
    if "jitter" in asked and channels not in (1, 3):
        rest = "+".join(name for name in asked if name != "jitter") or NONE
        raise UsageError(
            f"jitter is for images of 1 or 3 channels, and these have {channels}; type augment={rest}"
        )
    if not asked:
        return None
    steps = _steps(height, width)
    return nn.Sequential(*[steps[name] for name in asked])


def _steps(height: int, width: int) -> dict[str, nn.Module]:
    # Kornia takes half a second to import, and most trainings are without.
    from kornia.augmentation import ColorJitter, RandomCrop, RandomHorizontalFlip, RandomResizedCrop

    size = (height, width)
    # Pixel centres at half pixels, as PIL and torchvision resize. A part is never larger than the whole, so it is
    # only ever enlarged, and whether to smooth before shrinking does not arise.
    crop = RandomResizedCrop(size, scale=(0.08, 1.0), ratio=(3 / 4, 4 / 3), align_corners=False)
    return {
        # Bilinear weights add up to 1 but for their last bit.
        "crop": nn.Sequential(crop, nn.Hardtanh(0.0, 1.0)),
        # MetaOptNet and RFS: 8 of miniImageNet's 84 pixels, 4 of CIFAR-FS's and FC100's 32.
        "shift": RandomCrop(size, padding=4 if min(size) < 64 else 8),
        # The order of Baseline's ImageJitter. Torchvision draws the order for each image, which changes only what is
        # cut off at black and white: the three commute. Kornia's ColorJiggle is other arithmetic than the papers'.
        "jitter": ColorJitter(brightness=0.4, contrast=0.4, saturation=0.4, order=(0, 1, 2)),
        "flip": RandomHorizontalFlip(p=0.5),
    }
