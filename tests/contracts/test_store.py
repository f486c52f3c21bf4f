"""What every implementation of `Store` keeps; one line in `OPENERS` adds another one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from onlooker.errors import StoreError
from onlooker.library.query import parse
from onlooker.library.store import Filters, PathRow, Store
from onlooker.library.store_sqlite import SqliteStore
from onlooker.records import (
    Description,
    MediaFacts,
    MediaKind,
    Moment,
    Polygon,
    Producer,
    View,
)

OPENERS: dict[str, Callable[[Path], Store]] = {"sqlite": lambda folder: SqliteStore.open(folder)}
SUBTITLES = Producer(name="media.subtitles", version="1", kind="file")
READER = Producer(name="text.reader", version="1", weights="abc")
NEWER = Producer(name="text.reader", version="2", weights="def")


@pytest.fixture(params=list(OPENERS))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    opened = OPENERS[request.param](tmp_path / "library")
    yield opened
    opened.close()


def add(
    store: Store,
    path: str | bytes = "/media/a.mp4",
    content: str = "a",
    kind: MediaKind = "video",
    *,
    beside: str = "",
    mtime_s: int = 1_000,
) -> int:
    root = store.add_root(Path("/media"))
    return store.put_path(
        PathRow(
            path=Path(os.fsdecode(path)),
            root_id=root.id,
            size_bytes=7,
            mtime_ns=mtime_s * 10**9,
            media_id=None,
            beside=beside,
        ),
        content_hash=content * 32,
        kind=kind,
        stages=("look", "read"),
    )


def box(left: float, top: float, width: float = 40, height: float = 10) -> Polygon:
    return (
        (left, top),
        (left + width, top),
        (left + width, top + height),
        (left, top + height),
    )


def line(text: str, view: int = 0, top: float = 10, height: float = 10) -> Moment:
    words = text.split()
    return Moment(
        kind="screen",
        text=text,
        start_s=10.0 * view,
        end_s=10.0 * view + 10,
        view=view,
        polygons=tuple(box(50.0 * n, top, height=height) for n in range(len(words))),
        confidence=0.9,
    )


def said(text: str, start_s: float) -> Moment:
    return Moment(kind="speech", text=text, start_s=start_s, end_s=start_s + 3)


def slides(number: int) -> list[View]:
    return [
        View(
            index=n,
            width=640,
            height=480,
            start_s=10.0 * n,
            end_s=10.0 * n + 10,
            best_s=10.0 * n + 5,
            kind="slide",
            thumbnail=f"picture {n}".encode(),
        )
        for n in range(number)
    ]


def found(store: Store, text: str, filters: Filters | None = None) -> list[str]:
    matches = store.match(parse(text), filters or Filters(), limit=50)
    lines = store.lines_of(matches.ids)
    return [lines[moment_id].text for moment_id in matches.ids]


def texts(store: Store, media_id: int) -> list[str]:
    return [row.moment.text for row in store.moments(media_id)]


def sound(store: Store) -> bool:
    return store.verify() == []


# -- what lies where -------------------------------------------------------------------------------
def test_a_new_content_becomes_a_medium(store: Store) -> None:
    media_id = add(store)
    row = store.media(media_id)
    assert row.title == "a.mp4"
    assert row.kind == row.facts.kind == "video"
    assert row.when == 1_000
    assert [path.path for path in row.paths] == [Path("/media/a.mp4")]
    assert [(task.stage, task.state) for task in row.tasks] == [
        ("look", "pending"),
        ("read", "pending"),
    ]
    assert store.media_by_public_id(row.public_id) == row
    assert store.media_by_public_id("nothing") is None
    with pytest.raises(StoreError, match="no medium 99"):
        store.media(99)


def test_one_content_at_two_paths_is_one_medium(store: Store) -> None:
    first = add(store, "/media/a.mp4")
    again = add(store, "/media/b.mp4")
    assert first == again
    assert len(store.media(first).paths) == 2
    store.forget_paths([Path("/media/a.mp4")])
    assert store.media(first).title == "b.mp4"  # the name that is left
    store.forget_paths([Path("/media/b.mp4"), Path("/media/never-there.mp4")])
    assert store.list_media() == []
    assert sound(store)


def test_an_edited_file_is_another_medium(store: Store) -> None:
    old = add(store, content="a")
    store.put_result(old, "look", SUBTITLES, moments=[said("old words", 0)], views=slides(1))
    new = add(store, content="b")
    assert new != old
    assert [row.id for row in store.list_media()] == [new]
    assert found(store, "old") == []
    assert sound(store)


@pytest.mark.parametrize(
    "name",
    [b"plain", b"new\nline", b"quote'\"", "emoji \U0001f3a5".encode(), b"latin \xe9\xff", b"%_*?["],
)
def test_any_name_is_kept(store: Store, name: bytes) -> None:
    path = b"/media/" + name
    media_id = add(store, path)
    assert os.fsencode(store.media(media_id).paths[0].path) == path
    row = store.path(Path(os.fsdecode(path)))
    assert row is not None
    assert row.media_id == media_id
    store.media(media_id).title.encode()  # can be printed
    assert [os.fsencode(r.path) for r in store.paths()] == [path]
    store.forget_paths([Path(os.fsdecode(path))])
    assert store.path(Path(os.fsdecode(path))) is None


def test_many_paths_are_iterated_in_order(store: Store) -> None:
    root = store.add_root(Path("/media"))
    with store.writer():
        for number in range(1_203):
            store.fail_path(
                PathRow(
                    path=Path(f"/media/{number:05}"),
                    root_id=root.id,
                    size_bytes=0,
                    mtime_ns=0,
                    media_id=None,
                    state="failed",
                    reason="empty",
                )
            )
    assert [row.path.name for row in store.paths(root.id)] == [f"{n:05}" for n in range(1_203)]
    assert list(store.paths(root.id + 1)) == []
    assert len(store.failures()) == store.counts().failed_paths == 1_203


def test_a_file_that_fails_keeps_its_records(store: Store) -> None:
    media_id = add(store)
    store.put_result(media_id, "look", SUBTITLES, moments=[said("words", 0)])
    known = store.path(Path("/media/a.mp4"))
    assert known is not None
    store.fail_path(
        PathRow(
            path=known.path,
            root_id=known.root_id,
            size_bytes=0,
            mtime_ns=1,
            media_id=None,
            state="failed",
            reason="it cannot be read",
        )
    )
    assert texts(store, media_id) == ["words"]
    (row, task), *_ = store.failures()
    assert isinstance(row, PathRow)
    assert (row.reason, task) == ("it cannot be read", None)
    assert store.pending("read") == []
    add(store)  # readable again
    assert store.failures() == []
    assert store.pending("read") == [media_id]


def test_roots(store: Store) -> None:
    root = store.add_root(Path("/media"), exclude=["*.tmp"])
    assert store.add_root(Path("/media"), exclude=["*.bak"]).id == root.id
    assert store.roots()[0].exclude == ("*.bak",)
    with pytest.raises(StoreError, match="absolute"):
        store.add_root(Path("media"))
    media_id = add(store)
    store.set_root_offline(root.id, True)
    assert store.roots()[0].offline
    assert store.media(media_id).paths[0].state == "offline"
    assert store.pending("look") == []
    assert store.counts().offline_paths == 1
    store.set_root_offline(root.id, False)
    assert store.pending("look") == [media_id]
    store.remove_root(root.id)
    assert store.roots() == []
    assert store.list_media() == []


def test_a_medium_that_lies_elsewhere_too_outlives_its_folder(store: Store) -> None:
    secret, shared = store.add_root(Path("/secret")), store.add_root(Path("/shared"))
    for root, name in ((secret, "/secret/a.mp4"), (shared, "/shared/b.mp4")):
        media_id = store.put_path(
            PathRow(path=Path(name), root_id=root.id, size_bytes=1, mtime_ns=1, media_id=None),
            content_hash="a" * 32,
            kind="video",
            stages=("look",),
        )
    store.put_result(media_id, "look", SUBTITLES, moments=[said("words", 0)], views=[])
    store.remove_root(secret.id)
    row = store.media(media_id)
    assert (row.title, [path.path.name for path in row.paths]) == ("b.mp4", ["b.mp4"])
    assert store.pending("look") == [media_id]  # its name of before is looked for no more
    assert found(store, "words") == ["words"]


def test_a_file_from_the_far_future(store: Store) -> None:
    root = store.add_root(Path("/media"))
    row = PathRow(
        path=Path("/media/a.mp4"), root_id=root.id, size_bytes=1, mtime_ns=2**64, media_id=None
    )
    store.put_path(row, content_hash="a" * 32, kind="video", stages=("look",))
    store.fail_path(replace(row, state="failed", reason="late"))
    assert [row.reason for row in store.paths()] == ["late"]


# -- results ---------------------------------------------------------------------------------------
def test_results_are_replaced_whole(store: Store) -> None:
    media_id = add(store)
    moments = [line("Gradient descent"), line("walks downhill", top=40)]
    store.put_result(media_id, "look", SUBTITLES, moments=[said("hello", 1)], views=slides(2))
    store.put_result(media_id, "read", READER, moments=moments, seconds=1.5)
    assert [row.moment for row in store.moments(media_id, ["screen"])] == moments
    assert [row.moment.kind for row in store.moments(media_id)].count("speech") == 1
    assert store.moments(media_id)[0].producer == READER.key
    store.put_result(media_id, "read", NEWER, moments=[line("Gradient ascent")])
    assert [row.moment.text for row in store.moments(media_id, ["screen"])] == ["Gradient ascent"]
    assert found(store, "descent") == []
    assert found(store, "gradient") == ["Gradient ascent"]
    task = store.media(media_id).tasks[1]
    assert (task.state, task.producer) == ("done", NEWER.key)
    assert store.counts().moments == {"screen": 1, "speech": 1, "name": 0, "person": 0}
    assert sound(store)


def test_every_field_comes_back(store: Store) -> None:
    media_id = add(store)
    store.put_result(media_id, "look", SUBTITLES, moments=[], views=slides(1))
    triangle = ((1.0, 2.0), (3.5, 2.25), (2.0, 5.125))
    turned = ((10.0, 10.0), (50.0, 12.5), (49.0, 24.0), (9.0, 21.5))
    moments = [
        Moment(kind="person", text="A title", field="title"),
        Moment(kind="name", text="a.mp4"),
        Moment(kind="screen", text="a b", page=3, view=0, polygons=(turned, triangle)),
        Moment(kind="screen", text="far", view=0, polygons=(box(-5.5, 19_000, 3_000, 2_000),)),
        Moment(kind="speech", text="π ≈ 3.14", start_s=1.23456, end_s=2.5, confidence=0.25),
    ]
    store.put_result(media_id, "read", READER, moments=moments)
    rows = store.moments(media_id)
    assert {row.moment.text: row.moment for row in rows} == {m.text: m for m in moments}
    for row in rows:
        assert store.moment(row.id) == row
    assert [row.moment.text for row in store.moments(media_id, view=0)] == ["far", "a b"]
    assert store.moment(10**9) is None


def test_views_and_thumbnails(store: Store) -> None:
    media_id = add(store)
    store.put_result(media_id, "look", SUBTITLES, moments=[], views=slides(3))
    views = store.views(media_id)
    assert [view.index for view in views] == [0, 1, 2]
    assert views[1].best_s == 15
    assert all(view.thumbnail == b"" for view in views)
    assert store.media(media_id).views == 3
    thumbnail = store.thumbnail(media_id, 2)
    assert thumbnail is not None
    assert thumbnail.read_bytes() == b"picture 2"
    assert store.thumbnail(media_id, 9) is None
    store.put_result(media_id, "look", SUBTITLES, moments=[])  # views stay
    assert store.media(media_id).views == 3
    store.put_result(media_id, "look", SUBTITLES, moments=[], views=slides(1))
    assert store.media(media_id).views == 1
    assert not thumbnail.exists()
    assert sound(store)


def test_a_failure_keeps_what_was_there(store: Store) -> None:
    media_id = add(store)
    store.put_result(media_id, "look", SUBTITLES, moments=[said("words", 0)])
    store.put_failure(media_id, "look", NEWER, "failed", "page 7 is broken")
    store.put_failure(media_id, "read", READER, "skipped", "no reader")
    assert texts(store, media_id) == ["words"]
    assert store.counts().moments["speech"] == 1
    reasons = [task.reason for _, task in store.failures() if task is not None]
    assert reasons == ["page 7 is broken", "no reader"]
    assert store.retry("read") == 1
    assert store.retry() == 1
    assert store.pending("look") == store.pending("read") == [media_id]


def test_what_is_pending(store: Store) -> None:
    old = add(store, "/media/old.mp4", "a", mtime_s=1_000)
    new = add(store, "/media/new.mp4", "b", mtime_s=2_000)
    assert store.pending("look") == [old, new]
    assert store.pending("look", newest_first=True) == [new, old]
    store.put_result(old, "look", READER, moments=[])
    assert store.pending("look") == [new]
    assert store.pending("look", producer=READER) == [new]
    assert store.pending("look", producer=NEWER) == [old, new]
    assert store.pending("hear") == []
    add(store, "/media/old.mp4", "a", beside="old.srt 5 6")
    assert store.pending("look") == [old, new]


def test_facts_and_description(store: Store) -> None:
    media_id = add(store, kind="photo")
    facts = MediaFacts(
        kind="photo",
        width=4_000,
        height=3_000,
        captured_at=500.0,
        latitude=0.0,
        longitude=-0.5,
        container="jpeg",
        description=Description(
            title="Härte 10",
            creators=("Zoë Müller", "N. N."),
            series="Optimierung I",
            language="de-CH",
            sources=("exif",),
        ),
    )
    store.put_facts(media_id, facts, file_time=900.0)
    row = store.media(media_id)
    assert (row.title, row.when, row.facts) == ("Härte 10", 500.0, facts)
    with pytest.raises(StoreError):
        store.put_facts(99, facts, file_time=0)


def test_removing_media_leaves_nothing(store: Store) -> None:
    media_id = add(store)
    store.put_result(media_id, "look", SUBTITLES, moments=[said("hello", 0)], views=slides(1))
    thumbnail = store.thumbnail(media_id, 0)
    store.remove_media([media_id, 99])
    assert thumbnail is not None
    assert not thumbnail.exists()
    assert store.counts().media == {}
    assert store.counts().moments["speech"] == 0
    assert store.vocabulary()[0] == []
    assert found(store, "hello") == []
    assert sound(store)


def test_odd_text_is_kept_or_cleaned(store: Store) -> None:
    media_id = add(store)
    moments = [said("", 0), said("a\0b", 1), said("lone \udce9 half", 2), said("x" * 50_000, 3)]
    store.put_result(media_id, "look", SUBTITLES, moments=moments)
    assert texts(store, media_id) == ["", "a b", "lone ? half", "x" * 50_000]
    assert sound(store)


def test_a_bad_polygon_changes_nothing(store: Store) -> None:
    media_id = add(store)
    store.put_result(media_id, "read", READER, moments=[line("before")], views=slides(1))
    bad = Moment(kind="screen", text="x", polygons=(((0.0, float("nan")),) * 4,))
    with pytest.raises(StoreError, match="finite"):
        store.put_result(media_id, "read", READER, moments=[line("after"), bad])
    assert texts(store, media_id) == ["before"]
    assert sound(store)


def test_an_error_while_moments_are_made_changes_nothing(store: Store) -> None:
    media_id = add(store)
    store.put_result(media_id, "read", READER, moments=[line("before")])

    def failing() -> Iterator[Moment]:
        yield line("after")
        raise RuntimeError("the decoder gave up")

    with pytest.raises(RuntimeError):
        store.put_result(media_id, "read", READER, moments=failing())
    assert texts(store, media_id) == ["before"]
    with pytest.raises(StoreError):
        store.put_result(99, "read", READER, moments=[])


# -- a person's word -------------------------------------------------------------------------------
def test_a_correction_survives_a_new_model(store: Store) -> None:
    media_id = add(store)
    store.put_result(media_id, "look", SUBTITLES, moments=[], views=slides(2))
    store.put_result(
        media_id, "read", READER, moments=[line("Gradlent"), line("noise", top=80), line("kept", 1)]
    )
    wrong, noise, _ = store.moments(media_id)
    corrected = store.correct(wrong.id, "Gradient")
    store.correct(noise.id, None)
    assert found(store, "gradient") == ["Gradient"]
    assert found(store, "gradlent") == found(store, "noise") == []
    assert sound(store)

    row = store.moment(corrected)
    assert row is not None
    assert row.producer.startswith("person/")
    assert row.moment.polygons == wrong.moment.polygons
    # The new model reads another error at a place that is a little off.
    store.put_result(
        media_id,
        "read",
        NEWER,
        moments=[line("Gradieht", top=11), line("nolse", top=81), line("kept", 1)],
    )
    assert texts(store, media_id) == ["Gradient", "kept"]
    assert store.counts().moments["screen"] == 2
    # It finds nothing there at all: the person's word stays.
    store.put_result(media_id, "read", NEWER, moments=[line("kept", 1)])
    assert sorted(texts(store, media_id)) == ["Gradient", "kept"]
    again = next(row for row in store.moments(media_id) if row.moment.text == "Gradient")
    store.correct(again.id, "Gradients")
    store.put_result(media_id, "read", NEWER, moments=[line("Gradieht")])
    assert texts(store, media_id) == ["Gradients"]
    assert sound(store)


def test_a_corrected_cue_keeps_its_neighbours(store: Store) -> None:
    media_id = add(store)
    cues = [said("one", 0), said("to", 3), said("three", 6)]
    store.put_result(media_id, "look", SUBTITLES, moments=cues)
    store.correct(store.moments(media_id)[1].id, "two")
    store.put_result(media_id, "look", SUBTITLES, moments=cues)
    assert texts(store, media_id) == ["one", "two", "three"]


def test_there_must_be_something_to_correct(store: Store) -> None:
    with pytest.raises(StoreError, match="no moment 5"):
        store.correct(5, "text")


# -- lists and filters -----------------------------------------------------------------------------
@pytest.fixture
def shelf(store: Store) -> Store:
    """Three media with different facts, each saying "common"."""
    for number, (path, kind, creator, series, language, when) in enumerate(
        [
            ("/media/talks/one.mp4", "video", "Ada Müller", "Optik", "de", 1_000.0),
            ("/media/talks/two.mp4", "video", "Bob Stone", "Optics", "en-GB", 2_000.0),
            ("/media/talks2/three.pdf", "document", "", "", "", 3_000.0),
        ]
    ):
        assert kind in ("video", "document")
        media_id = add(store, path, "abc"[number], "video" if kind == "video" else "document")
        facts = MediaFacts(
            kind="video" if kind == "video" else "document",
            duration_s=60.0,
            description=Description(
                creators=(creator,) if creator else (), series=series, language=language
            ),
        )
        store.put_facts(media_id, facts, file_time=when)
        store.put_result(
            media_id,
            "look",
            SUBTITLES,
            moments=[said("common words", 0)] if kind == "video" else [line("common words")],
        )
    return store


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        (Filters(), ["one.mp4", "three.pdf", "two.mp4"]),
        (Filters(media_kinds=("document",)), ["three.pdf"]),
        (Filters(kinds=("speech",)), ["one.mp4", "two.mp4"]),
        (Filters(kinds=("name",)), []),
        (Filters(under=Path("/media/talks")), ["one.mp4", "two.mp4"]),
        (Filters(under=Path("/media/talks/one.mp4")), ["one.mp4"]),
        (Filters(under=Path("/med")), []),
        (Filters(since=2_000.0), ["three.pdf", "two.mp4"]),
        (Filters(since=1_500.0, until=2_500.0), ["two.mp4"]),
        (Filters(by="mueller"), []),
        (Filters(by="MÜLLER"), ["one.mp4"]),
        (Filters(by="ada m"), ["one.mp4"]),
        (Filters(series="opti"), ["one.mp4", "two.mp4"]),
        (Filters(language="en"), ["two.mp4"]),
        (Filters(language="EN-gb"), ["two.mp4"]),
        (Filters(by="%"), []),
        (Filters(media_id=999), []),
    ],
)
def test_filters_are_hard(shelf: Store, filters: Filters, names: list[str]) -> None:
    assert [row.title for row in shelf.list_media(filters, order="title")] == names
    matches = shelf.match(parse("common"), filters, limit=50)
    media = shelf.media_of(line.media_id for line in shelf.lines_of(matches.ids).values())
    assert sorted(row.title for row in media.values()) == names
    parts = shelf.match_part("ommonwor", filters, limit=50)
    assert sorted(parts.ids) == sorted(matches.ids)


def test_lists_are_ordered_and_cut(shelf: Store) -> None:
    assert [row.title for row in shelf.list_media(order="when")] == [
        "three.pdf",
        "two.mp4",
        "one.mp4",
    ]
    page = shelf.list_media(order="title", limit=1, offset=1)
    assert [row.title for row in page] == ["three.pdf"]
    counts = shelf.counts()
    assert counts.media == {"video": 2, "document": 1}
    assert counts.duration_s == 180
    assert counts.tasks == {"look": {"done": 3}, "read": {"pending": 3}}
    assert counts.disk_bytes > 0


# -- what search asks for --------------------------------------------------------------------------
def test_matches_come_best_first(store: Store) -> None:
    media_id = add(store)
    store.put_result(
        media_id,
        "look",
        SUBTITLES,
        moments=[
            said("gradient", 0),
            Moment(kind="name", text="gradient.mp4"),
            Moment(kind="person", text="gradient", field="title"),
        ],
        views=slides(1),
    )
    store.put_result(
        media_id,
        "read",
        READER,
        moments=[
            line("a long line that has the word gradient somewhere in its middle", top=60),
            line("small gradient", top=40),
            line("Gradient methods", top=10, height=20),
        ],
    )
    assert found(store, "gradient") == [
        "gradient",
        "Gradient methods",
        "small gradient",
        "a long line that has the word gradient somewhere in its middle",
        "gradient",
        "gradient.mp4",
    ]
    matches = store.match(parse("gradient"), Filters(), limit=1)
    assert matches.more
    assert list(matches.ranks) == sorted(matches.ranks)


def test_words_around_and_vocabulary(store: Store) -> None:
    media_id = add(store)
    other = add(store, "/media/b.mp4", "b")
    store.put_result(media_id, "look", SUBTITLES, moments=[said(f"cue {n}", n) for n in range(6)])
    store.put_result(other, "look", SUBTITLES, moments=[said("cue Öl", 0)])
    first = store.moments(media_id)[0].id
    around = store.around([first, first + 4], 2)
    assert [x.text for x in around[first]] == ["cue 0", "cue 1", "cue 2"]
    assert [x.text for x in around[first + 4]] == ["cue 2", "cue 3", "cue 4", "cue 5"]
    assert store.word_counts(["cue", "oel", "nothing"]) == {"cue": 7, "oel": 1}
    words, counts = store.vocabulary()
    assert words == sorted(words)
    assert dict(zip(words, counts.tolist(), strict=True))["cue"] == 7
    assert store.beginnings("c") == ["cue"]
    before = store.generation()
    store.put_result(other, "look", SUBTITLES, moments=[said("new", 0)])
    assert store.generation() != before
    before = store.generation()
    store.remove_media([other])
    assert store.generation() != before
    store.tidy()
    assert sound(store)
