from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")

from onlooker.errors import ConfigError  # noqa: E402
from onlooker.text.rectification import data, model, train  # noqa: E402
from onlooker.text.rectification.geometry import direction_of  # noqa: E402


def stored(count: int = 64) -> data.Loose:
    """Make pictures of a bright bar in the middle, dark at its beginning; some without."""
    pictures = np.zeros((count, data.STORED_PX, data.STORED_PX), np.uint8)
    pictures[:, 40:60, 20:80] = 255
    pictures[:, 40:60, 20:30] = 120
    x = np.linspace(20, 80, 5) / data.STORED_PX
    upper = np.stack([x, np.full_like(x, 40 / data.STORED_PX)], axis=1)
    outline = np.concatenate([upper, upper + np.array([0, 20 / data.STORED_PX])])
    outlines = np.broadcast_to(outline, (count, 10, 2)).astype(np.float32).copy()
    outlines[::8] = np.nan
    return data.Loose(pictures, np.full(count, 2.0, np.float32), outlines)


def test_outlines_move_with_their_pictures() -> None:
    config = data.DataConfig(shards="", turned=0.5, quarter=0.3)
    changed = data.changed(np.random.default_rng(1), stored(), config)
    directions = []
    for picture, shape, outline in zip(
        changed.pictures, changed.shapes, changed.outlines, strict=True
    ):
        if not np.isfinite(outline).all():
            continue
        inside = (outline[:5] + outline[5:]) / 2 * 64
        inside = inside[(inside.min(axis=1) > 1) & (inside.max(axis=1) < 63)].astype(int)
        corner = int(np.median(picture[[0, 0, -1, -1], [0, -1, 0, -1]]))
        for px, py in inside[1:-1]:
            assert abs(int(picture[py, px]) - corner) > 40
        directions.append(direction_of(outline * (shape, 1)))
    assert np.ptp(directions) > np.pi


def test_targets_name_the_direction() -> None:
    loose = stored(8)
    directions, flat, near, scales = data.targets_of(loose.outlines, loose.shapes)
    assert directions[0].tolist() == [0, 0, 0, 0, 1]
    assert directions[1].tolist() == [1, 0, 0, 0, 0]
    assert near[1].tolist() == [1, 0, 0, 0]
    assert not near[0].any()
    assert np.isfinite(flat).all()
    assert not scales[0].any()
    assert (scales[1] > 0).all()


def test_the_network_has_the_shapes_that_it_says_and_is_small() -> None:
    net = model.MODELS["outline"](model.ModelConfig()).eval()
    logits, points = net(torch.zeros(3, 1, 64, 64), torch.zeros(3, 1))
    assert logits.shape == (3, 5)
    assert points.shape == (3, 4, 20)
    assert sum(p.numel() for p in net.parameters()) <= 400_000
    with pytest.raises(ConfigError, match="three numbers"):
        model.ModelConfig(depths=(1, 1))


def test_a_few_steps_lower_the_loss(tmp_path: Path) -> None:
    data.save_shard(tmp_path / "loose-00000.npz", stored())
    read = data.read_shard(tmp_path / "loose-00000.npz")
    assert np.array_equal(read.pictures, stored().pictures)
    config = data.DataConfig(shards=str(tmp_path), turned=0.0, quarter=0.0, held_out=1)
    (batch,) = data.held_out(config)
    torch.manual_seed(0)
    net = model.MODELS["outline"](model.ModelConfig(stem=4, channels=(4, 4, 4), narrow=4))
    optimizer = torch.optim.AdamW(net.parameters(), 3e-3)
    losses = []
    for _ in range(15):
        loss = train.loss_of(net, batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.7 * losses[0]
    assert set(train.accuracy(net.eval(), [batch])) == {"direction_accuracy", "mean_error"}


def test_training_without_shards_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="draw some first"):
        next(data.endless(data.DataConfig(shards=str(tmp_path)), 0))
