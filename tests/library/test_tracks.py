from __future__ import annotations

from onlooker.library.tracks import LineTracks
from onlooker.records import Moment, Page, TextLine, TextWord


def page(*lines: str, confidence: float = 0.9) -> Page:
    return Page(
        width=100,
        height=100,
        lines=tuple(
            TextLine(
                tuple(
                    TextWord(word, ((0, y), (9, y), (9, y + 5), (0, y + 5)), confidence)
                    for word in text.split()
                )
            )
            for y, text in enumerate(lines)
        ),
    )


def run(*steps: tuple[float, float, Page]) -> list[Moment]:
    tracks = LineTracks()
    moments: list[Moment] = []
    for view, (start_s, end_s, seen) in enumerate(steps):
        moments += tracks.add(view, start_s, end_s, seen)
    moments += tracks.end()
    return sorted(moments, key=lambda m: (m.start_s or 0.0, m.text))


def test_a_line_that_stays_is_one_moment() -> None:
    moments = run((0, 5, page("Gradient descent")), (5, 9, page("Gradient descent", "is slow")))
    assert [(m.text, m.start_s, m.end_s) for m in moments] == [
        ("Gradient descent", 0, 9),
        ("is slow", 5, 9),
    ]


def test_the_most_confident_reading_is_kept_with_its_view() -> None:
    moments = run(
        (0, 5, page("Gradlent descent", confidence=0.6)),
        (5, 9, page("Gradient descent", confidence=0.9)),
    )
    assert [(m.text, m.view, m.start_s, m.end_s) for m in moments] == [
        ("Gradient descent", 1, 0, 9)
    ]


def test_short_lines_must_be_equal() -> None:
    assert len(run((0, 5, page("page 1")), (5, 9, page("page 2")))) == 2


def test_a_line_that_comes_back_after_a_gap_is_two_moments() -> None:
    moments = run((0, 5, page("The same line")), (60, 70, page("The same line")))
    assert [(m.start_s, m.end_s) for m in moments] == [(0, 5), (60, 70)]


def test_two_equal_lines_on_one_page_stay_two() -> None:
    both = page("Total 100.00", "Total 100.00")
    assert len(run((0, 5, both), (5, 9, both))) == 2


def test_lines_without_letters_are_no_moments() -> None:
    assert run((0, 5, page("—", "•"))) == []


def test_lines_that_differ_in_a_number_are_two() -> None:
    moments = run(
        (0, 5, page("Figure 12: results", "Learning rate 0.01", "Learning rate 0.02")),
        (5, 9, page("Figure 13: results", "Learning rate 0.02")),
    )
    assert [(m.text, m.start_s, m.end_s) for m in moments] == [
        ("Figure 12: results", 0, 5),
        ("Learning rate 0.01", 0, 5),
        ("Learning rate 0.02", 0, 9),
        ("Figure 13: results", 5, 9),
    ]


def test_equal_lines_find_each_other_before_similar_ones() -> None:
    moments = run(
        (0, 5, page("Convex functions", "Concave functions")),
        (5, 9, page("Concave functions", "Convex functions")),
    )
    assert [(m.text, m.start_s, m.end_s) for m in moments] == [
        ("Concave functions", 0, 9),
        ("Convex functions", 0, 9),
    ]
