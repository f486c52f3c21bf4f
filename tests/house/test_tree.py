"""The tree: names, sizes, no trace of one machine, the media of the demonstration."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "onlooker"
MEDIA = ROOT / "examples" / "demo" / "media"
MOST_LINES = 500
# Files that outgrew the limit, each with a bound that may only be lowered: they are to become
# packages of the same name.
TOO_LONG = {
    "src/onlooker/media/video.py": 600,
}
# An absolute path below a folder where people and machines keep what is theirs; the names of
# invented people are for examples.
OF_ONE_MACHINE = re.compile(
    r"(?<![\w./~-])/(?:work|root|home|Users)/(?!(?:ada|ann|me|user|you)\b)\w+"
)


@cache
def tracked() -> tuple[Path, ...]:
    """Return all files under version control."""
    if not shutil.which("git") or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    paths = (ROOT / name.decode() for name in listed.stdout.split(b"\0") if name)
    return tuple(path for path in paths if path.is_file())


def test_no_file_is_named_for_nothing() -> None:
    vague = {"utils", "util", "common", "helpers", "helper", "misc"}
    for folder in ("src", "tests", "benchmarks", "recipes", "examples"):
        found = [p for p in (ROOT / folder).rglob("*.py") if p.stem.strip("_") in vague]
        assert not found, "name a file for what it holds"


def test_no_source_file_is_too_long() -> None:
    for path in sorted(SOURCE.rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        lines = len(path.read_text(encoding="utf-8").splitlines())
        assert lines <= TOO_LONG.get(name, MOST_LINES), f"{name}: make it a package"
        assert lines > MOST_LINES or name not in TOO_LONG, f"{name} is short enough now"
    assert all((ROOT / name).is_file() for name in TOO_LONG)


def test_tests_mirror_the_source() -> None:
    rooms = {p.name for p in SOURCE.iterdir() if p.is_dir() and not p.name.startswith("_")}
    beside = {"contracts", "pipeline", "house", "examples", "benchmarks", "docs"}
    folders = {
        p.name for p in (ROOT / "tests").iterdir() if p.is_dir() and not p.name.startswith("_")
    }
    assert folders <= rooms | beside, f"no such room: {folders - rooms - beside}"


def test_no_file_carries_a_path_of_one_machine() -> None:
    for path in tracked():
        data = path.read_bytes()
        if b"\0" in data[:8000]:
            continue
        found = OF_ONE_MACHINE.findall(data.decode("utf-8", "replace"))
        assert not found, f"{path.relative_to(ROOT)}: {found[:3]}"


def test_no_private_or_large_file_is_tracked() -> None:
    for path in tracked():
        assert path.suffix not in {".pt", ".pth", ".ckpt", ".pyc", ".db"}, path
        assert path.stat().st_size <= 16_000_000, path


def test_the_demonstration_is_small_and_credited() -> None:
    files = [path for path in MEDIA.rglob("*") if path.is_file()]
    assert files
    assert sum(path.stat().st_size for path in files) <= 10_000_000
    credits = (MEDIA.parent / "CREDITS.md").read_text(encoding="utf-8")
    with (MEDIA / "metadata.csv").open(encoding="utf-8", newline="") as file:
        rights = {row["path"]: row["rights"] for row in csv.DictReader(file)}
    for path in files:
        name = path.relative_to(MEDIA).as_posix()
        if path.suffix == ".jpg":
            assert f"`{name}`" in credits, f"{name} has no credit"
            assert rights[name], f"{name} has no licence"
    assert all((MEDIA / name).is_file() for name in rights)
