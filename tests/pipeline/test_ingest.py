"""The whole way, from files to hits, with the shipped networks."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest
from PIL import Image
from rapidfuzz import fuzz

from onlooker.errors import MediaError
from onlooker.library import Library
from onlooker.library import analyzers as rooms
from onlooker.library.analyzers import recordings
from onlooker.library.estimate import estimate
from onlooker.library.export import write_csv
from onlooker.library.ingest import Event
from onlooker.library.store import STAGES, Filters
from onlooker.records import Moment, Producer

pytestmark = pytest.mark.weights

# What may fail to be read: the test pictures are small, and the reader is not perfect. Measured on
# real pictures by benchmarks/reader.py.
_READ = 85.0
_MOST_MISSED = 0.2


@pytest.fixture(scope="module")
def indexed(media_folder, tmp_path_factory: pytest.TempPathFactory):
    library = Library.open(tmp_path_factory.mktemp("indexed") / "library")
    events: list[Event] = []
    summary = library.add(media_folder.root, on_event=events.append)
    yield library, summary, events
    library.close()


def texts(library: Library, root: Path, relative: str, kind: str) -> list[str]:
    [medium] = [m for m in library.media() if any(p.path == root / relative for p in m.paths)]
    return [row.moment.text for row in library.store.moments(medium.id, (kind,))]  # type: ignore[arg-type]


def test_what_can_be_seen_is_found(indexed, media_folder) -> None:
    library, _, _ = indexed
    missed = []
    total = 0
    for relative, lines in media_folder.visible.items():
        found = texts(library, media_folder.root, relative, "screen")
        for line in lines:
            total += 1
            if not any(fuzz.ratio(line.lower(), text.lower()) >= _READ for text in found):
                missed.append((relative, line, found))
    assert len(missed) <= _MOST_MISSED * total, missed


def test_a_line_that_stays_is_one_moment_with_its_true_span(indexed, media_folder) -> None:
    library, _, _ = indexed
    [medium] = [m for m in library.media() if m.title == "Optimisation"]
    rows = library.store.moments(medium.id, ("screen",))
    titles = [
        row.moment
        for row in rows
        if fuzz.ratio(row.moment.text.lower(), "gradient descent") >= _READ
    ]
    assert len(titles) == 1
    assert titles[0].start_s == pytest.approx(0.0, abs=0.2)
    assert titles[0].end_s == pytest.approx(4.0, abs=0.5)


def test_subtitles_are_the_transcript(indexed, media_folder) -> None:
    library, _, _ = indexed
    for relative, sentences in media_folder.spoken.items():
        assert texts(library, media_folder.root, relative, "speech") == list(sentences)


def test_broken_files_have_reasons_and_stop_nothing(indexed, media_folder) -> None:
    library, summary, _ = indexed
    reasons = {path.relative_to(media_folder.root).as_posix(): why for path, why in summary.failed}
    for relative in media_folder.broken:
        assert relative in reasons
        assert Path(relative).name in reasons[relative]
    assert "password" in reasons["broken/secret.pdf"]
    states = {task.state for m in library.media() for task in m.tasks}
    assert "pending" not in states


def test_what_is_not_heard_says_so(indexed) -> None:
    library, summary, _ = indexed
    if rooms.Engines().deaf == "":
        pytest.skip("a speech engine is installed")
    assert any("not heard" in reason for _, reason in summary.skipped)
    assert library.store.counts().tasks["hear"]["skipped"] >= 1


def test_events_come_in_order(indexed) -> None:
    _, _, events = indexed
    stages = [event.stage for event in events if event.kind == "start"]
    assert stages == sorted(stages, key=lambda stage: STAGES.index(stage))
    for event in events:
        assert 0.0 <= event.fraction <= 1.0
        assert event.work_done <= event.work_total + 1e-6


def test_doing_it_again_does_nothing(indexed) -> None:
    library, _, _ = indexed
    again = library.update()
    assert (again.added, again.changed, again.removed) == (0, 0, 0)
    assert sum(again.done.values()) == 0


def test_a_new_reader_redoes_its_own_records_only(
    media_folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = Library.open(tmp_path / "library")
    library.add(media_folder.root / "photos")
    monkeypatch.setattr("onlooker.text.pipeline.VERSION", "next")
    again = library.update()
    assert again.done["look"] == 0
    assert again.done["read"] == len(library.media())


def test_what_was_heard_elsewhere_stays(
    media_folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def heard(medium: rooms.Medium, progress: rooms.Progress) -> rooms.Analysis:
        speech = Moment(kind="speech", text="heard before", start_s=0.0, end_s=1.0)
        return rooms.Analysis(moments=[speech])

    library = Library.open(tmp_path / "library")
    with monkeypatch.context() as patch:
        patch.setitem(rooms.STEPS, ("video", "hear"), heard)
        patch.setattr(
            rooms.Engines, "producer", lambda *_: Producer(name="speech", version="1", weights="x")
        )
        library.add(media_folder.root / "talk" / "turned.mp4", stages=("look", "hear"))
    monkeypatch.setattr(rooms.Engines, "deaf", "no engine here")
    library.update(stages=("look", "hear"))
    assert library.search("heard before").hits
    assert library.store.counts().tasks["hear"].get("skipped", 0) == 0


def test_work_that_was_stopped_goes_on(media_folder, tmp_path: Path) -> None:
    library = Library.open(tmp_path / "library")
    first = library.add(media_folder.root / "photos", until=time.time() - 1)
    assert first.stopped
    assert sum(first.done.values()) == 0
    second = library.update(stages=("look",))
    assert second.done["look"] == len(library.media())


def test_an_interrupt_leaves_a_sound_library(media_folder, tmp_path: Path) -> None:
    library = Library.open(tmp_path / "library")

    def interrupt(event: Event) -> None:
        if event.kind == "start" and event.position == 3:
            raise KeyboardInterrupt

    summary = library.add(media_folder.root / "photos", stages=("look",), on_event=interrupt)
    assert summary.stopped == "interrupted"
    assert library.verify() == []
    assert library.update(stages=("look",)).done["look"] == len(library.media()) - 2


def test_an_odd_error_is_a_row_not_the_end(
    media_folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("odd")

    monkeypatch.setitem(rooms.STEPS, ("photo", "look"), broken)
    library = Library.open(tmp_path / "library")
    summary = library.add(media_folder.root / "photos" / "shop.png", stages=("look",))
    assert "ZeroDivisionError" in summary.failed[0][1]
    assert library.search("shop").hits  # found by its name all the same


def test_a_file_that_vanishes_between_the_passes(
    media_copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def vanished(medium: rooms.Medium, progress: rooms.Progress) -> rooms.Analysis:
        raise MediaError(f"{medium.path} is gone")

    monkeypatch.setitem(rooms.STEPS, ("photo", "read"), vanished)
    library = Library.open(tmp_path / "library")
    library.add(media_copy.root / "photos" / "shop.png")
    [(_, task)] = library.store.failures()
    assert task is not None and task.stage == "read"
    assert "is gone" in task.reason


def test_estimate(media_folder) -> None:
    result = estimate([media_folder.root / "photos", media_folder.root / "slides"])
    assert result.kinds["photo"].files == 6
    assert result.kinds["document"].files == 2
    assert result.seconds > 0
    assert result.disk_bytes > 0


def test_csv_cells_are_no_formulas(media_folder, tmp_path: Path) -> None:
    library = Library.open(tmp_path / "library")
    library.add(media_folder.root / "odd names", stages=("look",))
    with (tmp_path / "out.csv").open("w+", encoding="utf-8") as out:
        write_csv(library.store, out, Filters())
        out.seek(0)
        assert "'-dash.png" in out.read()


def test_events_are_plain_values(indexed) -> None:
    _, _, events = indexed
    assert json.dumps([event.reason for event in events])


def test_subtitles_that_come_and_go(
    media_copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def transcribed(medium: rooms.Medium, progress: rooms.Progress) -> rooms.Analysis:
        if any(row.stage == "look" for row in medium.earlier() if row.moment.kind == "speech"):
            return rooms.Analysis(reason="transcript from subtitles")
        return rooms.Analysis(
            moments=[Moment(kind="speech", text="machine words", start_s=0.0, end_s=1.0)]
        )

    monkeypatch.setitem(rooms.STEPS, ("audio", "hear"), transcribed)
    talk, subtitles = (
        media_copy.root / "talk/interview.opus",
        media_copy.root / "talk/interview.vtt",
    )
    kept = subtitles.read_text(encoding="utf-8")
    subtitles.unlink()
    library = Library.open(tmp_path / "library")
    library.add(talk)
    [medium] = library.media()

    def spoken() -> list[str]:
        return [row.moment.text for row in library.store.moments(medium.id, ("speech",))]

    assert spoken() == ["machine words"]
    subtitles.write_text(kept, encoding="utf-8")
    library.update()
    assert spoken() == ["A binary network counts bits."]
    subtitles.write_text(kept.replace("bits", "bytes"), encoding="utf-8")
    assert library.update().done["hear"] == 0
    assert spoken() == ["A binary network counts bytes."]
    subtitles.unlink()
    library.update()
    assert spoken() == ["machine words"]


def test_a_file_that_is_gone_when_its_turn_comes(media_copy, tmp_path: Path) -> None:
    library = Library.open(tmp_path / "library")

    def vanish(event: Event) -> None:
        if event.kind == "start":
            (media_copy.root / "photos" / "shop.png").unlink(missing_ok=True)
            (media_copy.root / "photos" / "shop again.png").unlink(missing_ok=True)

    summary = library.add(media_copy.root / "photos", stages=("look",), on_event=vanish)
    [(path, reason)] = summary.failed
    assert path.name.startswith("shop") and "vanished" in reason
    assert library.update(stages=("look",)).removed == 2


def test_corrections_survive_edited_subtitles(media_copy, tmp_path: Path) -> None:
    library = Library.open(tmp_path / "library")
    library.add(media_copy.root / "talk/lecture.mp4", stages=("look",))
    [hit, *_] = library.search("slope of the loss").hits
    library.store.correct(hit.moment.id, "We follow the slope of the error.")
    path = media_copy.root / "talk/lecture.srt"
    path.write_text(path.read_text(encoding="utf-8").replace("bit", "digit"), encoding="utf-8")
    library.update(stages=("look",))
    assert not library.search('"slope of the loss"').hits
    assert library.search('"slope of the error"').hits[0].moment.producer.startswith("person")
    assert library.search('"one digit per weight"').hits


def test_decoding_ahead_ends_when_no_more_is_wanted() -> None:
    over = threading.Event()
    begun = threading.Event()

    def endless():
        yield 1
        begun.set()
        while not over.is_set():
            time.sleep(0.001)
        raise recordings._Over

    for item in recordings._ahead(endless(), over, most=2):
        assert item == 1
        assert begun.wait(10)
        break
    assert over.is_set()
    assert not [t for t in threading.enumerate() if t.name == "onlooker-decode"]


def test_an_error_of_decoding_ahead_arrives() -> None:
    def broken():
        yield 1
        raise MediaError("cut short")

    with pytest.raises(MediaError, match="cut short"):
        list(recordings._ahead(broken(), threading.Event(), most=2))


def test_with_one_thread_nothing_runs_beside(
    media_folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recordings, "threads", lambda: 1)
    monkeypatch.setattr(recordings, "_ahead", None)
    library = Library.open(tmp_path / "library")
    assert library.add(media_folder.root / "talk" / "turned.mp4").failed == []


def test_of_copies_the_one_that_is_described_counts(media_folder, tmp_path: Path) -> None:
    library = Library.open(tmp_path / "library")
    library.add(media_folder.root / "photos", stages=("look",))
    [hit, *_] = library.search("bakery", filters=Filters(by="Ada Example")).hits
    assert {place.path.name for place in hit.media.paths} == {"shop.png", "shop again.png"}


def test_an_estimate_is_of_the_size_of_what_comes(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    noise = Image.effect_noise((640, 480), 60)
    for number in range(30):
        noise.rotate(number).save(photos / f"{number}.jpg")
    (photos / "empty.jpg").write_bytes(b"")
    result = estimate([photos])
    library = Library.open(tmp_path / "library")
    library.add(photos, stages=("look",))
    library.close()
    real = sum(file.stat().st_size for file in (tmp_path / "library" / "thumbs").rglob("*.webp"))
    assert 0.5 * real < result.disk_bytes < 2 * real
    assert result.unreadable == 1
