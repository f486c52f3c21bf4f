"""The optimizer does what PyTorch's does, whatever the memory format."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")

from onlooker.errors import ConfigError  # noqa: E402
from onlooker.training.optimizer import Optimizer  # noqa: E402


def network(last: bool) -> torch.nn.Sequential:
    torch.manual_seed(0)
    layers = [torch.nn.Conv2d(4, 6, 3), torch.nn.ReLU(), torch.nn.Conv2d(6, 2, 1)]
    model = torch.nn.Sequential(*layers)
    return model.to(memory_format=torch.channels_last) if last else model


def learn(model: torch.nn.Module, optimizer: Optimizer, steps: int) -> None:
    generator = torch.Generator().manual_seed(steps)
    for _ in range(steps):
        optimizer.clear()
        model(torch.randn(3, 4, 8, 8, generator=generator)).square().mean(0).sum().backward()
        optimizer.clip(0.5)
        optimizer.step(0.01)


def built(model: torch.nn.Module, name: str) -> Optimizer:
    return Optimizer(model, name, (0.9, 0.99), 0.1, lambda value: value.ndim > 1)


@pytest.mark.parametrize("name", ["adamw", "radam"])
def test_steps_are_those_of_pytorch(name: str) -> None:
    ours, theirs = network(last=True), network(last=False)
    learn(ours, built(ours, name), 8)
    kind = torch.optim.AdamW if name == "adamw" else torch.optim.RAdam
    options = {} if name == "adamw" else {"decoupled_weight_decay": True}
    matrices = [value for value in theirs.parameters() if value.ndim > 1]
    vectors = [value for value in theirs.parameters() if value.ndim <= 1]
    reference = kind(
        [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}],
        lr=0.01,
        betas=(0.9, 0.99),
        **options,
    )
    generator = torch.Generator().manual_seed(8)
    for _ in range(8):
        reference.zero_grad()
        theirs(torch.randn(3, 4, 8, 8, generator=generator)).square().mean(0).sum().backward()
        torch.nn.utils.clip_grad_norm_(theirs.parameters(), 0.5)
        reference.step()
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_state_goes_from_one_memory_format_to_the_other() -> None:
    first = network(last=True)
    optimizer = built(first, "adamw")
    learn(first, optimizer, 3)
    state = optimizer.state_dict()
    assert state["state"][0]["exp_avg"].shape == (6, 4, 3, 3)
    ends = []
    for last in (True, False):
        model = network(last)
        model.load_state_dict(first.state_dict())
        resumed = built(model, "adamw")
        resumed.load_state_dict(state)
        learn(model, resumed, 4)
        ends.append(model)
    learn(first, optimizer, 4)
    for values in zip(*(model.parameters() for model in (first, *ends)), strict=True):
        torch.testing.assert_close(values[1], values[0])
        torch.testing.assert_close(values[2], values[0])


def test_gradients_are_scaled_down_to_a_norm_and_not_up() -> None:
    model = torch.nn.Linear(2, 1, bias=False)
    optimizer = built(model, "adamw")
    for most, expected in ((1.0, [0.6, 0.8]), (10.0, [3.0, 4.0])):
        model.weight.grad = torch.tensor([[3.0, 4.0]])
        assert float(optimizer.clip(most)) == 5.0
        assert model.weight.grad[0].tolist() == pytest.approx(expected)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="radam"):
        built(network(last=False), "adam")
