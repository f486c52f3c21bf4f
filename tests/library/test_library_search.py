from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onlooker.errors import QueryError
from onlooker.library.folding import fold
from onlooker.library.query import And, Node, Not, Or, parse
from onlooker.library.search import SearchResult, search
from onlooker.library.store import Filters, PathRow
from onlooker.library.store_sqlite import SqliteStore
from onlooker.records import EvidenceKind, MediaKind, Moment, Polygon, Producer, View

PRODUCER = Producer(name="test", version="1")
SLIDE_S = 60.0


def box(top: float, height: float) -> Polygon:
    return ((1.0, top), (90.0, top), (90.0, top + height), (1.0, top + height))


def slide(number: int, title: str, *bullets: str) -> list[Moment]:
    """A slide as it is read: the title twice as large as the rest."""
    return [
        Moment(
            kind="screen",
            text=text,
            start_s=SLIDE_S * number,
            end_s=SLIDE_S * number + SLIDE_S,
            view=number,
            polygons=(box(40.0 * row, 30 if row == 0 else 15),),
        )
        for row, text in enumerate((title, *bullets))
    ]


def said(*texts: str, each_s: float = 5.0) -> list[Moment]:
    return [
        Moment(kind="speech", text=text, start_s=each_s * n, end_s=each_s * n + each_s)
        for n, text in enumerate(texts)
    ]


def add(
    store: SqliteStore, name: str, moments: list[Moment], kind: MediaKind = "video", views: int = 9
) -> int:
    root = store.add_root(Path("/media"))
    media_id = store.put_path(
        PathRow(
            path=Path("/media") / name,
            root_id=root.id,
            size_bytes=1,
            mtime_ns=10**9 * (1 + len(store.list_media())),
            media_id=None,
        ),
        content_hash=name.encode().hex(),
        kind=kind,
        stages=("look",),
    )
    store.put_result(
        media_id,
        "look",
        PRODUCER,
        moments=moments,
        views=[View(index=n, width=100, height=100) for n in range(views)],
    )
    return media_id


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteStore]:
    with SqliteStore.open(tmp_path_factory.mktemp("search") / "library") as store:
        add(
            store,
            "optimisation.mp4",
            [
                Moment(kind="name", text="optimisation.mp4"),
                Moment(kind="person", text="Optimisation for machine learning", field="title"),
                Moment(kind="person", text="Jane Doe", field="creator"),
                *slide(0, "Gradient descent", "converges for convex functions", "step size η"),
                *slide(1, "Momentum", "damps the gradlent noise", "averages a gra dient"),
                *slide(2, "Learning rate", "leaming rates decay", "a warm up helps learning"),
                *slide(3, "C++ and C", "C is older", "Convolution over convolution"),
                *said(
                    "so today we talk about",
                    "gradient methods and why they work",
                    "the the the the words",
                    "nothing here",
                    "more nothing",
                    "further on",
                    "and so on",
                    "still going",
                    "hyperplanes at last",
                ),
            ],
        )
        add(
            store,
            "strasse.jpg",
            [
                Moment(kind="screen", text="Kfz B-AB 1234", view=0, polygons=(box(1, 9),)),
                Moment(kind="screen", text="Schöne Grüße", view=0, polygons=(box(20, 9),)),
                Moment(kind="screen", text="Königstraße 5", view=0, polygons=(box(40, 9),)),
            ],
            kind="photo",
        )
        add(store, "gradients_final.pdf", [Moment(kind="name", text="gradients_final.pdf")],
            kind="document")  # fmt: skip
        yield store


def marked(result: SearchResult) -> list[str]:
    """The snippets, with what is marked in brackets."""
    shown = []
    for hit in result.hits:
        text = hit.snippet.text
        for start, end in reversed(hit.snippet.marks):
            text = f"{text[:start]}[{text[start:end]}]{text[end:]}"
        shown.append(text)
    return shown


def matches(result: SearchResult) -> list[str]:
    return [hit.match for hit in result.hits]


def test_exact_then_begin_then_part_then_near(store: SqliteStore) -> None:
    result = search(store, "gradient")
    assert marked(result) == [
        "[Gradient] descent",
        "[gradient] methods and why they work",
        "[gradients]_final.pdf",
        "averages a [gra dient]",
        "damps the [gradlent] noise",
    ]
    assert matches(result) == ["exact", "exact", "prefix", "part", "near"]
    scores = [hit.score for hit in result.hits]
    assert scores == sorted(scores, reverse=True)
    assert all(0 < score <= 1 for score in scores)
    assert (result.total, result.total_exact, result.suggestion) == (5, True, "")
    assert result.hits[0].why == "on screen"
    assert "“gradlent” is near “gradient”" in result.hits[-1].why


def test_part_words(store: SqliteStore) -> None:
    assert marked(search(store, "radient"))[:2] == [
        "G[radient] descent",
        "g[radient] methods and why they work",
    ]
    assert marked(search(store, "nigstr")) == ["Kö[nigstr]aße 5"]
    assert marked(search(store, "planes")) == ["hyper[planes] at last"]
    assert search(store, "radient").hits[0].why == "“Gradient” contains “radient”, on screen"


@pytest.mark.parametrize("typed", ["bab1234", "B-AB 1234", "ab1234", "b ab 1234", "BAB-1234"])
def test_codes_are_found_however_they_are_grouped(store: SqliteStore, typed: str) -> None:
    hits = search(store, typed).hits
    assert hits[0].moment.moment.text == "Kfz B-AB 1234"


@pytest.mark.parametrize(
    ("typed", "suggestion"),
    [
        ("gradeint", "gradient"),
        ("momentun", "momentum"),
        ("hyperplames", "hyperplanes"),
        ("convulotion", "convolution"),
        ("convergs functions", "converges functions"),
    ],
)
def test_typos_are_found_and_said(store: SqliteStore, typed: str, suggestion: str) -> None:
    result = search(store, typed)
    assert result.hits
    assert set(matches(result)) == {"near"}
    assert result.suggestion == suggestion


def test_reading_errors_are_found_below_the_word_itself(store: SqliteStore) -> None:
    assert marked(search(store, "learning rate"))[0] == "[Learning] [rate]"
    texts = marked(search(store, "learning"))
    assert texts[-1] == "[leaming] rates decay"
    assert len(texts) == 4
    assert marked(search(store, "leaming"))[0] == "[leaming] rates decay"
    assert search(store, "leaming").suggestion == ""


@pytest.mark.parametrize("typed", ["königstraße", "KÖNIGSTRASSE", "konigstrasse", "koenigstrasse"])
def test_accents_fold(store: SqliteStore, typed: str) -> None:
    result = search(store, typed)
    assert marked(result) == ["[Königstraße] 5"]
    assert matches(result) == ["exact"]


def test_phrases_and_operators(store: SqliteStore) -> None:
    assert marked(search(store, '"gradient descent"')) == ["[Gradient descent]"]
    assert marked(search(store, '"descent gradient"')) == []
    assert marked(search(store, '"schoene gruesse"')) == ["[Schöne Grüße]"]
    assert marked(search(store, '"gradient desc"*')) == ["[Gradient descent]"]
    assert set(marked(search(store, "momentum OR hyperplanes"))) == {
        "[Momentum]",
        "[hyperplanes] at last",
    }
    assert "Learning" not in str(marked(search(store, "learning -rate")))
    assert marked(search(store, "(momentum OR descent) gradient"))[0] == "[Gradient] [descent]"
    result = search(store, "hyper*")
    assert marked(result) == ["[hyperplanes] at last"]
    assert matches(result) == ["prefix"]


def test_moments_with_all_alternatives_come_first(store: SqliteStore) -> None:
    assert marked(search(store, "descent OR gradient"))[0] == "[Gradient] [descent]"


def test_what_is_written_the_same_comes_first(store: SqliteStore) -> None:
    assert marked(search(store, "C++"))[0] == "[C]++ and [C]"


def test_words_beside_each_other(store: SqliteStore) -> None:
    title_and_bullet = search(store, "descent convex")
    assert marked(title_and_bullet) == ["Gradient [descent] … converges for [convex] functions"]
    assert matches(title_and_bullet) == ["exact"]
    assert "beside each other" in title_and_bullet.hits[0].why
    assert title_and_bullet.hits[0].moment.moment.text == "Gradient descent"  # the title says most
    cues = search(store, "today methods")
    assert marked(cues) == ["so [today] we talk about … gradient [methods] and why they work"]
    told = search(store, "jane optimisation")
    assert marked(told)[0] == "[Optimisation] for machine learning … [Jane] Doe"
    photo = search(store, "kfz grüße")
    assert marked(photo) == ["[Kfz] B-AB 1234 … Schöne [Grüße]"]
    begun = search(store, "desc* convex")
    assert marked(begun) == ["Gradient [descent] … converges for [convex] functions"]
    assert matches(begun) == ["prefix"]
    quoted = search(store, '"gradient descent" convex')
    assert marked(quoted) == ["[Gradient descent] … converges for [convex] functions"]
    # Another slide, another half minute, another kind of evidence, another medium: no.
    assert search(store, "descent decay").hits == ()
    assert search(store, "today hyperplanes").hits == ()
    assert search(store, "today momentum").hits == ()
    assert search(store, "königstraße momentum").hits == ()
    # What is to be left out is left out of the whole place.
    assert search(store, "descent convex -functions").hits == ()


def test_one_moment_with_all_words_comes_before_two_beside_each_other(store: SqliteStore) -> None:
    result = search(store, "learning helps")
    assert marked(result)[0] == "a warm up [helps] [learning]"


def test_a_typo_beside_the_right_word(store: SqliteStore) -> None:
    assert marked(search(store, "descnt convex")) == [
        "Gradient [descent] … converges for [convex] functions"
    ]


def test_nothing_found(store: SqliteStore) -> None:
    result = search(store, "qqqqqqq")
    assert (result.hits, result.total, result.total_exact) == ((), 0, True)
    assert result.suggestion == ""
    assert search(store, "hyperplaneses").suggestion == "hyperplanes"
    assert search(store, '"gradeint descent"').suggestion == '"gradient descent"'
    assert search(store, "zxcvgradientzxcv").hits == ()


@pytest.mark.parametrize(
    ("typed", "suggestion"),
    [
        ("momentum königstraße", "momentum OR königstraße"),  # both there, never together
        ("momentum zebra", "momentum"),
        ("mementum zebra crossing", "momentum"),
        ('"descent gradient"', "gradient OR descent"),
        ("zebra crossing", ""),
        ("greatest dissent", ""),  # words of the library are alike, but no slip makes them so
        ("momentum AND NOT momentum", ""),
    ],
)
def test_what_is_suggested_finds_something(store: SqliteStore, typed: str, suggestion: str) -> None:
    result = search(store, typed)
    assert (result.hits, result.total) == ((), 0)
    words = set(result.suggestion.split(" OR "))
    assert words == set(suggestion.split(" OR "))
    assert not suggestion or search(store, result.suggestion).hits


def test_a_suggestion_respects_the_filters(store: SqliteStore) -> None:
    photos = Filters(media_kinds=("photo",))
    assert search(store, "momentum königstraße", photos).suggestion == "königstraße"
    assert search(store, "momentum hyperplanes", photos).suggestion == ""


def test_a_suggestion_changes_whole_words_only(store: SqliteStore) -> None:
    result = search(store, "rategradeint OR gradeint")
    assert result.suggestion == "rategradeint OR gradient"


def test_filters_are_hard_at_every_level(store: SqliteStore) -> None:
    for typed in ("gradient", "radient", "gradeint", "gra dient", "descent convex"):
        for filters in (Filters(kinds=("speech",)), Filters(media_kinds=("photo",))):
            for hit in search(store, typed, filters).hits:
                assert not filters.kinds or hit.moment.moment.kind in filters.kinds
                assert not filters.media_kinds or hit.media.kind in filters.media_kinds
    assert marked(search(store, "gradient", Filters(kinds=("name",)))) == ["[gradients]_final.pdf"]
    photo = store.list_media(Filters(media_kinds=("photo",)))[0].id
    assert search(store, "gradient", Filters(media_id=photo)).hits == ()
    assert len(search(store, "1234", Filters(media_id=photo)).hits) == 1


def test_evidence_is_weighed(tmp_path: Path) -> None:
    with SqliteStore.open(tmp_path / "library") as store:
        add(
            store,
            "x.mp4",
            [
                Moment(kind="name", text="entropy"),
                *said("entropy"),
                *slide(0, "A title", "entropy"),
                *slide(1, "Entropy", "other"),
                Moment(kind="person", text="Entropy", field="title"),
            ],
        )
        kinds = [
            (hit.moment.moment.kind, hit.moment.moment.text)
            for hit in search(store, "entropy").hits
        ]
        assert kinds == [
            ("person", "Entropy"),
            ("screen", "Entropy"),
            ("screen", "entropy"),
            ("speech", "entropy"),
            ("name", "entropy"),
        ]


def test_pages_fit_together(tmp_path: Path) -> None:
    with SqliteStore.open(tmp_path / "library") as store:
        moments = said(*(f"common word{n} {'more ' * (n % 7)}" for n in range(330)))
        add(store, "x.mp4", [*moments, *said("commonly")])
        everything = [hit.moment.id for hit in search(store, "common", limit=400).hits]
        assert len(everything) == len(set(everything)) == 331
        paged: list[int] = []
        for offset in range(0, 400, 20):
            result = search(store, "common", limit=20, offset=offset)
            paged += [hit.moment.id for hit in result.hits]
            assert result.total >= 330
        assert len(paged) == len(set(paged)) == 331
        assert set(paged) == set(everything)
        assert search(store, "common", limit=0).hits == ()
        assert search(store, "common", limit=5, offset=10_000).hits == ()
        assert not search(store, "common").total_exact


def test_long_texts_are_cut_around_the_match(tmp_path: Path) -> None:
    with SqliteStore.open(tmp_path / "library") as store:
        long = " ".join(f"word{n}" for n in range(400))
        add(store, "x.mp4", said(f"{long} needle {long}"))
        (hit,) = search(store, "needle").hits
        assert len(hit.snippet.text) < 260
        assert hit.snippet.text.startswith("…")
        assert hit.snippet.text.endswith("…")
        ((start, end),) = hit.snippet.marks
        assert hit.snippet.text[start:end] == "needle"


def test_very_long_texts(tmp_path: Path) -> None:
    with SqliteStore.open(tmp_path / "library") as store:
        words = " ".join(f"word{n}" for n in range(20_000))
        add(
            store, "x.mp4", said(f"lone needle {words} needle with thread {words} 77 88-99 {words}")
        )
        assert "[needle] with [thread]" in marked(search(store, "needle thread"))[0]
        assert "[needle] with [thread]" in marked(search(store, "needel tread"))[0]
        assert "[77 88-99]" in marked(search(store, "778899"))[0]
        assert all(len(text) < 270 for text in marked(search(store, "word1999")))


def test_what_was_removed_meanwhile_is_no_hit(tmp_path: Path) -> None:
    with SqliteStore.open(tmp_path / "library") as store:
        media_id = add(store, "x.mp4", said("needle"))
        search(store, "nedle")  # the vocabulary is in memory now
        store.remove_media([media_id])
        for typed in ("needle", "nedle", "eedl"):
            assert search(store, typed).hits == ()
        assert search(store, "x").total == 0


HOSTILE = (
    '"',
    '""""',
    "* * *",
    "^a",
    "text : a",
    "{plain spelled} : a",
    "a NEAR b",
    "NEAR(a b, 2)",
    "a AND",
    "((((((",
    "))))",
    "-- ; DROP TABLE moment",
    "' OR 1=1 --",
    "a\0b",
    "\0",
    "%_%",
    "a" * 100_000,
    "(" * 100_000,
    "a OR " * 30_000,
    "NOT " * 400 + "a",
    "-" * 500 + "a",
    "\u202e\u0000\ufffe",
    "\ud800 lone",
    "😀 🎥",
    "a*b*c*",
    "****",
    "[]()\\",
    "\n\n\t",
    "한국어 हिन्दी ไทย",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_a_result_or_an_error(store: SqliteStore, text: str) -> None:
    try:
        result = search(store, text)
    except QueryError as error:
        assert len(str(error)) < 400
        return
    for hit in result.hits:
        assert all(0 <= a < b <= len(hit.snippet.text) for a, b in hit.snippet.marks)


PIECES = st.sampled_from(
    ["gradient", "gradlent", "grad*", "AND", "OR", "NOT", "-", "(", ")", '"', "c++", "Öl", "the",
     "learning", "convex", "1234", "dient", "zzz", "*", ":", "\0", "straße", "ra", "e"]
)  # fmt: skip


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.one_of(st.lists(PIECES, max_size=8).map(" ".join), st.text(max_size=30)))
def test_any_query_gives_sound_hits(store: SqliteStore, text: str) -> None:
    try:
        result = search(store, text)
    except QueryError:
        return
    assert len(result.hits) <= 20
    assert result.total >= len(result.hits)
    scores = [hit.score for hit in result.hits]
    assert scores == sorted(scores, reverse=True)
    assert len({hit.moment.id for hit in result.hits}) == len(result.hits)
    for hit in result.hits:
        marks = hit.snippet.marks
        assert all(a < b for a, b in marks)
        assert all(b < c for (_, b), (c, _) in pairwise(marks))


# -- many moments with the same few words ----------------------------------------------------------
@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteStore]:
    dice = random.Random(1)
    words = [first + last for first in ("ba", "ko", "ti", "mu") for last in ("", "n", "ra", "lo")]
    kinds: tuple[EvidenceKind, ...] = ("screen", "speech", "name", "person")
    with SqliteStore.open(tmp_path_factory.mktemp("crowd") / "library") as store:
        for number in range(12):
            moments = [
                Moment(
                    kind=dice.choice(kinds),
                    text=" ".join(dice.choices(words, k=dice.randint(1, 8))),
                    start_s=20.0 * at,
                    end_s=20.0 * at + 5.0,
                )
                for at in range(100)
            ]
            add(store, f"{number}.mp4", moments, views=0)
        yield store


@pytest.mark.parametrize(
    "typed",
    [
        "(kora OR mu* OR balo) -tilo",
        "kora OR mu OR mura OR ban*",
        "kon OR mura",
        "kora balo",
        "ko*",
        "(kon OR mura) (ban OR til*)",
    ],
)
def test_pages_fit_together_and_hold_all(crowd: SqliteStore, typed: str) -> None:
    everything = [hit.moment.id for hit in search(crowd, typed, limit=2_000).hits]
    assert len(set(everything)) == len(everything)
    paged: list[int] = []
    for offset in range(0, 210, 7):
        paged += [hit.moment.id for hit in search(crowd, typed, limit=7, offset=offset).hits]
    assert paged == everything[: len(paged)]
    node = parse(typed)
    exact = {
        row.id
        for medium in crowd.list_media()
        for row in crowd.moments(medium.id)
        if holds(node, fold(row.moment.text).split())
    }
    assert set(everything[: len(exact)]) == exact


def holds(node: Node, words: list[str]) -> bool:
    """Read a query of single words plainly."""
    if isinstance(node, And):
        return all(holds(child, words) for child in node.children)
    if isinstance(node, Or):
        return any(holds(child, words) for child in node.children)
    if isinstance(node, Not):
        return not holds(node.child, words)
    sought = node.words[0]
    return any(word == sought or (node.prefix and word.startswith(sought)) for word in words)
