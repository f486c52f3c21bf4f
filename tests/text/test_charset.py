from __future__ import annotations

import pytest

from onlooker.text.charset import (
    ASCII,
    CHARSET,
    NUM_CLASSES,
    decode,
    encode,
    normalize,
    unreadable,
)


def test_charset_is_small_and_has_no_doubles() -> None:
    assert len(set(CHARSET)) == len(CHARSET)
    assert NUM_CLASSES <= 260
    assert "".join(chr(c) for c in range(32, 127)) == ASCII


@pytest.mark.parametrize("character", "äöüßÄÖÜéèñçøåœ€£§°–—„“”‘’«»αβπΣΩ≤≥≠∈∑√→²")
def test_charset_has_what_western_languages_and_slides_use(character: str) -> None:
    assert character in CHARSET


def test_encode_and_decode_are_inverse() -> None:
    assert decode(encode(CHARSET)) == CHARSET
    assert 0 not in encode(CHARSET)


def test_encode_names_the_character_it_cannot_write() -> None:
    with pytest.raises(ValueError, match="'日'"):
        encode("in 日本")


def test_normalize_maps_twins_and_keeps_the_charset() -> None:
    assert normalize(CHARSET) == CHARSET
    assert normalize("Α5 µΩ eﬃcient u\u0308ber −1") == "A5 μΩ efficient über -1"
    assert unreadable(normalize("Ω ohm \u2126")) == ""
    assert unreadable("日本日 ok") == "日本"
