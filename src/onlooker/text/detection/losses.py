"""The loss of the DB detector.

References:
    Liao et al. 2020, "Real-time scene text detection with differentiable binarization", equations
    2 (binarisation with k = 50), 4 and 5 (hard negatives 3 : 1) and 6; Milletari et al. 2016,
    "V-Net" (Dice).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

SHARPNESS = 50.0
"""k of DB's equation 2."""

NEGATIVES_PER_POSITIVE = 3
"""DB, section 3.4."""


@dataclass(frozen=True, slots=True)
class Targets:
    """What the maps should be, each ``(N, H/2, W/2)`` float32.

    Attributes:
        core: 1 on the core of a word.
        valid: 0 where nothing is asked (illegible words).
        edge: Threshold wanted, 0.3 to 0.7.
        band: 1 near the words' edges, where the threshold counts.
    """

    core: torch.Tensor
    valid: torch.Tensor
    edge: torch.Tensor
    band: torch.Tensor


def db_loss(
    logits: torch.Tensor, targets: Targets, *, edge_weight: float = 3.0, dice_weight: float = 1.0
) -> torch.Tensor:
    """Compute the loss.

    Args:
        logits: ``(N, 2, H/2, W/2)``.
        targets: What the maps should be.
        edge_weight: Weight of the threshold map's L1 (DB uses 10 with sums of another scale).
        dice_weight: Weight of the Dice of the probability map and of the binarised map.
    """
    logits = logits.float()
    probability, threshold = torch.sigmoid(logits[:, 0]), torch.sigmoid(logits[:, 1])
    hard = _hard_bce(logits[:, 0], targets)
    binary = torch.sigmoid(SHARPNESS * (probability - threshold))
    dice = _dice(binary, targets) + _dice(probability, targets)
    banded = targets.band * targets.valid
    edge = ((threshold - targets.edge).abs() * banded).sum() / (banded.sum() + 1)
    return hard + dice_weight * dice + edge_weight * edge


def _hard_bce(logits: torch.Tensor, targets: Targets) -> torch.Tensor:
    """Mean cross-entropy over all text cells and the hardest three times as many others."""
    each = F.binary_cross_entropy_with_logits(logits, targets.core, reduction="none")
    text = targets.core * targets.valid
    other = (1 - targets.core) * targets.valid
    positives = int(text.sum().item())
    # A batch without text still learns from its worst cells.
    wanted = max(NEGATIVES_PER_POSITIVE * positives, each.numel() // 50)
    count = min(wanted, int(other.sum().item()))
    worst = torch.topk((each * other).flatten(), count, sorted=False).values
    return ((each * text).sum() + worst.sum()) / (positives + count + 1e-6)


def _dice(predicted: torch.Tensor, targets: Targets) -> torch.Tensor:
    """1 - Dice over the batch, on cells that count."""
    p, t = predicted * targets.valid, targets.core * targets.valid
    return 1 - (2 * (p * t).sum() + 1) / (p.sum() + t.sum() + 1)
