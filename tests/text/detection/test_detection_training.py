import numpy as np
import pytest

torch = pytest.importorskip("torch")

from onlooker.errors import ConfigError  # noqa: E402
from onlooker.text.detection.data import (  # noqa: E402
    Batches,
    DataConfig,
    crop_scene,
    make_maps,
    read_shard,
    write_shard,
)
from onlooker.text.detection.losses import Targets, db_loss  # noqa: E402
from onlooker.text.detection.model import DBNet, ModelConfig, ProbabilityNet  # noqa: E402
from onlooker.text.synthesis.scenes import Scene, outlined  # noqa: E402

SMALL = ModelConfig(stem=4, channels=(4, 6, 8, 8), depths=(1, 1, 1, 1), neck=6, head=4)


def box(x, y, width, height):
    return [[x, y], [x + width, y], [x + width, y + height], [x, y + height]]


def scene(*boxes, side=96, ignored=None):
    picture = np.full((side, side, 3), 200, np.uint8)
    for (x, y), _, (right, bottom), _ in boxes:
        picture[y:bottom, x:right] = 20
    polygons = outlined(np.array(boxes, np.float32).reshape(-1, 4, 2))
    hidden = np.zeros(len(boxes), bool) if ignored is None else np.array(ignored)
    return Scene(picture, polygons, ("word",) * len(boxes), hidden)


def test_the_network_keeps_half_the_side_and_has_few_weights():
    net = DBNet(ModelConfig()).eval()
    assert sum(p.numel() for p in net.parameters()) < 1_500_000
    with torch.no_grad():
        assert net(torch.zeros(2, 3, 64, 96)).shape == (2, 2, 32, 48)


def test_what_is_exported_is_the_probability_of_the_same_network():
    torch.manual_seed(0)
    net = DBNet(SMALL).eval()
    pictures = torch.rand(1, 3, 64, 64) * 255
    with torch.no_grad():
        logits = net((pictures - 127.5) / 64)
        assert torch.allclose(
            ProbabilityNet(net)(pictures)[:, 0], logits[:, 0].sigmoid(), atol=1e-6
        )


def test_a_shape_that_cannot_be_is_refused():
    with pytest.raises(ConfigError, match="four numbers"):
        ModelConfig(depths=(1, 2))
    with pytest.raises(ConfigError, match="odd"):
        ModelConfig(kernel=4)
    with pytest.raises(ConfigError, match="multiple of 32"):
        DataConfig(shards="x", side=100)


def test_maps_by_hand():
    # A word of 40 × 20 px; shrunk by 0.22 · 20 = 4.4 on each side: x 34.4 … 65.6, y 44.4 … 55.6.
    core, valid, edge, band = make_maps(
        np.array([box(30, 40, 40, 20), box(2, 2, 10, 10)], np.float32), np.array([False, True]), 96
    )
    assert core.shape == (48, 48)
    rows, columns = np.nonzero(core)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (22, 27, 17, 32)
    assert (valid == 0).sum() == pytest.approx(25, abs=12)
    assert valid[3, 3] == 0
    assert valid[25, 25] == 1
    assert edge.min() == pytest.approx(0.3)
    assert edge[20, 25] > 0.6  # on the upper edge of the word
    assert band[25, 25] in (0, 1)
    assert band[3, 3] == 0
    assert band[40, 40] == 0


def test_maps_without_words_are_empty():
    nothing = np.zeros((0, 4, 2), np.float32)
    core, valid, _, band = make_maps(nothing, np.zeros(0, bool), 64)
    assert core.sum() == band.sum() == 0
    assert valid.all()


def test_the_loss_falls_with_the_truth_and_ignores_what_does_not_count():
    words, hidden = np.array([box(20, 20, 40, 16)], np.float32), np.array([False])
    maps = [torch.from_numpy(m[None]) for m in make_maps(words, hidden, 96)]
    targets = Targets(*maps)
    right = torch.stack([(targets.core * 2 - 1) * 6, torch.logit(targets.edge)], dim=1)
    wrong = torch.stack([(1 - targets.core * 2) * 6, torch.logit(targets.edge)], dim=1)
    assert db_loss(right, targets) < 0.1 < 2 < db_loss(wrong, targets)

    unasked = Targets(targets.core * 0, targets.valid * 0, targets.edge, targets.band)
    assert db_loss(wrong, unasked) == pytest.approx(db_loss(right, unasked).item(), abs=1e-4)


def test_shards_give_back_what_was_written(tmp_path):
    path = tmp_path / "one.npz"
    scenes = [
        scene(box(20, 20, 40, 16)),
        scene(),
        scene(box(4, 4, 9, 9), box(50, 50, 20, 9), ignored=[True, False]),
    ]
    write_shard(path, scenes)
    shard = read_shard(path)
    assert [len(p) for p in shard.polygons] == [1, 0, 2]
    assert np.array_equal(shard.polygons[2], scenes[2].polygons)
    assert shard.ignored[2].tolist() == [True, False]
    assert list(tmp_path.iterdir()) == [path]


def test_crops_carry_their_words_along():
    config = DataConfig(shards="", side=64, scale_low=1.0, scale_high=1.0)
    made = scene(box(40, 40, 40, 20), side=128)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        crop, words, hidden = crop_scene(rng, made.picture, made.polygons, made.ignored, config)
        assert crop.shape == (64, 64, 3)
        assert len(words) == len(hidden)
        for word in words:
            x, y = word.mean(axis=0).astype(int)
            if 4 < x < 60 and 4 < y < 60:
                inside = crop[y - 1 : y + 2, x - 1 : x + 2].mean()
                assert abs(inside - crop[0, 0].mean()) > 20 or np.ptp(words[0], axis=0).min() < 8


def test_batches_wait_for_nothing_that_is_there(tmp_path):
    write_shard(tmp_path / "a.npz", [scene(box(20, 20, 40, 16), side=128)] * 3)
    batches = iter(Batches(DataConfig(shards=str(tmp_path), side=64, batch=2), seed=1))
    pictures, targets = next(batches)
    assert pictures.shape == (2, 3, 64, 64)
    assert targets.core.shape == targets.valid.shape == (2, 32, 32)


@pytest.mark.slow
def test_a_few_scenes_can_be_learnt_by_heart():
    from onlooker.text.detection.train import loss_of

    torch.manual_seed(1)
    torch.set_num_threads(1)  # on a busy machine threads wait for each other more than they work
    rng = np.random.default_rng(1)
    pictures, maps = [], []
    for _ in range(6):
        x, y = rng.integers(4, 40, 2)
        made = scene(box(x, y, 50, 20))
        pictures.append(made.picture)
        maps.append(make_maps(made.polygons, made.ignored, 96))
    pixels = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float()
    batch = pixels, Targets(*(torch.from_numpy(np.stack(m)) for m in zip(*maps, strict=True)))
    net = DBNet(SMALL)
    optimizer = torch.optim.AdamW(net.parameters(), 1e-2)
    first = loss_of(net, batch).item()
    for _ in range(80):
        loss = loss_of(net, batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.4 * first
