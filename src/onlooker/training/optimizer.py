"""Optimizers over the memory of weights as it lies, without a copy at every step.

PyTorch's fused AdamW copies what is not contiguous before it starts: of kernels in memory format
``channels_last`` the weights, gradients and both averages, which takes four times as long as the
step itself. Seen as (O, H, W, I) they are contiguous, so that is what it is given.

References:
    Loshchilov & Hutter 2019, "Decoupled weight decay" (AdamW); Liu et al. 2020, "On the variance of
    the adaptive learning rate" (RAdam); Pascanu et al. 2013 (clipping).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from onlooker.errors import ConfigError

OPTIMIZERS = ("adamw", "radam")
_ROWS, _KERNELS = (0, 2, 3, 1), (0, 3, 1, 2)


class Optimizer:
    """AdamW or RAdam, both with decoupled weight decay, for all parameters of a network.

    Args:
        model: The network; its memory format must not change afterwards.
        name: One of ``OPTIMIZERS``.
        betas: Decay rates of its averages.
        weight_decay: Of the parameters that have it.
        decayed: Says which those are.
    """

    def __init__(
        self,
        model: nn.Module,
        name: str,
        betas: tuple[float, float],
        weight_decay: float,
        decayed: Callable[[nn.Parameter], bool],
    ) -> None:
        if name not in OPTIMIZERS:
            raise ConfigError(f"optimizer {name!r}; expected one of {OPTIMIZERS}")
        with_decay = [value for value in model.parameters() if decayed(value)]
        without = [value for value in model.parameters() if not decayed(value)]
        self.parameters = with_decay + without
        self._views = [nn.Parameter(_rows(value.detach())) for value in self.parameters]
        self._moved = [
            view.shape != value.shape or view.stride() != value.stride()
            for view, value in zip(self._views, self.parameters, strict=True)
        ]
        groups = [
            {"params": self._views[: len(with_decay)], "weight_decay": weight_decay},
            {"params": self._views[len(with_decay) :], "weight_decay": 0.0},
        ]
        groups = [group for group in groups if group["params"]]
        self._optimizer: torch.optim.Optimizer
        if name == "radam":
            self._optimizer = torch.optim.RAdam(
                groups, betas=betas, decoupled_weight_decay=True, foreach=True
            )
        else:
            self._optimizer = torch.optim.AdamW(groups, betas=betas, fused=True)

    def clear(self) -> None:
        """Forget the gradients."""
        for value in self.parameters:
            value.grad = None

    def clip(self, most: float) -> Tensor:
        """Scale the gradients down to a norm of ``most`` where theirs is larger; return theirs."""
        gradients = [value.grad for value in self.parameters if value.grad is not None]
        norm = nn.utils.get_total_norm(gradients)
        if norm > most:
            nn.utils.clip_grads_with_norm_(self.parameters, most, norm)
        return norm

    def step(self, rate: float) -> None:
        """Change the parameters by their gradients, with this learning rate."""
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        for value, view, moved in zip(self.parameters, self._views, self._moved, strict=True):
            gradient = value.grad
            view.grad = gradient.permute(_ROWS) if moved and gradient is not None else gradient
        self._optimizer.step()

    def state_dict(self) -> dict[str, Any]:
        """Return the state, in the shapes of the parameters whatever their memory format."""
        return self._reshaped(self._optimizer.state_dict(), _KERNELS)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`state_dict` returned, also with another memory format."""
        self._optimizer.load_state_dict(self._reshaped(state, _ROWS))
        for kept in self._optimizer.state.values():
            for name, value in kept.items():
                kept[name] = value.clone(memory_format=torch.contiguous_format)

    def _reshaped(self, state: dict[str, Any], order: tuple[int, ...]) -> dict[str, Any]:
        averages = {
            number: {
                name: value.permute(order) if self._moved[number] and value.ndim == 4 else value
                for name, value in kept.items()
            }
            for number, kept in state["state"].items()
        }
        return {**state, "state": averages}


def _rows(value: Tensor) -> Tensor:
    """Return a kernel in memory format ``channels_last`` as (O, H, W, I), all else as it is."""
    last = value.ndim == 4 and value.is_contiguous(memory_format=torch.channels_last)
    return value.permute(_ROWS) if last and not value.is_contiguous() else value
