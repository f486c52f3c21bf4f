from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onlooker.records import TextWord
from onlooker.text.lines import (
    corners_of,
    direction_of,
    group_lines,
    reading_order,
    strips_of,
    turned,
)
from onlooker.text.lines.skew import estimate_skew


def turn(polygon, degrees, centre=(0.0, 0.0)):
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    cx, cy = centre
    return tuple(
        (cx + c * (x - cx) - s * (y - cy), cy + s * (x - cx) + c * (y - cy)) for x, y in polygon
    )


def word(text, x, y, height=10.0, degrees=0.0, per_char=0.6):
    width = per_char * height * len(text)
    box = ((x, y), (x + width, y), (x + width, y + height), (x, y + height))
    return TextWord(text, turn(box, degrees), 0.9)


def typeset(text, x, y, height=10.0, leading=1.5, degrees=0.0):
    """Set lines of words from a top left corner."""
    words = []
    for row, line in enumerate(text.split("\n")):
        at = x
        for piece in line.split():
            words.append(word(piece, at, y + row * leading * height, height, degrees))
            at += (len(piece) * 0.6 + 0.35) * height
    return words


def read(words):
    return [line.text for line in group_lines(words)]


PROSE = "the quick brown fox\njumps over the lazy\ndog and runs away"


def test_nothing():
    assert group_lines([]) == ()


def test_one_column():
    assert read(typeset(PROSE, 20, 30)) == PROSE.split("\n")


@pytest.mark.parametrize("degrees", [-90, -60, -20, -7, 3, 12, 45, 90, 135, 180])
def test_one_column_in_any_direction(degrees):
    assert read(typeset(PROSE, 20, 30, degrees=degrees)) == PROSE.split("\n")


def test_two_columns_under_a_title_over_a_footer():
    left = "one two three\nfour five six\nseven eight"
    right = "nine ten eleven\ntwelve\nthirteen"
    words = [
        *typeset("A title that runs across both of them", 0, 0, height=12),
        *typeset(left, 0, 40),
        *typeset(right, 140, 40),
        *typeset("and a footer that runs across the whole page", 0, 120),
    ]
    assert read(words) == [
        "A title that runs across both of them",
        *left.split("\n"),
        *right.split("\n"),
        "and a footer that runs across the whole page",
    ]


def test_columns_whose_rows_are_not_aligned():
    left, right = "aa bb\ncc dd\nee ff", "gg hh\nii jj"
    words = [*typeset(left, 0, 0), *typeset(right, 100, 7)]
    assert read(words) == left.split("\n") + right.split("\n")


def test_a_price_list_is_read_row_by_row():
    items, prices = "Coffee\nGreen tea\nCake", "2.40\n3.10\n4.00"
    words = [*typeset(items, 0, 0), *typeset(prices, 200, 0)]
    assert read(words) == ["Coffee", "2.40", "Green tea", "3.10", "Cake", "4.00"]


def test_marks_stand_before_their_paragraphs():
    words = [
        *typeset("1.", 0, 0),
        *typeset("2.", 0, 30),
        *typeset("first point that\nneeds two lines\nsecond point", 40, 0),
    ]
    assert read(words) == ["1.", "first point that", "needs two lines", "2.", "second point"]


def test_neighbouring_lines_of_other_size_are_not_joined():
    words = [word("BIG", 0, 0, height=40), word("small", 80, 2, height=10)]
    assert len(group_lines(words)) == 2


def test_small_letters_and_dashes_stay_on_their_line():
    words = [
        word("Play", 0, 0, height=20),
        TextWord("–", ((54, 9), (62, 9), (62, 12), (54, 12)), 0.9),
        TextWord("on", ((68, 6), (90, 6), (90, 16), (68, 16)), 0.9),
    ]
    assert read(words) == ["Play – on"]


def test_a_rising_line_with_perspective():
    words = []
    x, y = 0.0, 200.0
    for i, text in enumerate(["KEEP", "RIGHT", "AFTER", "TURN"]):
        degrees = -12 + 2.0 * i
        words.append(
            TextWord(
                text,
                tuple((px + x, py + y) for px, py in word(text, 0, 0, 30, degrees).polygon),
                0.9,
            )
        )
        step = (len(text) * 0.6 + 0.4) * 30
        x += step * math.cos(math.radians(degrees))
        y += step * math.sin(math.radians(degrees))
    assert read(words) == ["KEEP RIGHT AFTER TURN"]


def test_a_spine_is_read_after_the_text():
    words = [*typeset(PROSE, 100, 0), *typeset("A SPINE", 0, -60, degrees=90)]
    assert read(words) == [*PROSE.split("\n"), "A SPINE"]


def test_corners_of_polygons_with_more_points():
    curved = ((0, 0), (5, 0), (10, 0), (10, 4), (5, 4), (0, 4))
    assert corners_of(curved) == pytest.approx(np.array([(0, 0), (10, 0), (10, 4), (0, 4)]))
    assert direction_of(corners_of(curved)) == pytest.approx(0)
    square = ((1, 1), (3, 1), (3, 2), (1, 2))
    assert turned(square, 1)[0] == (3, 1)
    assert direction_of(corners_of(turned(square, 1))) == pytest.approx(math.pi / 2)
    assert turned(turned(square, 3), 1) == square


coordinates = st.integers(0, 400).map(float)


@st.composite
def some_words(draw):
    count = draw(st.integers(0, 14))
    return [
        word(
            draw(st.sampled_from(["a", "of", "word", "42", "longer", "–"])) + str(i),
            draw(coordinates),
            draw(coordinates),
            draw(st.sampled_from([8.0, 10.0, 25.0])),
            draw(st.sampled_from([0.0, 0.0, 0.0, 4.0, -8.0, 40.0, 90.0])),
        )
        for i in range(count)
    ]


@settings(max_examples=80, deadline=None)
@given(some_words(), st.integers(0, 10_000))
def test_every_word_stands_in_one_line_whatever_the_order_it_came_in(words, seed):
    lines = group_lines(words)
    assert sorted(w.text for line in lines for w in line.words) == sorted(w.text for w in words)
    shuffled = list(words)
    random.Random(seed).shuffle(shuffled)
    assert group_lines(shuffled) == lines


@settings(max_examples=60, deadline=None)
@given(some_words(), st.sampled_from([(0.5, 0.0, 0.0), (4.0, 0.0, 0.0), (1.0, 1024.0, -512.0)]))
def test_order_does_not_depend_on_scale_and_place(words, change):
    # Powers of two: exact in binary, so that ties stay ties.
    scale, dx, dy = change
    moved = [
        TextWord(w.text, tuple((x * scale + dx, y * scale + dy) for x, y in w.polygon), 0.9)
        for w in words
        if all(x == int(x) and y == int(y) for x, y in w.polygon)
    ]
    same = [w for w in words if all(x == int(x) and y == int(y) for x, y in w.polygon)]
    assert read(moved) == read(same)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(coordinates, coordinates, st.floats(5, 300), st.floats(5, 40)), max_size=25)
)
def test_reading_order_is_a_permutation_and_reads_down_a_column(rows):
    boxes = np.array([(x, y, x + w, h) for x, y, w, h in rows]).reshape(-1, 4)
    order = reading_order(boxes)
    assert sorted(order) == list(range(len(rows)))
    # Total, so transitive: the order of a column is the order of its middles.
    column = np.array([(0.0, y, 100.0, h) for _, y, _, h in rows]).reshape(-1, 4)
    clear = all(
        abs(a[1] - b[1]) > max(a[3], b[3]) for i, a in enumerate(column) for b in column[:i]
    )
    if clear:
        assert reading_order(column) == sorted(range(len(rows)), key=lambda i: column[i, 1])


def test_thousands_of_lines_do_not_reach_the_limit_of_recursion():
    boxes = np.array([(0.0, 20.0 * i, 100.0 + i % 7, 10.0) for i in range(3000)])
    assert reading_order(boxes) == list(range(3000))


# Whole pages: columns, heads and feet, tables, sidebars, skew -----------------------------------

WORDS = ["one", "two", "three", "four", "five", "eleven", "twelve", "seven", "of", "to", "a", "in"]


def prose(seed, lines, words=5):
    rng = random.Random(seed)
    return "\n".join(" ".join(rng.choices(WORDS, k=words)) for _ in range(lines))


def justified(text, x, y, width, height=10.0, leading=1.5):
    """Set lines whose spaces are stretched to a width."""
    words = []
    for row, line in enumerate(text.split("\n")):
        pieces = line.split()
        ink = sum(0.6 * height * len(piece) for piece in pieces)
        space = (width - ink) / max(1, len(pieces) - 1)
        at = x
        for piece in pieces:
            words.append(word(piece, at, y + row * leading * height, height))
            at += 0.6 * height * len(piece) + space
    return words


def levelled(words, degrees, centre=(200.0, 200.0)):
    """Turn a page, and lay upright boxes around its words as a detector does."""
    found = []
    for one in words:
        points = turn(one.polygon, degrees, centre)
        xs, ys = zip(*points, strict=True)
        box = ((min(xs), min(ys)), (max(xs), min(ys)), (max(xs), max(ys)), (min(xs), max(ys)))
        found.append(TextWord(one.text, box, 0.9))
    return found


@pytest.mark.parametrize("degrees", [-3.0, -1.0, 0.0, 0.6, 3.0, 6.0])
@pytest.mark.parametrize("boxes", [levelled, lambda words, degrees: levelled(words, 0)])
def test_two_columns_on_a_skewed_page(degrees, boxes):
    left, right = prose(1, 14), prose(2, 13)
    words = [*typeset(left, 0, 60), *typeset(right, 240, 60)]
    title = typeset("a title that runs across both of the columns below it", 40, 0, height=14)
    words = boxes([*title, *words], degrees)
    assert read(words) == [
        "a title that runs across both of the columns below it",
        *left.split("\n"),
        *right.split("\n"),
    ]


@pytest.mark.parametrize("degrees", [-3.0, -0.5, 0.0, 0.5, 2.0, 5.0])
def test_skew_is_told_by_where_words_stand(degrees):
    words = levelled([*typeset(prose(3, 12), 0, 0), *typeset(prose(4, 12), 240, 7)], degrees)
    boxes = np.array([one.box for one in words])
    middles = np.stack([boxes[:, [0, 2]].mean(axis=1), boxes[:, [1, 3]].mean(axis=1)], axis=1)
    sizes = boxes[:, 2:] - boxes[:, :2]
    found = np.degrees(estimate_skew(middles, np.full(len(boxes), 10.0), sizes[:, 0]))
    assert found == pytest.approx(degrees, abs=0.3)


def test_few_words_show_no_skew():
    middles = np.array([(0.0, 0.0), (50.0, 5.0), (100.0, 10.0)])
    assert estimate_skew(middles, np.full(3, 10.0), np.full(3, 30.0)) == 0.0
    assert estimate_skew(np.zeros((0, 2)), np.zeros(0), np.zeros(0)) == 0.0


def test_wide_spaces_of_justified_lines_do_not_part_them():
    left = prose(5, 12, 6).split("\n")
    left[4], left[5] = "eleven seven in ten", "twelve eight to nine"
    right = prose(6, 12, 6).split("\n")
    words = justified("\n".join(left), 0, 0, 170) + justified("\n".join(right), 195, 0, 170)
    assert read(words) == [*left, *right]


def test_a_table_between_paragraphs_is_read_row_by_row():
    before, after = prose(7, 4, 9), prose(8, 4, 9)
    names, figures = "tin\nzinc\nlead\niron", "4.1 kg\n2.0 kg\n7.7 kg\n9.3 kg"
    words = [
        *typeset(before, 0, 0),
        *typeset(names, 40, 80),
        *typeset(figures, 160, 80),
        *typeset(after, 0, 160),
    ]
    rows = [
        cell for row in zip(names.split("\n"), figures.split("\n"), strict=True) for cell in row
    ]
    assert read(words) == [*before.split("\n"), *rows, *after.split("\n")]


def test_short_lines_around_a_table_stay_outside_of_it():
    names, figures = "tin\nzinc\nlead\niron", "4.1 kg\n2.0 kg\n7.7 kg\n9.3 kg"
    words = [
        *typeset("as follows", 0, 50),
        *typeset(names, 0, 80),
        *typeset(figures, 120, 80),
        *typeset("so it is", 0, 160),
    ]
    assert read(words)[:3] == ["as follows", "tin", "4.1 kg"]
    assert read(words)[-2:] == ["9.3 kg", "so it is"]


def test_a_note_below_columns_is_read_last():
    left, right = prose(9, 10), prose(10, 10)
    words = [
        *typeset(left, 0, 0),
        *typeset(right, 240, 0),
        *typeset("1 a short note", 0, 190, height=8),
        *typeset("7", 200, 220, height=8),
    ]
    assert read(words) == [*left.split("\n"), *right.split("\n"), "1 a short note", "7"]


def test_a_sidebar_is_read_after_the_text_beside_it():
    text, side = prose(11, 9, 7), prose(12, 5, 2)
    words = [
        *typeset("the head of it all across the page and on", 0, 0, height=14),
        *typeset(text, 0, 40),
        *typeset(side, 330, 44, height=8),
    ]
    assert read(words)[1:] == [*text.split("\n"), *side.split("\n")]


def test_sizes_that_are_mixed_make_lines_of_their_own():
    words = [
        *typeset("LARGE HEAD", 0, 0, height=24),
        *typeset("small text\nbelow it", 0, 40),
        *typeset("fine print", 0, 80, height=6),
    ]
    assert read(words) == ["LARGE HEAD", "small text", "below it", "fine print"]


def test_strips_hold_each_place_once_and_lie_along_the_lines():
    words = levelled([*typeset(prose(1, 8), 0, 0), *typeset(prose(2, 8), 240, 0)], 3.0)
    strips = strips_of([one.polygon for one in words])
    assert sorted(at for strip in strips for at in strip.members) == list(range(len(words)))
    assert len(strips) == 16
    for strip in strips:
        assert np.degrees(strip.angle) == pytest.approx(3.0, abs=0.3)
        assert strip.box[3] - strip.box[1] < 14
    assert strips_of([one.polygon for one in words[:10]]) == []


def test_strips_that_are_too_long_for_the_recogniser_are_parted():
    words = typeset("\n".join(" ".join(["word"] * 40) for _ in range(3)), 0, 0)
    strips = strips_of([one.polygon for one in words])
    assert all(strip.box[2] - strip.box[0] <= 460 for strip in strips)
    assert sum(len(strip.members) for strip in strips) == len(words)


def test_rules_between_cells_are_not_words():
    words = typeset(prose(1, 5), 0, 0)
    strip = strips_of([one.polygon for one in words])[0]
    first, second = words[0], words[1]
    gap = ((first.box[2] + 1, 0.0), (second.box[0] - 1, 0.0), (second.box[0] - 1, 10.0),
           (first.box[2] + 1, 10.0))  # fmt: skip
    settled = strip.settle([first, TextWord("|", gap, 0.9), TextWord("–", gap, 0.9), second])
    assert [one.text for one in settled] == [first.text, "–", second.text]
    assert strip.settle([]) == []


def test_order_does_not_depend_on_how_words_come_in():
    words = levelled([*typeset(prose(1, 9), 0, 0), *typeset(prose(2, 9), 240, 0)], 2.0)
    lines = group_lines(words)
    random.Random(0).shuffle(words)
    assert group_lines(words) == lines
