"""Adam (Kingma and Ba 2015, 1412.6980) of small networks: torch's fused kernel, without the optimiser around it.

For stacks of this size `torch.optim.Adam` takes as long to reach its kernel as the kernel takes.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn


class _Memory(NamedTuple):
    """What Adam remembers of a weight."""

    mean: Tensor
    square: Tensor
    steps: Tensor  # one for all weights that had their first gradient together


class Adam:
    """Adam with torch's defaults over a model's weights; those without a gradient stay as they are."""

    def __init__(self, model: nn.Module, rate: float):
        self.model, self.rate = model, rate
        self.memory: dict[nn.Parameter, _Memory] = {}

    @torch.no_grad()
    def step(self) -> None:
        """Step along the gradients, and forget them."""
        moved = [weight for weight in self.model.parameters() if weight.grad is not None]
        new = [weight for weight in moved if weight not in self.memory]
        if new:
            steps = torch.zeros((), device=new[0].device)
            self.memory |= {one: _Memory(torch.zeros_like(one), torch.zeros_like(one), steps) for one in new}
        means, squares, steps = zip(*(self.memory[weight] for weight in moved), strict=True)
        for one in dict.fromkeys(steps):
            one += 1
        torch._fused_adam_(moved, [weight.grad for weight in moved], means, squares, [], steps, lr=self.rate,
                           beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0, amsgrad=False, maximize=False)
        for weight in moved:
            weight.grad = None

    def keep(self, runs: Tensor) -> None:
        """Of weights [R, ...] of a stack only those of some runs (bool [R]) are left, in the model and here."""
        for weight in self.model.parameters():
            weight.data, weight.grad = weight.data[runs], None
        self.memory = {weight: _Memory(one.mean[runs], one.square[runs], one.steps)
                       for weight, one in self.memory.items()}
