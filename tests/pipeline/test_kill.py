"""A run that is killed at any point and started again ends where an undisturbed one does.

`onlooker add --json` prints a line an event; the process is killed (``SIGKILL``, which nothing can
catch) a random moment after a random event, so that the points cover the work evenly however fast
the machine is. What it had reported as done must not be done again.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import MediaFolder

# After an event the next write follows within this time, even on a busy machine.
MOST_DELAY_S = 0.15
START = "import sys; from onlooker.cli.main import main; main()"
Done = tuple[str, str]


@dataclass(frozen=True)
class Reference:
    """An undisturbed run.

    Attributes:
        arguments: What follows ``onlooker add``.
        events: How many lines it printed.
        content: What its library holds.
    """

    arguments: tuple[str, ...]
    events: int
    content: Any


def onlooker(library: Path, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", START, "--threads", "1", *arguments],
        # Unbuffered: what is read line by line and what `communicate` reads are one stream.
        bufsize=0,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "ONLOOKER_LIBRARY": str(library)},
    )


def finish(library: Path, *arguments: str, codes: tuple[int, ...] = (0,)) -> bytes:
    process = onlooker(library, *arguments)
    out, err = process.communicate()
    assert process.returncode in codes, f"{arguments}: {process.returncode}\n{out!r}\n{err!r}"
    assert b"Traceback" not in err
    return out


def add(library: Path, arguments: tuple[str, ...]) -> list[dict[str, Any]]:
    """Run ``onlooker add`` to its end and return its events; 1 says that some files failed."""
    out = finish(library, "add", "--json", *arguments, codes=(0, 1))
    events = [json.loads(line) for line in out.splitlines()]
    assert events and events[-1]["event"] == "summary", "it ended before its work did"
    return events


def kill(library: Path, arguments: tuple[str, ...], after: int, delay_s: float) -> list[Any]:
    """Kill ``onlooker add`` some time after its n-th event; return the events it had printed."""
    process = onlooker(library, "add", "--json", *arguments)
    assert process.stdout is not None and process.stderr is not None
    lines = []
    while len(lines) < after and (line := process.stdout.readline()):
        lines.append(line)
    time.sleep(delay_s)
    process.send_signal(signal.SIGKILL)
    rest, _ = process.communicate()
    assert process.returncode in (-signal.SIGKILL, 0, 1), "it ended by itself, and not well"
    whole = b"".join(lines) + rest[: rest.rfind(b"\n") + 1]
    return [json.loads(line) for line in whole.splitlines()]


def content_of(library: Path) -> Any:
    """Return all that a library holds, without what is drawn at random."""
    exported = json.loads(finish(library, "export", "--format", "json"))
    for medium in exported["media"]:
        medium.pop("id")
    thumbs = library / "thumbs"
    files = sorted(str(p.relative_to(thumbs)) for p in thumbs.rglob("*") if p.is_file())
    return {"media": exported["media"], "thumbnails": len(files)}


def done(events: list[dict[str, Any]]) -> set[Done]:
    return {(e["stage"], e["path"]) for e in events if e["event"] == "done"}


def undisturbed(library: Path, arguments: tuple[str, ...]) -> Reference:
    events = add(library, arguments)
    reference = Reference(arguments, len(events), content_of(library))
    assert reference.events > 20
    kinds = {m["kind"] for medium in reference.content["media"] for m in medium["moments"]}
    assert {"name", "screen", "speech"} <= kinds
    stages = [medium["stages"].get("read", {}) for medium in reference.content["media"]]
    assert any(stage.get("state") == "done" for stage in stages), "text in pictures was read"
    return reference


def check_killed(reference: Reference, library: Path, seed: int) -> None:
    """Kill once or more, resume, and compare."""
    draw = random.Random(seed)
    finished: set[Done] = set()
    for _ in range(draw.choice((1, 1, 2, 3))):
        after = draw.randrange(reference.events)
        events = kill(library, reference.arguments, after, draw.uniform(0, MOST_DELAY_S))
        assert not finished & done(events), "done before it was killed, and done again"
        finished |= done(events)
    assert not finished & done(add(library, reference.arguments)), "done twice"
    assert content_of(library) == reference.content
    finish(library, "verify")
    again = add(library, reference.arguments)
    assert not done(again), "a second run on the same files has nothing to do"


@pytest.fixture(scope="module")
def few(media_folder: MediaFolder, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    root = media_folder.root
    names = ("shop.png", "orientation.jpg", "café.webp", "exit.tiff", "no text.jpg")
    others = ("slides/with text.pdf", "broken/cut.jpg", "talk/interview.opus")
    paths = [str(root / name) for name in (*(f"photos/{name}" for name in names), *others)]
    library = tmp_path_factory.mktemp("few") / "library"
    return undisturbed(library, ("--stages", "look,read", *paths))


@pytest.fixture(scope="module")
def all_kinds(media_folder: MediaFolder, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    library = tmp_path_factory.mktemp("all") / "library"
    return undisturbed(library, (str(media_folder.root),))


@pytest.mark.parametrize("seed", range(3))
def test_a_killed_run_resumes(seed: int, few: Reference, tmp_path: Path) -> None:
    check_killed(few, tmp_path / "library", seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(50))
def test_fifty_killed_runs_resume(seed: int, all_kinds: Reference, tmp_path: Path) -> None:
    check_killed(all_kinds, tmp_path / "library", 1000 + seed)


def test_two_runs_give_the_same_library(few: Reference, tmp_path: Path) -> None:
    add(tmp_path / "library", few.arguments)
    assert content_of(tmp_path / "library") == few.content
