"""The steps around the network, with a network whose answer is known: brightness is probability."""

import cv2
import numpy as np
import pytest

from onlooker.errors import ConfigError, WeightsError
from onlooker.metrics import iou
from onlooker.text.detection.geometry import shrink_outlines
from onlooker.text.detection.predict import DetectorConfig, TextDetector

onnx = pytest.importorskip("onnx")


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["pictures"], ["grey"], axes=[1], keepdims=1),
            helper.make_node(
                "AveragePool", ["grey"], ["half"], kernel_shape=[2, 2], strides=[2, 2]
            ),
            helper.make_node("Div", ["half", "white"], ["probability"]),
        ],
        "brightness",
        [helper.make_tensor_value_info("pictures", TensorProto.FLOAT, ["n", 3, "h", "w"])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["n", 1, "a", "b"])],
        [helper.make_tensor("white", TensorProto.FLOAT, [1], [255.0])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    path = tmp_path_factory.mktemp("network") / "brightness.onnx"
    onnx.save(model, path)
    return path


@pytest.fixture(scope="module")
def detector(network):
    return TextDetector(network, threads=1)


def quad(x, y, width, height, angle=0.0):
    half = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (width / 2, height / 2)
    cos, sin = np.cos(angle), np.sin(angle)
    middle = np.array([x + width / 2, y + height / 2])
    return (half @ np.array([[cos, sin], [-sin, cos]]) + middle).astype(np.float32)


def paint(size, words):
    """Draw the cores of words white on black, in the cells of the map."""
    cells = np.zeros(((size[1] + 1) // 2, (size[0] + 1) // 2), np.uint8)
    for word in words:
        core = shrink_outlines(word[None])[0]
        points = np.rint((core / 2 - 0.5) * 16).astype(np.int32)
        cv2.fillPoly(cells, [points], (255,), shift=4)
    picture = cells.repeat(2, axis=0).repeat(2, axis=1)[: size[1], : size[0]]
    return np.ascontiguousarray(np.repeat(picture[:, :, None], 3, axis=2))


def as_polygon(points):
    return tuple((float(x), float(y)) for x, y in points)


def test_words_come_back_where_they_were(detector):
    words = [
        quad(40, 40, 120, 24),
        quad(40, 90, 60, 16),
        quad(200, 90, 16, 16),
        quad(30, 140, 300, 60),
    ]
    found = detector([paint((400, 300), words)])[0]
    assert len(found) == len(words)
    for word in words:
        assert max(iou(as_polygon(word), text.polygon) for text in found) > 0.8
    assert all(0.9 < text.confidence <= 1.0 for text in found)


@pytest.mark.parametrize("degrees", [12, -35, 60])
def test_turned_words_begin_at_their_top_left(detector, degrees):
    word = quad(100, 130, 180, 36, np.deg2rad(degrees))
    (found,) = detector([paint((400, 300), [word])])[0]
    assert iou(as_polygon(word), found.polygon) > 0.85
    assert np.abs(np.array(found.polygon) - word).max() < 6


def test_polygons_run_clockwise(detector):
    for text in detector([paint((300, 300), [quad(20, 20, 100, 30), quad(150, 150, 30, 100)])])[0]:
        x, y = np.array(text.polygon).T
        assert np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)) > 0


def test_neighbours_on_a_line_stay_apart(detector):
    words = [quad(20 + 50 * i, 30, 44, 14) for i in range(5)]
    assert len(detector([paint((300, 80), words)])[0]) == 5


def test_polygons_are_clipped_to_the_picture(detector):
    (found,) = detector([paint((200, 101), [quad(-30, 80, 120, 40)])])[0]
    points = np.array(found.polygon)
    assert points.min() >= 0
    assert (points.max(axis=0) <= (200, 101)).all()


def test_faint_and_tiny_things_are_no_words(detector):
    faint = paint((200, 100), [quad(20, 20, 100, 30)]) // 3
    assert detector([faint])[0] == []
    speck = np.zeros((100, 100, 3), np.uint8)
    speck[50, 50] = 255
    assert detector([speck])[0] == []


def test_the_list_has_the_length_of_the_input_and_pictures_do_not_mix(detector):
    first = paint((200, 100), [quad(20, 20, 100, 30)])
    second = paint((90, 333), [quad(10, 200, 60, 20)])
    nothing = np.zeros((1, 1, 3), np.uint8)
    together = detector([first, nothing, second])
    assert together == [detector([first])[0], [], detector([second])[0]]
    assert detector([]) == []
    assert detector([np.zeros((0, 5, 3), np.uint8)]) == [[]]


@pytest.mark.parametrize("size", [(3000, 2000), (900, 4000)])
def test_large_pictures_show_small_and_large_words_once_each(network, size):
    detector = TextDetector(network, threads=1)
    words = [
        quad(100, 100, 700, 300),  # large
        quad(size[0] - 160, 700, 90, 30),
        quad(20, size[1] - 60, 120, 30),
        *(quad(30 + 137 * i, 900, 100, 30) for i in range(6)),  # across a border of tiles
    ]
    found = detector([paint(size, words)])[0]
    for word in words:
        # Cells are two pixels of the reduced picture: edges of small words are that coarse.
        assert max(iou(as_polygon(word), text.polygon) for text in found) > 0.55
    assert len(found) == len(words)


def test_memory_is_bounded_by_the_tile(network, monkeypatch):
    detector = TextDetector(network, threads=1)
    seen = []
    look = detector.probability
    monkeypatch.setattr(detector, "probability", lambda p: seen.append(p.shape) or look(p))
    detector([np.zeros((6000, 5000, 3), np.uint8)])
    assert max(max(shape) for shape in seen) <= 1281


def test_a_foreign_network_is_refused(tmp_path):
    from onnx import TensorProto, helper

    tensor = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Identity", ["a"], ["b"])],
        "identity",
        [tensor("a", TensorProto.FLOAT, [1])],
        [tensor("b", TensorProto.FLOAT, [1])],
    )
    path = tmp_path / "other.onnx"
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path
    )
    with pytest.raises(WeightsError, match=r"other\.onnx is not a text detector"):
        TextDetector(path)


def test_settings_out_of_range_are_refused():
    with pytest.raises(ConfigError, match="sides"):
        DetectorConfig(max_side=8)
    with pytest.raises(ConfigError, match="overlap"):
        DetectorConfig(overlap=1280)
    with pytest.raises(ConfigError, match="threshold"):
        DetectorConfig(threshold=0)
