"""Losses of the recogniser."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from onlooker.text.charset import BLANK


def ctc(logits: Tensor, labels: Tensor, lengths: Tensor) -> Tensor:
    """Compute the CTC loss, each text weighted by its length (long texts teach more).

    Args:
        logits: (N, T, classes).
        labels: All texts' classes, one text after the other.
        lengths: (N,) of the texts.

    Returns:
        The mean over all characters of the batch.
    """
    columns = lengths.new_full((len(logits),), logits.shape[1])
    total = functional.ctc_loss(
        logits.float().log_softmax(2).transpose(0, 1),
        labels,
        columns,
        lengths,
        blank=BLANK,
        reduction="sum",
        zero_infinity=True,
    )
    return total / lengths.sum()


def distillation(logits: Tensor, classes: Tensor, shares: Tensor, lengths: Tensor) -> Tensor:
    """Compute the cross entropy of a teacher's columns and a student's.

    Hinton, Vinyals, Dean 2015, "Distilling the knowledge in a neural network", at temperature 1.

    Args:
        logits: (N, T, classes) of the student.
        classes: (N, T, K) int64: the teacher's likeliest classes.
        shares: (N, T, K): their probabilities.
        lengths: (N,) of the texts.

    Returns:
        The sum over all columns, per character as in `ctc`.
    """
    student = logits.float().log_softmax(2).gather(2, classes)
    return -(shares * student).sum() / lengths.sum()
