from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from onlooker.errors import MediaError
from onlooker.media.files import open_file, shown
from onlooker.media.kind import SUFFIXES, picture_format, sniff


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP"])
def test_pictures_are_told_by_content_whatever_their_name(tmp_path: Path, form: str) -> None:
    path = tmp_path / "picture.mp4"
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(path, form)
    assert sniff(path) == "photo"


@pytest.mark.parametrize(
    ("name", "options", "kind"),
    [
        ("a.mp4", {}, "video"),
        ("a.mkv", {}, "video"),
        ("a.ts", {}, "video"),
        ("a.avi", {"video": "mpeg4", "sound": "mp3"}, "video"),
        ("a.mp4", {"video": None}, "audio"),
        ("a.mka", {"video": None}, "audio"),
        ("a.mp3", {"video": None, "sound": "mp3"}, "audio"),
        ("a.mp3", {"video": None, "sound": "mp3", "cover": True}, "audio"),
        ("a.m4a", {"video": None, "cover": True}, "audio"),
        ("a.wav", {"video": None, "sound": "pcm_s16le"}, "audio"),
        ("a.flac", {"video": None, "sound": "flac"}, "audio"),
        ("a.ogg", {"video": None, "sound": "libopus"}, "audio"),
        ("a.aac", {"video": None}, "audio"),
    ],
)
def test_recordings(
    recording: Callable[..., Path], name: str, options: dict[str, object], kind: str
) -> None:
    path = recording(name, seconds=0.5, **options)
    assert sniff(path) == kind


def test_a_name_without_suffix_does_not_matter(recording: Callable[..., Path]) -> None:
    path = recording("a.mp4", seconds=0.2)
    assert sniff(path.rename(path.with_name("no suffix"))) == "video"


def test_documents_may_begin_with_other_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"\n" * 500 + b"%PDF-1.7\n")
    assert sniff(path) == "document"


def test_promised_but_wrong_content_keeps_the_promise(tmp_path: Path) -> None:
    for name, kind in (("a.mp4", "video"), ("a.jpg", "photo"), ("a.pdf", "document")):
        path = tmp_path / name
        path.write_text("this is text\n" * 30)
        assert sniff(path) == kind
        path.write_bytes(b"")
        assert sniff(path) == kind


@pytest.mark.parametrize("name", ["a.txt", "a", "main.ts", "module.mts", "a.docx", "a.srt"])
def test_what_is_no_medium(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("export const answer = 42;\n" * 40)
    assert sniff(path) is None


def test_undeveloped_pictures_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.dng"
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(path, "TIFF")
    assert sniff(path) is None


def test_missing_folder_and_pipe(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"gone\.mp4.*no such file"):
        sniff(tmp_path / "gone.mp4")
    with pytest.raises(MediaError, match="folder"):
        sniff(tmp_path)
    pipe = tmp_path / "pipe.mp4"
    os.mkfifo(pipe)
    with pytest.raises(MediaError, match="pipe"):
        open_file(pipe)  # and does not wait for a writer
    with pytest.raises(MediaError):
        sniff("nul\0.mp4")


def test_suffixes_are_lower_case_and_cover_all_kinds() -> None:
    assert all(suffix == suffix.lower() and suffix[0] == "." for suffix in SUFFIXES)
    assert set(SUFFIXES.values()) == {"photo", "document", "video", "audio"}


def test_heif_brands() -> None:
    assert picture_format(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic") == "heif"
    assert picture_format(b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf") == "avif"
    assert picture_format(b"\0\0\0\x18ftypisom\0\0\0\0isommp42") is None


def test_shown_paths_are_printable() -> None:
    assert shown(b"a\nb\xff\x1b[31m.mp4") == r"a\nb\xff\x1b[31m.mp4"
    assert shown("emoji 😀 ü.mp4") == "emoji 😀 ü.mp4"
    shown(os.fsdecode(bytes(range(1, 256)))).encode("utf-8")
