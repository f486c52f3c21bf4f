from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from onlooker.cli.main import COMMANDS, main
from onlooker.cli.search import _marked
from onlooker.cli.show import cells


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    return int(stop.value.code or 0), out, err


@pytest.fixture
def indexed(media_folder, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    folder = tmp_path / "library"
    run(capsys, "add", "--library", folder, "--stages", "look", media_folder.root)
    return folder


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, name, "--help")
    assert code == 0
    assert out.startswith(f"Usage: onlooker {name}")


def test_an_unknown_command_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "serach", "x")
    assert code == 2
    assert "search" in err


def test_search_without_a_library_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(capsys, "search", "--library", tmp_path / "none", "x")
    assert code == 1
    assert err.startswith("error: ")
    assert "onlooker add" in err


def test_add_reports_failures_and_goes_on(
    media_folder,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, err = run(
        capsys, "add", "--library", tmp_path / "l", "--stages", "look", media_folder.root
    )
    assert code == 1
    for name in media_folder.broken:
        assert Path(name).name in err
    assert "failed" in out


def test_add_as_json_is_a_line_an_event(
    media_folder,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, out, _ = run(
        capsys, "add", "--json", "--library", tmp_path / "l", "--stages", "look", media_folder.root
    )
    events = [json.loads(line) for line in out.splitlines()]
    assert {"scan", "start", "done", "failed", "summary"} <= {event["event"] for event in events}
    assert events[-1]["event"] == "summary"


def test_search_finds_subtitles_and_pages(
    indexed: Path,
    media_folder,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, _ = run(capsys, "search", "--library", indexed, "--json", "slope of the loss")
    assert code == 0
    hit = json.loads(out)["hits"][0]
    assert hit["moment"]["kind"] == "speech"
    assert hit["moment"]["start_s"] == pytest.approx(2.2, abs=0.01)
    code, out, _ = run(capsys, "search", "--library", indexed, "slope")
    assert "*slope*" in out
    assert "lecture.mp4" in out
    assert all(len(line) <= 80 for line in out.splitlines())


def test_search_with_a_typo_and_with_nothing(
    indexed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(capsys, "search", "--library", indexed, "--json", "optimlsation")
    assert code == 0
    assert json.loads(out)["hits"][0]["match"] == "near"
    code, out, _ = run(capsys, "search", "--library", indexed, "zzzzqqqq")
    assert code == 1
    assert "Nothing found" in out


def test_filters_are_hard(indexed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "search", "--library", indexed, "--json", "--kind", "name", "lecture")
    hits = json.loads(out)["hits"]
    assert hits
    assert {hit["moment"]["kind"] for hit in hits} == {"name"}


def test_list_and_failures(indexed: Path, media_folder, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "list", "--library", indexed)
    assert "lecture.mp4" in out
    _, out, _ = run(capsys, "list", "--library", indexed, "--failed", "--json")
    failed = {Path(row["path"]).name for row in json.loads(out)}
    assert {Path(name).name for name in media_folder.broken} <= failed


def test_export_json_and_csv(indexed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "export", "--library", indexed)
    data = json.loads(out)
    assert data["format"] == "onlooker-library"
    assert any(m["moments"] for m in data["media"])
    _, out, _ = run(capsys, "export", "--library", indexed, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert len(rows) == sum(len(m["moments"]) for m in data["media"])


def test_export_vtt(
    indexed: Path,
    media_folder,
    capsys: pytest.CaptureFixture[str],
) -> None:
    recording = media_folder.root / "talk" / "lecture.mp4"
    code, out, _ = run(capsys, "export", "--library", indexed, "--format", "vtt", "--in", recording)
    assert code == 0
    assert out.startswith("WEBVTT\n")
    assert "00:00:02.200 --> 00:00:03.900\n<v speech>We follow the slope of the loss." in out


def test_verify(indexed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "verify", "--library", indexed)
    assert (code, out) == (0, "The library is sound.\n")


def test_remove(
    indexed: Path,
    media_folder,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, _ = run(
        capsys, "remove", "--library", indexed, media_folder.root / "talk" / "lecture.mp4"
    )
    assert code == 0
    assert out.startswith("forgot 1 medium")
    code, _, err = run(capsys, "remove", "--library", indexed, "/nowhere/at/all.mp4")
    assert code == 1
    assert "not in this library" in err


def test_hostile_queries_never_show_a_traceback(
    indexed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for text in ('"', "AND OR NOT", "(" * 500, "a" * 100_000, "x' OR 1=1 --", "* ^ NEAR(", "\x00"):
        code, _, _ = run(capsys, "search", "--library", indexed, "--", text)
        assert code in (0, 1)


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from onlooker.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'cv2', 'av', 'onnxruntime', 'PIL', 'fastapi', 'rich', 'sqlite3'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize(
    "arguments",
    [("add", ""), ("remove", ""), ("search", "--in", "", "x"), ("list", "--library", "")],
)
def test_an_empty_path_is_not_the_current_folder(
    arguments: tuple[str, ...],
    indexed: Path,
    media_folder,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("ONLOOKER_LIBRARY", str(indexed))
    monkeypatch.chdir(media_folder.root)
    code, _, err = run(capsys, *arguments)
    assert code == 2
    assert "empty" in err


def test_what_cannot_be_opened_is_told_once_and_fails_every_pass(
    media_folder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    library = tmp_path / "l"
    _, out, err = run(
        capsys, "add", "--library", library, media_folder.root / "broken/truncated.mp4"
    )
    assert err.count("truncated.mp4") == 1
    assert "1 failed" in out
    _, out, _ = run(capsys, "list", "--library", library, "--json")
    [medium] = json.loads(out)
    assert {stage["state"] for stage in medium["stages"].values()} == {"failed"}


def test_a_library_is_no_folder_of_photos(
    indexed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(capsys, "add", "--library", tmp_path / "other", "--json", indexed.parent)
    assert (code, json.loads(out.splitlines()[-1])["seen"]) == (0, 0)


def test_a_path_that_is_not_there_is_named_with_its_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(capsys, "add", "--library", tmp_path / "l", tmp_path / "nothing.mp4")
    assert code == 1
    assert f"cannot open {tmp_path / 'nothing.mp4'}: there is no such file" in err


def test_wide_letters_stay_in_their_columns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / f"{'漢字' * 25} 🎈.png")
    library = tmp_path / "l"
    run(capsys, "add", "--library", library, "--stages", "look", tmp_path)
    for arguments in (("list",), ("search", "png")):
        _, out, _ = run(capsys, *arguments, "--library", library)
        lines = [line for line in out.splitlines() if "漢" in line]
        assert lines
        assert all(cells(line) <= 80 for line in lines)


def test_marks_are_cut_out_with_their_surroundings() -> None:
    text = f"{'word ' * 30}needle{' word' * 30}"
    at = text.index("needle")
    shown, width = _marked(text, ((at, at + 6),), 40)
    assert "*needle*" in shown
    assert shown.startswith("…") and shown.endswith("…")
    assert width == len(shown) <= 40
    assert _marked("short needle", ((6, 12),), 40) == ("short *needle*", 14)


@pytest.mark.parametrize("arguments", [("list",), ("search", "lecture"), ("export",)])
def test_output_that_cannot_be_written(indexed: Path, arguments: tuple[str, ...]) -> None:
    start = "from onlooker.cli.main import main; main()"
    command = [sys.executable, "-c", start, *arguments, "--library", str(indexed)]
    closed = subprocess.run(["sh", "-c", 'exec "$@" >&-', "sh", *command], stderr=subprocess.PIPE)
    assert b"defect" not in closed.stderr
    if Path("/dev/full").exists():
        with Path("/dev/full").open("wb") as full:
            done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE)
        assert done.returncode == 1
        assert done.stderr.startswith(b"error: the output cannot be written: No space left")


def test_json_is_utf8_whatever_the_names_are(tmp_path: Path) -> None:
    photos, library = tmp_path / "photos", tmp_path / "l"
    photos.mkdir()
    name = b"caf\xe9.png"
    try:
        Image.new("RGB", (8, 8)).save(photos / os.fsdecode(name))
    except OSError:
        pytest.skip("this file system refuses such names")
    (photos / os.fsdecode(b"empty-\xe9.png")).write_bytes(b"")

    def printed(*arguments: object) -> list[object]:
        start = "from onlooker.cli.main import main; main()"
        command = [sys.executable, "-c", start, *map(os.fsencode, map(str, arguments))]
        done = subprocess.run([*command, "--json", "--library", library], capture_output=True)
        assert done.stderr == b""
        text = done.stdout.decode("utf-8")
        return [json.loads(text)] if text.startswith(("{\n", "[")) else text.splitlines()

    assert len(printed("add", "--stages", "look", photos)) > 3
    assert printed("search", "caf")
    assert printed("search", os.fsdecode(b"caf\xe9 png"))
    assert printed("list", "--failed")
    assert printed("remove", photos / os.fsdecode(name))
    [[root]] = printed("list", "--folders")  # type: ignore[misc]
    assert root["exclude"] == ["./caf\\xe9.png"]  # type: ignore[index]


def test_info_fits_a_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, text, _ = run(capsys, "info", "--library", tmp_path)
    assert code == 0
    for line in text.splitlines():
        assert len(line) <= 80 or " " not in line.strip(), line
