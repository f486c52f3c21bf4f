"""What only the SQLite store promises: locks, kills, full disks, migrations, repair."""

from __future__ import annotations

import errno
import multiprocessing
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onlooker.errors import StoreError
from onlooker.library.query import parse
from onlooker.library.store import Filters, PathRow
from onlooker.library.store_sqlite import SqliteStore, schema
from onlooker.library.store_sqlite.codec import pack_polygons, titles_among, unpack_polygons
from onlooker.records import Moment, Producer, View

PRODUCER = Producer(name="test", version="1")


def add(store: SqliteStore, name: str = "a") -> int:
    root = store.add_root(Path("/media"))
    return store.put_path(
        PathRow(
            path=Path(f"/media/{name}.mp4"),
            root_id=root.id,
            size_bytes=1,
            mtime_ns=10**9,
            media_id=None,
        ),
        content_hash=name * 32,
        kind="video",
        stages=("look", "read"),
    )


def cues(*texts: str) -> list[Moment]:
    return [
        Moment(kind="speech", text=text, start_s=float(n), end_s=n + 1.0)
        for n, text in enumerate(texts)
    ]


def view(picture: bytes, index: int = 0) -> View:
    return View(index=index, width=10, height=10, thumbnail=picture)


def database(folder: Path) -> sqlite3.Connection:
    return sqlite3.connect(folder / "library.sqlite3", isolation_level=None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A library with one medium that says "alpha beta", and shows one picture."""
    path = tmp_path / "library"
    with SqliteStore.open(path) as store:
        store.put_result(
            add(store), "look", PRODUCER, moments=cues("alpha beta", "gamma"), views=[view(b"one")]
        )
    return path


def found(store: SqliteStore, text: str) -> int:
    return len(store.match(parse(text), Filters(), limit=50).ids)


# -- opening ---------------------------------------------------------------------------------------
def test_no_library(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"no library in .*onlooker add"):
        SqliteStore.open(tmp_path / "none", create=False)
    with pytest.raises(StoreError, match="no library"):
        SqliteStore.open(tmp_path / "none", read_only=True)
    assert not (tmp_path / "none").exists()
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError):
        SqliteStore.open(tmp_path / "file")


def test_no_database(folder: Path) -> None:
    (folder / "library.sqlite3").write_bytes(
        b"this is no database, but long enough to be read" * 99
    )
    with pytest.raises(StoreError, match="damaged or no library"):
        SqliteStore.open(folder)


@pytest.mark.parametrize("version", [0, 1])
def test_a_database_of_another_program(tmp_path: Path, version: int) -> None:
    with database(tmp_path) as db:
        db.execute("CREATE TABLE t (x)")
        db.execute(f"PRAGMA user_version = {version}")
    db.close()
    before = (tmp_path / "library.sqlite3").read_bytes()
    with pytest.raises(StoreError, match="another program"):
        SqliteStore.open(tmp_path)
    assert (tmp_path / "library.sqlite3").read_bytes() == before


@pytest.mark.parametrize("read_only", [False, True])
def test_a_newer_library_is_left_alone(folder: Path, read_only: bool) -> None:
    with database(folder) as db:
        db.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    db.close()
    with pytest.raises(StoreError, match="newer Onlooker"):
        SqliteStore.open(folder, read_only=read_only)


def test_an_older_library_is_brought_up_to_date(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = (*schema.MIGRATIONS, "CREATE TABLE later (x); INSERT INTO later VALUES (5);")
    monkeypatch.setattr(schema, "MIGRATIONS", steps)
    monkeypatch.setattr(schema, "VERSION", len(steps))
    with pytest.raises(StoreError, match="older version"):
        SqliteStore.open(folder, read_only=True)
    with SqliteStore.open(folder) as store:
        assert found(store, "alpha") == 1
    with database(folder) as db:
        assert db.execute("SELECT x FROM later").fetchall() == [(5,)]
    db.close()
    SqliteStore.open(folder, read_only=True).close()


def test_a_migration_that_fails_changes_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = (*schema.MIGRATIONS, "CREATE TABLE later (x); INSERT INTO nothing VALUES (5);")
    monkeypatch.setattr(schema, "MIGRATIONS", broken)
    monkeypatch.setattr(schema, "VERSION", len(broken))
    with pytest.raises(StoreError, match="nothing"):
        SqliteStore.open(folder)
    monkeypatch.undo()
    with SqliteStore.open(folder) as store:
        assert found(store, "alpha") == 1


def test_a_new_folding_builds_the_indices_anew(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onlooker.library.store_sqlite.store.FOLD_VERSION", "another")
    with database(folder) as db:
        db.execute("DELETE FROM word")
    db.close()
    with SqliteStore.open(folder) as store:
        assert store.word_counts(["alpha"]) == {"alpha": 1}
        assert store.verify() == []


def test_reading_only(folder: Path) -> None:
    with SqliteStore.open(folder, read_only=True) as store:
        assert found(store, "alpha") == 1
        assert store.verify() == []
        with pytest.raises(StoreError, match="reading only"):
            store.retry()
    with pytest.raises(StoreError, match="closed"):
        store.counts()


def test_a_folder_that_may_not_be_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Root may write everywhere: the file that SQLite would make is taken by a folder instead.
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    (folder / "library.sqlite3-shm").mkdir()
    with SqliteStore.open(folder, read_only=True) as store:
        assert found(store, "alpha") == 1
        assert store.verify() == []
    with pytest.raises(StoreError):
        SqliteStore.open(folder).retry()


# -- one writes, many read -------------------------------------------------------------------------
def test_a_second_writer_is_told_who_writes(folder: Path) -> None:
    with (
        SqliteStore.open(folder) as one,
        SqliteStore.open(folder) as two,
        one.writer(),
    ):
        with pytest.raises(StoreError, match=f"process {os.getpid()}"):
            two.writer().acquire()
        with pytest.raises(StoreError, match="another process is writing"):
            two.retry()
        one.retry()  # a use inside another one
        assert found(two, "alpha") == 1  # readers don't wait
    with SqliteStore.open(folder) as three:
        three.retry()


def _hold(folder: str, held: multiprocessing.synchronize.Event) -> None:
    with SqliteStore.open(Path(folder)) as store, store.writer():
        held.set()
        time.sleep(60)


def test_a_lock_that_cannot_be_taken_is_told(folder: Path) -> None:
    (folder / "library.lock").unlink()
    (folder / "library.lock").mkdir()
    with SqliteStore.open(folder) as store, pytest.raises(StoreError, match=r"library\.lock"):
        store.retry()


def test_a_killed_writer_leaves_no_lock(folder: Path) -> None:
    context = multiprocessing.get_context("spawn")
    held = context.Event()
    process = context.Process(target=_hold, args=(str(folder), held))
    process.start()
    try:
        assert held.wait(60)
        with SqliteStore.open(folder) as store:
            with pytest.raises(StoreError, match=f"process {process.pid}"):
                store.retry()
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
            process.join(30)
            store.retry()
    finally:
        process.kill()
        process.join()


def test_readers_see_old_or_new_while_one_writes(folder: Path) -> None:
    with SqliteStore.open(folder) as store:
        media_id = store.list_media()[0].id
        stop = threading.Event()
        wrong: list[object] = []

        def read() -> None:
            while not stop.is_set():
                try:
                    texts = {row.moment.text.split()[0] for row in store.moments(media_id)}
                    if len(texts) != 1:
                        wrong.append(texts)
                except Exception as error:  # any is a failure of the test
                    wrong.append(error)

        store.put_result(media_id, "look", PRODUCER, moments=cues("v0 a", "v0 b"))
        threads = [threading.Thread(target=read) for _ in range(6)]
        for thread in threads:
            thread.start()
        for number in range(1, 25):
            moments = cues(*(f"v{number} {n}" for n in range(20)))
            store.put_result(media_id, "look", PRODUCER, moments=moments)
        stop.set()
        for thread in threads:
            thread.join()
        assert wrong == []
        assert store.verify() == []


# -- bad days --------------------------------------------------------------------------------------
WRITER = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from onlooker.library.store_sqlite import SqliteStore
    from onlooker.records import Moment, Producer, View

    store = SqliteStore.open(Path(sys.argv[1]))
    media_id = store.list_media()[0].id
    print("ready", flush=True)
    round = 0
    while True:
        round += 1
        store.put_result(
            media_id, "look", Producer(name="test", version=str(round)),
            moments=[
                Moment(kind="speech", text=f"round{round} word{n}", start_s=n, end_s=n + 1, view=0)
                for n in range(300)
            ],
            views=[
                View(index=n, width=9, height=9, thumbnail=b"%d %d" % (round, n)) for n in range(3)
            ],
        )
    """
)


def _kill_and_check(folder: Path, delay_s: float) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(delay_s)
    process.kill()
    process.wait()
    process.stdout.close()
    with SqliteStore.open(folder) as store:
        (medium,) = store.list_media()
        task = next(task for task in medium.tasks if task.stage == "look")
        rounds = {row.moment.text.split()[0] for row in store.moments(medium.id)}
        number = task.producer.split("/")[1]
        assert rounds == {f"round{number}"}
        assert found(store, f"round{number}") == 50  # as many as were asked for
        assert store.counts().moments["speech"] == 300
        assert store.word_counts([f"round{number}"]) == {f"round{number}": 300}
        for index in range(3):
            thumbnail = store.thumbnail(medium.id, index)
            assert thumbnail is not None
            assert thumbnail.read_bytes() == f"{number} {index}".encode()
        # Pictures that were written before their rows are all that may be left over.
        left = store.verify()
        assert {problem.what for problem in left} <= {"a thumbnail belongs to nothing"}
        assert all(problem.repaired for problem in store.verify(repair=True))
        assert store.verify() == []


@pytest.fixture
def rounds(folder: Path) -> Path:
    with SqliteStore.open(folder) as store:
        media_id = store.list_media()[0].id
        store.put_result(
            media_id,
            "look",
            Producer(name="test", version="0"),
            moments=[
                Moment(kind="speech", text=f"round0 word{n}", start_s=n, end_s=n + 1, view=0)
                for n in range(300)
            ],
            views=[view(f"0 {n}".encode(), n) for n in range(3)],
        )
    return folder


def test_killed_in_the_middle(rounds: Path) -> None:
    for delay_s in (0.02, 0.11, 0.23):
        _kill_and_check(rounds, delay_s)


@pytest.mark.slow
def test_killed_at_many_points(rounds: Path) -> None:
    dice = random.Random(5)
    for _ in range(50):
        _kill_and_check(rounds, dice.uniform(0.0, 0.4))


def test_a_full_disk_in_the_database(folder: Path) -> None:
    with SqliteStore.open(folder) as store:
        media_id = store.list_media()[0].id
        store.retry()  # opens the connection that writes
        writer = store._connections._writer
        assert writer is not None
        pages = writer.execute("PRAGMA page_count").fetchone()[0]
        writer.execute(f"PRAGMA max_page_count = {pages + 5}")
        many = cues(*(f"word{n} " * 50 for n in range(2_000)))
        with pytest.raises(StoreError, match="no space left"):
            store.put_result(media_id, "look", PRODUCER, moments=many, views=[view(b"two")])
        assert found(store, "alpha") == 1
        assert [row.moment.text for row in store.moments(media_id)] == ["alpha beta", "gamma"]
        writer.execute("PRAGMA max_page_count = 1000000")
        store.put_result(media_id, "look", PRODUCER, moments=many, views=[view(b"two")])
        assert store.counts().moments["speech"] == 2_000
        assert store.verify() == []


def test_a_full_disk_among_the_thumbnails(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with SqliteStore.open(folder) as store:
        media_id = store.list_media()[0].id

        def full(path: Path, data: bytes) -> int:
            path.touch()
            raise OSError(errno.ENOSPC, "No space left on device", str(path))

        monkeypatch.setattr(Path, "write_bytes", full)
        with pytest.raises(StoreError, match="no space left"):
            store.put_result(media_id, "look", PRODUCER, moments=cues("new"), views=[view(b"two")])
        monkeypatch.undo()
        assert found(store, "alpha") == 1
        assert store.verify() == []


def test_a_damaged_database(folder: Path) -> None:
    file = folder / "library.sqlite3"
    content = bytearray(file.read_bytes())
    for at in range(4096, len(content), 512):
        content[at : at + 64] = b"\xa5" * 64
    file.write_bytes(content)
    with pytest.raises(StoreError, match="damaged"), SqliteStore.open(folder) as store:
        store.counts()
        found(store, "alpha")
        problems = store.verify()
        assert any("damaged" in problem.what for problem in problems)
        raise StoreError("damaged, and verify says so")


# -- care ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("damage", "what"),
    [
        ("INSERT INTO words (words) VALUES ('delete-all')", "index of words"),
        ("INSERT INTO parts (parts) VALUES ('delete-all')", "index of part-words"),
        ("UPDATE word SET n = n + 1 WHERE word = 'alpha'", "vocabulary"),
        ("DELETE FROM word", "vocabulary"),
        ("UPDATE task SET speech = 5", "number of moments"),
        ("UPDATE moment SET view = 7", "view that does not exist"),
        ("UPDATE view SET media_id = 5", "records belong to no medium"),
        ("DELETE FROM path", "lies nowhere"),
        ("UPDATE path SET media_id = 7, path = x'2fff'", "leads to no medium"),
    ],
)
def test_what_is_wrong_is_found_and_mended(folder: Path, damage: str, what: str) -> None:
    with database(folder) as db:
        db.execute(damage)
    db.close()
    with SqliteStore.open(folder, read_only=True) as store:
        assert any(what in problem.what for problem in store.verify())
    with SqliteStore.open(folder) as store:
        with SqliteStore.open(folder) as other, other.writer():
            assert any(what in problem.what for problem in store.verify())  # doesn't wait
        assert any(what in problem.what for problem in store.verify())  # it only reads
        mended = store.verify(repair=True)
        assert mended
        assert all(problem.repaired for problem in mended)
        assert store.verify() == []
        if "path" not in damage:
            assert found(store, "alpha") == 1


def test_thumbnails_that_are_missing_or_nobodys(folder: Path) -> None:
    with SqliteStore.open(folder) as store:
        media_id = store.list_media()[0].id
        thumbnail = store.thumbnail(media_id, 0)
        assert thumbnail is not None
        thumbnail.unlink()
        stray = folder / "thumbs" / "xx" / "stray.webp"
        stray.parent.mkdir()
        stray.write_bytes(b"x")
        assert sorted(problem.what for problem in store.verify()) == [
            "a thumbnail belongs to nothing",
            "a thumbnail is missing or cut off",
        ]
        assert all(problem.repaired for problem in store.verify(repair=True))
        assert not stray.exists()
        assert store.thumbnail(media_id, 0) is None
        assert store.pending("look") == [media_id]  # makes it again
        assert store.verify() == []


@pytest.mark.parametrize(
    "ask",
    [
        lambda store: store.media(2**64),
        lambda store: store.thumbnail(1, 10**30),
        lambda store: store.list_media(limit=10**30),
        lambda store: store.list_media(Filters(media_kinds=("video\udcff",))),
    ],
)
def test_values_that_no_column_holds(folder: Path, ask: Callable[[SqliteStore], object]) -> None:
    with SqliteStore.open(folder) as store:
        with pytest.raises(StoreError):
            ask(store)
        assert found(store, "alpha") == 1


def test_filters_never_become_sql(folder: Path) -> None:
    with SqliteStore.open(folder) as store:
        for text in ("speech > 0) OR (1", "nothing", "'", '"', "\udcff"):
            assert store.list_media(Filters(kinds=(text,))) == []  # type: ignore[arg-type]
            assert store.list_media(Filters(language=text)) == []
            assert store.match(parse("alpha"), Filters(language=text), limit=5).ids == []


def test_text_that_is_no_unicode_is_cleaned_wherever_it_comes_in(folder: Path) -> None:
    with SqliteStore.open(folder) as store:
        row = store.moments(1)[0]
        store.correct(row.id, "al\udcffpha")
        store.put_failure(1, "read", PRODUCER, "failed", "cannot read \udcff.mp4")
        store.put_result(1, "hear", PRODUCER, moments=[], state="failed", reason="\udcff")
        assert [task.reason for task in store.media(1).tasks] == ["", "cannot read ?.mp4", "?"]
        assert found(store, "beta") == 0
        assert store.verify() == []


def test_parts_are_sought_where_the_filters_point(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onlooker.library.store_sqlite.fulltext._PART_LIMIT", 2)
    with SqliteStore.open(folder) as store:
        store.put_result(1, "look", PRODUCER, moments=cues(*["alphabet"] * 5))
        other = add(store, "b")
        store.put_result(other, "look", PRODUCER, moments=cues("alphabet soup"))
        matches = store.match_part("phabet", Filters(media_id=other), limit=5)
        assert [row.media_id for row in store.moments_of(matches.ids).values()] == [other]
        assert not matches.more
        assert store.match_part("phabet", Filters(), limit=5).more
        assert store.match_part("phabet", Filters(by="nobody"), limit=5).ids == ()


def test_links_are_of_one_library_only(tmp_path: Path) -> None:
    ids = set()
    for name in ("one", "two"):
        with SqliteStore.open(tmp_path / name) as store:
            ids.add(store.media(add(store)).public_id)
    assert len(ids) == 2
    shutil.copytree(tmp_path / "one", tmp_path / "copy")
    with SqliteStore.open(tmp_path / "copy") as store:
        assert store.list_media()[0].public_id in ids


# -- packing ---------------------------------------------------------------------------------------
coordinate = st.floats(-2_000, 30_000, allow_nan=False)
polygon = st.lists(st.tuples(coordinate, coordinate), min_size=3, max_size=9).map(tuple)


@given(st.lists(polygon, max_size=5).map(tuple))
def test_polygons_come_back_within_a_rounding(
    polygons: tuple[tuple[tuple[float, float], ...], ...],
) -> None:
    back = unpack_polygons(pack_polygons(polygons))
    assert [len(p) for p in back] == [len(p) for p in polygons]
    flat = [v for p in polygons for point in p for v in point]
    step = max(0.125, (max(flat) - min(flat)) / 32_767) if flat else 0
    for one, other in zip(back, polygons, strict=True):
        for (x, y), (u, v) in zip(one, other, strict=True):
            assert abs(x - u) <= step
            assert abs(y - v) <= step


def test_upright_boxes_take_eight_bytes() -> None:
    boxes = tuple(
        ((x, 5.0), (x + 30, 5.0), (x + 30, 17.5), (x, 17.5)) for x in (0.0, 100.25, 1_900.0)
    )
    packed = pack_polygons(boxes)
    assert packed is not None
    assert len(packed) == 12 + 3 * 8
    assert unpack_polygons(packed) == boxes
    assert pack_polygons(()) is None
    assert unpack_polygons(None) == ()


def test_titles_are_larger_than_the_rest() -> None:
    def at(text: str, height: float, view: int = 0) -> Moment:
        polygon = ((0.0, 0.0), (9.0, 0.0), (9.0, height), (0.0, height))
        return Moment(kind="screen", text=text, view=view, polygons=(polygon,))

    lines = [at("Title", 30), at("a", 20), at("b", 19), at("c", 20), at("alone", 50, view=1)]
    assert titles_among(lines) == {0}
    assert titles_among([at("one size", 20), at("fits", 21), at("all", 19)]) == set()
    assert titles_among([at("Title", 30), at("under it", 20)]) == {0}
    assert titles_among([Moment(kind="speech", text="x")]) == set()
