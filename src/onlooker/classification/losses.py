"""Losses of classification."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def smoothed_cross_entropy(logits: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
    """Compute the cross entropy with soft targets.

    Szegedy et al. 2016, "Rethinking the inception architecture", sec. 7 (label smoothing).

    Args:
        logits: (N, classes).
        targets: (N, classes), each row a distribution.
        smoothing: Share of the targets that is spread over all classes.

    Returns:
        The mean over the batch.
    """
    return functional.cross_entropy(logits.float(), targets, label_smoothing=smoothing)


def distillation(logits: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Compute how far a student is from its teacher: T² · KL(teacher / T ‖ student / T).

    Hinton, Vinyals, Dean 2015, "Distilling the knowledge in a neural network", sec. 2.

    Args:
        logits: (N, classes) of the student.
        teacher: (N, classes) logits of the teacher.
        temperature: T.

    Returns:
        The mean over the batch.
    """
    student = functional.log_softmax(logits.float() / temperature, 1)
    wanted = functional.log_softmax(teacher.float() / temperature, 1)
    divergence = functional.kl_div(student, wanted, reduction="batchmean", log_target=True)
    return divergence * temperature**2
