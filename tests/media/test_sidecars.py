from __future__ import annotations

import os
from pathlib import Path

import pytest

from onlooker.errors import MediaError
from onlooker.media.sidecars import Sidecars, beside, read_table, stamp, table_rows


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_text("x")


def names(found: Sidecars) -> tuple[list[str], list[str]]:
    return [path.name for path in found.subtitles], [path.name for path in found.descriptions]


def test_subtitles_beside(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "Talk.mp4", "talk.SRT", "talk.en.vtt", "TALK.de.forced.srt", "talk.mp4.srt",
        "talk 2.srt", "talks.srt", "talk.final.srt", "other.en.srt", "talk.txt",
    )  # fmt: skip
    subtitles, _ = names(beside(tmp_path / "Talk.mp4"))
    assert sorted(subtitles) == ["TALK.de.forced.srt", "talk.SRT", "talk.en.vtt", "talk.mp4.srt"]


def test_a_subtitle_belongs_to_the_closest_medium(tmp_path: Path) -> None:
    touch(tmp_path, "talk.mp4", "talk.en.mp4", "talk.en.srt", "talk.de.srt", "talk.en.cc.vtt")
    assert names(beside(tmp_path / "talk.mp4"))[0] == ["talk.de.srt"]
    assert sorted(names(beside(tmp_path / "talk.en.mp4"))[0]) == ["talk.en.cc.vtt", "talk.en.srt"]


def test_descriptions_beside_in_order(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "a.xmp", "a.jpg.xmp", "a.info.json", "a.XML", "a.dc.xml", "b.xml")
    _, descriptions = names(beside(tmp_path / "a.jpg"))
    assert descriptions == ["a.dc.xml", "a.XML", "a.info.json", "a.jpg.xmp", "a.xmp"]


def test_names_with_dots_and_hidden_files(tmp_path: Path) -> None:
    touch(tmp_path, "2024.01.02 talk.mp4", "2024.01.02 talk.srt", ".hidden.mp4", ".hidden.srt")
    assert names(beside(tmp_path / "2024.01.02 talk.mp4"))[0] == ["2024.01.02 talk.srt"]
    assert names(beside(tmp_path / ".hidden.mp4"))[0] == [".hidden.srt"]


def test_nothing_beside(tmp_path: Path) -> None:
    assert beside(tmp_path / "gone" / "a.mp4") == Sidecars()
    touch(tmp_path, "a.mp4")
    assert beside(tmp_path / "a.mp4") == Sidecars()
    assert stamp(tmp_path / "a.mp4") == ""
    (tmp_path / "a.srt").mkdir()  # a folder of that name is no subtitle
    assert beside(tmp_path / "a.mp4") == Sidecars()


def test_odd_names(tmp_path: Path, odd_name: str) -> None:
    touch(tmp_path, f"{odd_name}.mp4", f"{odd_name}.srt", f"{odd_name}.info.json")
    found = names(beside(tmp_path / f"{odd_name}.mp4"))
    assert found == ([f"{odd_name}.srt"], [f"{odd_name}.info.json"])
    assert stamp(tmp_path / f"{odd_name}.mp4")


def test_stamp_follows_what_stands_beside(tmp_path: Path) -> None:
    medium = tmp_path / "a.mp4"
    touch(tmp_path, "a.mp4")
    seen = {stamp(medium)}
    touch(tmp_path, "a.srt")
    seen.add(stamp(medium))
    os.utime(tmp_path / "a.srt", (1, 1))
    seen.add(stamp(medium))
    table = tmp_path / "metadata.csv"
    table.write_text("path,title\na.mp4,One\n")
    seen.add(stamp(medium))
    assert len(seen) == 4
    table.write_text("path,title\na.mp4,One\nb.mp4,Two or more\n")
    assert stamp(medium) in seen  # another medium's row is none of its business
    table.write_text("path,title\na.mp4,Other\n")
    assert stamp(medium) not in seen


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_tables(tmp_path: Path, separator: str, encoding: str) -> None:
    rows = [
        ["Title", "PATH", "creator", "colour"],
        ["Grüße", "./week 1\\a.mp4", "Meier, Anna" if separator != "," else '"Meier, Anna"', "red"],
        ["", "b.mp4", "", "blue"],
        ["too short"],
    ]
    text = "\r\n".join(separator.join(row) for row in rows)
    (tmp_path / "metadata.csv").write_bytes(text.encode(encoding))
    assert read_table(tmp_path / "metadata.csv") == {
        "week 1/a.mp4": {"title": "Grüße", "creator": "Meier, Anna"},
        "b.mp4": {},
    }


def test_rows_of_folders_above(tmp_path: Path) -> None:
    inner = tmp_path / "term" / "course"
    inner.mkdir(parents=True)
    touch(inner, "a.mp4")
    (inner / "onlooker.csv").write_text("path,title\na.mp4,near\n")
    (tmp_path / "metadata.csv").write_text("path,title,rights\nterm/course/a.mp4,far,free\n")
    found = [(row.table.name, row.values["title"]) for row in table_rows(inner / "a.mp4")]
    assert found == [("onlooker.csv", "near"), ("metadata.csv", "far")]
    assert names(beside(inner / "a.mp4"))[1] == ["onlooker.csv", "metadata.csv"]


def test_composed_and_decomposed_names_meet(tmp_path: Path) -> None:
    (tmp_path / "metadata.csv").write_text("path,title\nu\u0308ber.mp4,yes\n")
    assert [row.values["title"] for row in table_rows(tmp_path / "\u00fcber.mp4")] == ["yes"]


def test_tables_that_cannot_be_used(tmp_path: Path) -> None:
    table = tmp_path / "metadata.csv"
    table.write_text("name,title\na.mp4,One\n")
    with pytest.raises(MediaError, match="no column 'path'"):
        read_table(table)
    assert table_rows(tmp_path / "a.mp4") == []
    table.write_text('path,title\n"' + "x" * 200_000 + '",y\n')
    with pytest.raises(MediaError, match="no CSV"):
        read_table(table)
    table.write_bytes(b"")
    assert table_rows(tmp_path / "a.mp4") == []
