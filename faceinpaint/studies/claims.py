"""The paper's claim against the symmetric crop, at CelebA's own resolution, with a third way: both together."""

import numpy as np

from faceinpaint.baselines import symmetric_crop
from faceinpaint.evaluation import Restore
from faceinpaint.studies.other_half import upright_repaired


def ways(restorer) -> dict[str, Restore]:
    """What is compared, by name: functions of (images uint8 [N, 178, 178, 3], masks [N, 178, 178, 1]) that return
    restored images. network: as a photograph is restored, without its other half; symmetric_crop: that half, mirrored;
    both: the network decides what goes where, the other half gives detail.

    restorer: an `Inpainter` or a `LiteInpainter`.
    """

    def photographs(other_half):
        def restore(images, masks):
            pairs = zip(images, masks[..., 0] > 0, strict=True)
            return np.stack([upright_repaired(*pair, restorer, other_half=other_half) for pair in pairs])

        return restore

    return {"network": photographs(False), "symmetric_crop": symmetric_crop, "both": photographs(True)}
