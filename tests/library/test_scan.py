from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from PIL import Image

from onlooker.errors import StoreError
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


def test_files_that_changed_places_keep_their_records(library: Library, photos: Path) -> None:
    add(library, photos)
    before = {media.public_id: media.size_bytes for media in library.media()}
    (photos / "a.png").rename(photos / "x")
    (photos / "trip" / "c.png").rename(photos / "a.png")
    (photos / "x").rename(photos / "trip" / "c.png")
    (photos / "b.jpg").rename(photos / "e.jpg")
    library.update(stages=("look",))
    assert {media.public_id: media.size_bytes for media in library.media()} == before
    assert names(library) == ["a.png", "c.png", "e.jpg"]
    for media in library.media():
        [row] = library.store.moments(media.id, ("name",))
        assert row.moment.text == media.paths[0].path.name
    assert library.verify() == []


def test_renumbered_files_keep_their_records(library: Library, photos: Path) -> None:
    add(library, photos)
    before = sorted(media.public_id for media in library.media())
    (photos / "b.jpg").rename(photos / "c.png")
    (photos / "a.png").rename(photos / "b.jpg")
    shutil.copyfile(photos / "trip" / "c.png", photos / "a.png")
    library.update(stages=("look",))
    assert sorted(media.public_id for media in library.media()) == before


def test_a_file_moved_to_another_known_folder_keeps_its_records(
    library: Library, photos: Path, tmp_path: Path
) -> None:
    (tmp_path / "archive").mkdir()
    Image.new("RGB", (9, 9)).save(tmp_path / "archive" / "old.png")
    add(library, photos, tmp_path / "archive")
    before = {media.public_id for media in library.media()}
    (photos / "a.png").rename(tmp_path / "archive" / "a.png")
    library.update(stages=("look",))
    assert {media.public_id for media in library.media()} == before
    (tmp_path / "archive" / "a.png").rename(photos / "back.png")
    library.update(stages=("look",))
    assert {media.public_id for media in library.media()} == before


def test_a_folder_emptied_below_a_known_one_is_not_offline(library: Library, photos: Path) -> None:
    add(library, photos)
    (photos / "trip" / "c.png").unlink()
    summary = add(library, photos / "trip")
    assert (summary.offline, summary.removed) == ([], 1)
    assert names(library) == ["a.png", "b.jpg"]
    assert not any(root.offline for root in library.store.roots())


def test_a_file_that_failed_is_tried_again(
    library: Library, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(path: Path) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr("onlooker.library.scan.content_hash", denied)
        summary = add(library, photos)
    assert len(summary.failed) == 3
    assert all("permission denied" in reason for _, reason in summary.failed)
    # chmod leaves size and time as they are
    assert library.update(stages=("look",)).failed == []
    assert names(library) == ["a.png", "b.jpg", "c.png"]


def test_a_failed_file_with_a_name_of_any_bytes(library: Library, photos: Path) -> None:
    try:
        (photos / os.fsdecode(b"empty-\xe9.png")).write_bytes(b"")
    except OSError:
        pytest.skip("this file system refuses such names")
    [(path, reason)] = add(library, photos).failed
    assert os.fsencode(path.name) == b"empty-\xe9.png"
    assert "empty-\\xe9.png is empty" in reason
    [(row, _)] = library.store.failures()
    assert row.reason == reason  # type: ignore[union-attr]


def test_patterns_stay_until_others_are_given(library: Library, photos: Path) -> None:
    add(library, photos, exclude=("trip",))
    add(library, photos)
    assert names(library) == ["a.png", "b.jpg"]
    library.remove(photos / "a.png")
    add(library, photos)
    assert names(library) == ["b.jpg"]
    add(library, photos, exclude=("nothing",))
    assert names(library) == ["b.jpg", "c.png"]
    add(library, photos / "a.png")
    add(library, photos)
    assert names(library) == ["a.png", "b.jpg", "c.png"]


def test_what_was_added_by_name_survives_the_folder_around_it(
    library: Library, photos: Path
) -> None:
    (photos / ".hidden").mkdir()
    shutil.copyfile(photos / "a.png", photos / ".hidden" / "h.png")
    (photos / "a.png").unlink()
    add(library, photos / ".hidden")
    add(library, photos)
    library.update(stages=("look",))
    assert names(library) == ["b.jpg", "c.png", "h.png"]


def test_remove_forgets_all_or_nothing(library: Library, photos: Path) -> None:
    add(library, photos)
    with pytest.raises(StoreError, match="nothing"):
        library.remove(photos / "a.png", photos / "nothing.png")
    assert names(library) == ["a.png", "b.jpg", "c.png"]


def test_no_scan_goes_on_after_its_time(library: Library, photos: Path) -> None:
    add(library, photos)
    (photos / "a.png").unlink()
    summary = library.update(stages=("look",), until=1.0)
    assert summary.stopped
    assert names(library) == ["a.png", "b.jpg", "c.png"]  # what was not walked is not gone


def test_a_sidecar_alone_costs_no_reading_of_the_file(
    library: Library, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(library, photos)
    (photos / "metadata.csv").write_text("path,title\na.png,Harbour\n", encoding="utf-8")
    monkeypatch.setattr("onlooker.library.scan.content_hash", None)
    summary = library.update(stages=("look",))
    assert (summary.changed, summary.failed) == (1, [])
    assert library.search("harbour").hits


def test_a_single_file_is_renamed_deleted_or_unplugged(library: Library, tmp_path: Path) -> None:
    drive = tmp_path / "drive"
    drive.mkdir()
    talk, kept = drive / "talk.png", drive / "kept.png"
    Image.new("RGB", (9, 9), "red").save(talk)
    Image.new("RGB", (9, 9), "blue").save(kept)
    add(library, talk)
    [before] = library.media()
    talk.rename(drive / "lecture.png")
    add(library, drive / "lecture.png")
    library.update(stages=("look",))
    [after] = library.media()
    assert (before.public_id, after.title) == (after.public_id, "lecture.png")
    assert [root.path for root in library.store.roots()] == [drive / "lecture.png"]
    drive.rename(tmp_path / "unplugged")
    drive.mkdir()  # its mount point
    assert library.update(stages=("look",)).offline == [drive / "lecture.png"]
    drive.rmdir()
    (tmp_path / "unplugged").rename(drive)
    assert library.update(stages=("look",)).offline == []
    (drive / "lecture.png").unlink()
    assert library.update(stages=("look",)).removed == 1
    assert (library.media(), library.store.roots()) == ([], [])


def test_patterns_for_a_folder_below_a_known_one(library: Library, photos: Path) -> None:
    (photos / "trip" / "drafts").mkdir()
    for name in ("trip/drafts/d.png", "trip/e.jpg"):
        Image.new("RGB", (7, 7), (len(name), 9, 9)).save(photos / name)
    add(library, photos)
    add(library, photos / "trip", exclude=("drafts", "*.jpg"))
    assert names(library) == ["a.png", "b.jpg", "c.png"]
    library.update(stages=("look",))
    assert names(library) == ["a.png", "b.jpg", "c.png"]
    assert [root.path for root in library.store.roots()] == [photos]


def test_a_drive_in_a_known_folder_may_be_unplugged(
    library: Library, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drive = photos / "trip"
    add(library, photos)  # not mounted yet: part of the folder
    mounted = {drive}
    monkeypatch.setattr("os.path.ismount", lambda path: Path(path) in mounted)
    before = {media.public_id for media in library.media()}
    assert library.update(stages=("look",)).removed == 0
    assert {root.path for root in library.store.roots()} == {photos, drive}
    assert add(library, photos, drive).seen == 3  # the drive's own once, though it is named twice

    drive.rename(tmp_path / "unplugged")
    drive.mkdir()
    mounted.clear()
    for _ in range(2):
        summary = library.update(stages=("look",))
        assert (summary.offline, summary.removed) == ([drive], 0)
        drive.rmdir() if drive.exists() else None  # some systems take the mount point away
    assert {media.public_id for media in library.media()} == before

    (tmp_path / "unplugged").rename(drive)
    mounted.add(drive)
    (drive / "c.png").rename(photos / "home.png")
    Image.new("RGB", (5, 5)).save(drive / "new.png")
    library.update(stages=("look",))
    assert names(library) == ["a.png", "b.jpg", "home.png", "new.png"]
    assert before < {media.public_id for media in library.media()}
    assert not any(root.offline for root in library.store.roots())
    assert library.remove(photos) == 4
