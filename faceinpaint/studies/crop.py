"""The network and the symmetric crop together: the third row of the paper's claim, beside each of them alone."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from faceinpaint.contract import checked
from faceinpaint.photo.alignment import Alignment, centred_face
from faceinpaint.photo.other_half import Source, with_detail


def network_and_crop(restore: Callable) -> Callable:
    """`restore` of a network, with detail from the undamaged side: mirrored, registered onto the restoration and
    carried over where both agree, as in photographs.

    images: uint8 [N, S, S, 3] of aligned faces, whole frames; closer ones, which have the same axis, count as whole.
    """

    def restore_both(images, masks):
        restored = restore(images, masks)
        images, masks, single = checked(images, masks)
        both = [_detailed(*one) for one in zip(images, masks[..., 0] > 0, restored.reshape(images.shape), strict=True)]
        return both[0] if single else np.stack(both)

    return restore_both


def _detailed(image, hole, restored):
    """`restored` uint8 [S, S, 3] of `image` with its `hole`, bool [S, S], with detail of its other half."""
    here = Source(image, hole, Alignment.of(centred_face(*hole.shape)), mirrored=False)
    picture = restored.astype(np.float32)
    with_detail(picture, hole, here.alignment, here, [replace(here, mirrored=True)])
    return np.where(hole[..., None], np.rint(np.clip(picture, 0, 255)).astype(np.uint8), image)
