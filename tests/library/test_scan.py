from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from PIL import Image

from onlooker.library import Library
from onlooker.library.scan import ALWAYS_EXCLUDED, excluded, walk


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "trip").mkdir(parents=True)
    for number, name in enumerate(("a.png", "b.jpg", "trip/c.png")):
        Image.new("RGB", (40, 30), (number * 60, 10, 10)).save(folder / name)
    return folder


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library.open(tmp_path / "library")


def add(library: Library, *paths: Path, **options: object):
    return library.add(*paths, stages=("look",), **options)  # type: ignore[arg-type]


def names(library: Library) -> list[str]:
    return sorted(path.path.name for media in library.media() for path in media.paths)


@pytest.mark.parametrize(
    ("relative", "patterns", "out"),
    [
        ("a/b.mp4", ("*.mp4",), True),
        ("a/b.mp4", ("a",), True),
        ("a/b.mp4", ("a/",), True),
        ("a/b.mp4", ("b",), False),
        ("a/b/c.mp4", ("a/b",), True),
        ("a/bc/c.mp4", ("a/b",), False),
        (".git/x.png", ALWAYS_EXCLUDED, True),
        ("x[1].png", ("./x[[]1[]].png",), True),
    ],
)
def test_excluded(relative: str, patterns: tuple[str, ...], out: bool) -> None:
    assert excluded(relative, patterns) is out


def test_walk_is_ordered_and_never_goes_in_circles(photos: Path, tmp_path: Path) -> None:
    (photos / "trip" / "again").symlink_to(photos, target_is_directory=True)
    (photos / "notes.txt").write_text("not media")
    found = list(walk(photos, photos, (), tmp_path / "library", lambda *_: None))
    assert [path.name for path in found] == ["a.png", "b.jpg", "c.png"]


def test_add_twice_does_nothing_the_second_time(library: Library, photos: Path) -> None:
    first = add(library, photos)
    assert (first.added, first.done["look"], first.failed) == (3, 3, [])
    second = add(library, photos)
    assert (second.added, second.changed, second.done["look"]) == (0, 0, 0)


def test_copies_are_one_medium(library: Library, photos: Path) -> None:
    shutil.copy(photos / "a.png", photos / "trip" / "copy of a.png")
    add(library, photos)
    assert len(library.media()) == 3
    assert names(library) == ["a.png", "b.jpg", "c.png", "copy of a.png"]
    assert library.search("copy", filters=None).hits


def test_a_renamed_file_keeps_its_records_under_its_new_name(
    library: Library, photos: Path
) -> None:
    add(library, photos)
    before = {media.public_id for media in library.media()}
    (photos / "a.png").rename(photos / "renamed picture.png")
    summary = library.update(stages=("look",))
    assert {media.public_id for media in library.media()} == before
    assert summary.removed == 1
    assert names(library) == ["b.jpg", "c.png", "renamed picture.png"]
    assert library.search("renamed").hits
    assert not [hit for hit in library.search("a.png").hits if hit.match == "exact"]


def test_a_file_edited_in_place_is_a_new_medium(library: Library, photos: Path) -> None:
    add(library, photos)
    before = {media.public_id for media in library.media()}
    Image.new("RGB", (50, 50), "white").save(photos / "a.png")
    assert library.update(stages=("look",)).changed == 1
    after = {media.public_id for media in library.media()}
    assert len(after) == 3
    assert len(after - before) == 1


def test_deleted_files_are_forgotten_and_unplugged_ones_kept(
    library: Library, photos: Path, tmp_path: Path
) -> None:
    add(library, photos)
    (photos / "a.png").unlink()
    assert library.update(stages=("look",)).removed == 1
    photos.rename(tmp_path / "unplugged")
    summary = library.update(stages=("look",))
    assert summary.offline == [photos]
    assert {path.state for media in library.media() for path in media.paths} == {"offline"}
    photos.mkdir()  # an empty mount point is left behind
    assert library.update(stages=("look",)).offline == [photos]
    photos.rmdir()
    (tmp_path / "unplugged").rename(photos)
    library.update(stages=("look",))
    assert {path.state for media in library.media() for path in media.paths} == {"present"}
    assert len(library.media()) == 2


def test_files_that_cannot_be_read_are_rows_with_reasons(library: Library, photos: Path) -> None:
    (photos / "empty.jpg").write_bytes(b"")
    (photos / "text.mp4").write_text("this is no video")
    (photos / "dangling.png").symlink_to(photos / "nowhere.png")
    summary = add(library, photos)
    reasons = {path.name: reason for path, reason in summary.failed}
    assert set(reasons) == {"empty.jpg", "text.mp4", "dangling.png"}
    assert all(name in reason for name, reason in reasons.items())
    assert "empty" in reasons["empty.jpg"]
    assert summary.done["look"] == 3
    assert len(library.store.failures()) == 3


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_named_like_a_photo_does_not_block(library: Library, photos: Path) -> None:
    os.mkfifo(photos / "pipe.png")
    assert [path.name for path, _ in add(library, photos).failed] == ["pipe.png"]


def test_odd_names(library: Library, photos: Path) -> None:
    odd = ["new\nline.png", "quote\"s'.png", "emoji 🎈.png", os.fsdecode(b"latin-\xe9.png")]
    for number, name in enumerate(odd):
        try:
            Image.new("RGB", (9, 9), (number, 200, 0)).save(photos / name, format="PNG")
        except OSError:
            pytest.skip("this file system refuses such names")
    assert add(library, photos).failed == []
    assert set(odd) <= set(names(library))
    assert library.search("emoji").hits


def test_nested_roots_do_not_double(library: Library, photos: Path) -> None:
    add(library, photos / "trip")
    add(library, photos)
    assert [root.path for root in library.store.roots()] == [photos]
    assert names(library) == ["a.png", "b.jpg", "c.png"]
    add(library, photos / "trip" / "c.png")
    assert [root.path for root in library.store.roots()] == [photos]


def test_remove_excludes_until_added_again(library: Library, photos: Path) -> None:
    add(library, photos)
    assert library.remove(photos / "a.png") == 1
    library.update(stages=("look",))
    assert names(library) == ["b.jpg", "c.png"]
    add(library, photos / "a.png")
    assert names(library) == ["a.png", "b.jpg", "c.png"]
    assert library.remove(photos) == 3
    assert names(library) == []


def test_exclude_patterns(library: Library, photos: Path) -> None:
    add(library, photos, exclude=("trip", "*.jpg"))
    assert names(library) == ["a.png"]
    library.update(stages=("look",))
    assert names(library) == ["a.png"]


def test_a_path_that_does_not_exist(library: Library, photos: Path) -> None:
    summary = add(library, photos / "nothing", photos / "a.png")
    assert [path.name for path, _ in summary.failed] == ["nothing"]
    assert names(library) == ["a.png"]
