"""``onlooker evaluate text.video`` and ``onlooker read --video`` on a small clip."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from onlooker.cli.main import main
from onlooker.errors import MediaError
from onlooker.media.camera import Camera, CameraPicture
from onlooker.media.video import Video
from onlooker.text.pipeline import TextReader

if TYPE_CHECKING:
    from conftest import WidthReader


@pytest.fixture(autouse=True)
def fake(monkeypatch: pytest.MonkeyPatch, reader: WidthReader) -> None:
    monkeypatch.setattr(TextReader, "load", classmethod(lambda cls, **_: reader))


def run(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[Any, str, str]:
    with pytest.raises(SystemExit) as done:
        main([str(arg) for arg in args])
    out = capsys.readouterr()
    return done.value.code, out.out, out.err


def test_clips_are_measured(capsys: pytest.CaptureFixture[str], clip_file: Path) -> None:
    folder = clip_file.parent.parent
    code, out, _ = run(capsys, "evaluate", "text.video", "--data", folder, "--json")
    assert code == 0
    report = json.loads(out)
    metrics = report["metrics"]
    assert (report["task"], report["n"]) == ("text.video", 1)
    assert metrics["tracks_found"] == metrics["spans_02s"] == metrics["word_accuracy"] == 1.0
    assert metrics["identity_switches"] == 0.0
    assert metrics["word_accuracy_blurred"] is None
    code, _, err = run(capsys, "evaluate", "text.video", "--data", folder, "--split", "a")
    assert (code, "has no splits" in err) == (1, True)


def test_typed_lines_are_measured(capsys: pytest.CaptureFixture[str], clip_file: Path) -> None:
    row = {"video": clip_file.name, "time_s": 1.5, "lines": ["opening", "stream ciphers", "gone"]}
    (clip_file.parent / "transcripts.jsonl").write_text(json.dumps(row) + "\n")
    code, out, _ = run(capsys, "evaluate", "text.video", "--data", clip_file.parent, "--json")
    metrics = json.loads(out)["metrics"]
    assert code == 0
    assert metrics["lines_found"] == metrics["lines_found_single"] == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("transcripts.jsonl", "{}", "line 1: expected"),
        ("transcripts.jsonl", '{"video": "no.mp4", "time_s": 1, "lines": []}', "is not there"),
        ("tracks.json", "[", "is not JSON"),
        ("other.txt", "", "holds neither tracks.json"),
    ],
)
def test_malformed_folders(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str, content: str, message: str
) -> None:
    (tmp_path / name).write_text(content)
    code, _, err = run(capsys, "evaluate", "text.video", "--data", tmp_path)
    assert code == 1
    assert message in err


def test_a_video_is_read_and_drawn(
    capsys: pytest.CaptureFixture[str], clip_file: Path, tmp_path: Path
) -> None:
    out_file = tmp_path / "seen.mp4"
    code, out, _ = run(capsys, "read", "--video", clip_file, "--out", out_file)
    assert code == 0
    assert "0:00.00–0:02.00  Opening" in out
    with Video.open(out_file) as video:
        drawn = video.frame_at(1.9).pixels
    with Video.open(clip_file) as video:
        plain = video.frame_at(1.9).pixels
    assert drawn.shape == plain.shape
    assert (drawn[:, :, 1].astype(int) - drawn[:, :, 0] > 60).any()  # green outlines
    code, out, _ = run(capsys, "read", "--video", clip_file, "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert sorted(row["text"] for row in rows) == ["Opening", "Stream ciphers"]
    for row in rows:
        assert len(row["words"]) == len(row["places"][0]["polygons"])
    assert not list(tmp_path.glob(".*.part*"))


def test_wrong_use_of_video(
    capsys: pytest.CaptureFixture[str], clip_file: Path, tmp_path: Path
) -> None:
    code, _, err = run(capsys, "read", "--video", clip_file, clip_file)
    assert (code, "--video stands alone" in err) == (2, True)
    code, _, err = run(capsys, "read", "--out", tmp_path / "a.mp4", clip_file)
    assert (code, "--out needs --video" in err) == (2, True)
    code, _, err = run(capsys, "read")
    assert (code, "Missing argument" in err) == (2, True)
    code, _, err = run(capsys, "read", "--video", clip_file, "--out", tmp_path / "a.avi")
    assert (code, "must end in .mp4" in err) == (1, True)
    code, _, err = run(capsys, "read", "--video", clip_file, "--out", clip_file)
    assert (code, "is the input" in err) == (1, True)
    code, _, err = run(capsys, "read", "--video", tmp_path / "none.mp4")
    assert (code, "none.mp4" in err) == (1, True)


def test_no_camera(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(MediaError, match="camera 93"):
        Camera.open(93)
    code, _, err = run(capsys, "read", "--video", "93")
    assert (code, "camera 93" in err) == (1, True)


@pytest.mark.parametrize("source", ["camera", "0"])
def test_a_camera_is_read_and_recorded(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    clip_file: Path,
    tmp_path: Path,
    source: str,
) -> None:
    """The clip is played to the reader as what a camera sees."""

    class Played:
        def __enter__(self) -> Played:
            return self

        def __exit__(self, *error: object) -> None:
            released.append(True)

        def pictures(self) -> Iterator[CameraPicture]:
            with Video.open(clip_file) as video:
                for picture in video.pictures():
                    yield CameraPicture(picture.pixels()[:, :, ::-1].copy(), picture.time_s)

    opened, released = [], []
    monkeypatch.setattr(Camera, "open", lambda number: (opened.append(number), Played())[1])
    monkeypatch.chdir(tmp_path)
    code, out, _ = run(capsys, "read", "--video", source, "--out", "seen.mp4", "--json")
    assert (code, opened, released) == (0, [0], [True])
    rows = [json.loads(line) for line in out.splitlines()]
    assert sorted(row["text"] for row in rows) == ["Opening", "Stream ciphers"]
    with Video.open(tmp_path / "seen.mp4") as video:
        drawn = video.frame_at(1.9).pixels
    assert (drawn[:, :, 1].astype(int) - drawn[:, :, 0] > 60).any()  # green outlines


def test_a_camera_ends_at_an_interrupt(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, clip_file: Path
) -> None:
    """What is open is still told, and the signal is as it was."""
    before = signal.getsignal(signal.SIGINT)
    seen = 0

    def looks() -> Iterator[Any]:
        nonlocal seen
        with Video.open(clip_file) as video:
            for picture in video.pictures():
                seen += 1
                if seen == 10:
                    signal.raise_signal(signal.SIGINT)
                yield picture

    camera = SimpleNamespace(pictures=looks)
    monkeypatch.setattr(Camera, "open", lambda number: nullcontext(camera))
    code, out, _ = run(capsys, "read", "--video", "camera")
    assert (code, seen) == (0, 10)
    assert "Opening" in out
    assert signal.getsignal(signal.SIGINT) is before
