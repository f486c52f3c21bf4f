from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from onlooker.errors import MediaError
from onlooker.media.description import (
    describe,
    from_container,
    from_iptc,
    from_pdf_info,
    from_xmp,
    iso_date,
    merge,
    xmp_time_and_place,
)
from onlooker.media.xmp import MAX_DEPTH, parse_xml
from onlooker.records import Description

XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"
  xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" xmlns:exif="http://ns.adobe.com/exif/1.0/"
  photoshop:DateCreated="2023-06-15T14:30:10+02:00" exif:GPSLatitude="48,8.25N">
 <dc:title><rdf:Alt><rdf:li xml:lang="de">Titel</rdf:li>
   <rdf:li xml:lang="x-default">A title</rdf:li></rdf:Alt></dc:title>
 <dc:creator><rdf:Seq><rdf:li>Anna Meier</rdf:li><rdf:li>Bo Li</rdf:li></rdf:Seq></dc:creator>
 <dc:subject><rdf:Bag><rdf:li>stars</rdf:li><rdf:li>sky</rdf:li></rdf:Bag></dc:subject>
 <dc:rights><rdf:Alt><rdf:li xml:lang="x-default">CC BY</rdf:li></rdf:Alt></dc:rights>
 <exif:GPSLongitude>11,34.5W</exif:GPSLongitude>
</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>"""

DUBLIN_CORE = """<?xml version="1.0" encoding="UTF-8"?>
<metadata xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/">
<dc:title>Sterne &amp; Planeten</dc:title><dc:creator>Anna Meier</dc:creator>
<dc:creator>Bo Li</dc:creator><dc:subject>Astronomie</dc:subject><dc:language>ger</dc:language>
<dcterms:isPartOf>Astronomie I</dcterms:isPartOf><dc:date>2023-06-15</dc:date>
<dcterms:license>CC BY 4.0</dcterms:license><dcterms:abstract>Worum es geht</dcterms:abstract>
</metadata>"""

ENTITIES = "".join(f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 10}">' for i in range(25))
LAUGHS = (
    f'<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "lol">{ENTITIES}]>'
    "<metadata><title>&z;</title></metadata>"
)

OUTSIDE = """<?xml version="1.0"?><!DOCTYPE m [<!ENTITY x SYSTEM "file:///etc/passwd">]>
<metadata><title>&x;</title></metadata>"""


def photo(path: Path, **options: object) -> Path:
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(path, **options)  # type: ignore[arg-type]
    return path


def test_xmp() -> None:
    found = from_xmp(XMP.encode())
    assert found == Description(
        title="A title",
        creators=("Anna Meier", "Bo Li"),
        keywords=("stars", "sky"),
        rights="CC BY",
        date="2023-06-15T14:30:10+02:00",
        sources=("xmp",),
    )
    captured, place = xmp_time_and_place(XMP.encode())
    assert captured == 1686832210.0
    assert place == pytest.approx((48.1375, -11.575))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_xmp_in_pictures(tmp_path: Path, form: str) -> None:
    options: dict[str, object] = {"format": form}
    if form == "PNG":
        from PIL.PngImagePlugin import PngInfo

        info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", XMP)
        options["pnginfo"] = info
    elif form == "TIFF":
        options["tiffinfo"] = {700: XMP.encode()}
    else:
        options["xmp"] = XMP.encode()
    found = describe(photo(tmp_path / "a.bin", **options), "photo")
    assert found.title == "A title"
    assert found.sources == ("xmp",)


@pytest.mark.parametrize("document", [LAUGHS, OUTSIDE])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_hostile_xml_is_refused(tmp_path: Path, document: str, encoding: str) -> None:
    path = photo(tmp_path / "a.jpg")
    (tmp_path / "a.dc.xml").write_bytes(document.encode(encoding))
    (tmp_path / "a.xmp").write_bytes(document.encode(encoding))
    problems: list[str] = []
    assert describe(path, "photo", problems) == Description()
    assert len(problems) == 2
    assert all("document type" in problem for problem in problems)


def test_deep_and_wide_xml_is_refused() -> None:
    deep = b"<a>" * (MAX_DEPTH + 1) + b"</a>" * (MAX_DEPTH + 1)
    wide = b"<a>" + b"<b/>" * 100_001 + b"</a>"
    for data in (deep, wide, b"", b"<a>", b"text", b"\0", b"<a" * 1000):
        with pytest.raises(MediaError, match=r"x\.xml"):
            parse_xml(data, "x.xml")


def test_dublin_core(tmp_path: Path) -> None:
    path = photo(tmp_path / "a.jpg")
    (tmp_path / "a.xml").write_text(DUBLIN_CORE)
    assert describe(path, "photo") == Description(
        title="Sterne & Planeten",
        description="Worum es geht",
        creators=("Anna Meier", "Bo Li"),
        keywords=("Astronomie",),
        series="Astronomie I",
        language="de",
        rights="CC BY 4.0",
        date="2023-06-15",
        sources=("dublin-core",),
    )


def test_xml_of_another_kind_is_none_of_ours(tmp_path: Path) -> None:
    path = photo(tmp_path / "a.jpg")
    (tmp_path / "a.xml").write_text("<NonRealTimeMeta><title>camera</title></NonRealTimeMeta>")
    problems: list[str] = []
    assert describe(path, "photo", problems) == Description()
    assert problems == []


def test_ytdlp(tmp_path: Path) -> None:
    path = photo(tmp_path / "a.jpg")
    record = {
        "title": "A talk", "description": "About\nstars", "uploader": "A channel",
        "tags": ["x", "y"],
        "categories": ["Education"], "upload_date": "20230615", "language": "en",
        "playlist_title": "A course", "license": "CC BY",
    }  # fmt: skip
    (tmp_path / "a.info.json").write_text(json.dumps(record))
    assert describe(path, "photo") == Description(
        title="A talk",
        description="About\nstars",
        creators=("A channel",),
        keywords=("x", "y", "Education"),
        series="A course",
        language="en",
        rights="CC BY",
        date="2023-06-15",
        sources=("yt-dlp",),
    )


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[1]", b"[" * 100_000, b"\xff\xfe\0", b'{"title": 5, "tags": {"a": 1}}']
)
def test_damaged_records(tmp_path: Path, content: bytes) -> None:
    path = photo(tmp_path / "a.jpg")
    (tmp_path / "a.info.json").write_bytes(content)
    problems: list[str] = []
    assert describe(path, "photo", problems) == Description()
    if b"title" not in content:
        assert len(problems) == 1
        assert "a.info.json" in problems[0]


def test_a_table_outranks_the_rest(tmp_path: Path) -> None:
    path = photo(tmp_path / "a.jpg", xmp=XMP.encode())
    (tmp_path / "a.xml").write_text(DUBLIN_CORE)
    (tmp_path / "metadata.csv").write_text(
        "path,title,creator,series,date,language,rights,keywords\n"
        'a.jpg,From the table,"Meier, Anna; Li, Bo",,2020,fr,,"one, two"\n'
    )
    found = describe(path, "photo")
    assert found.title == "From the table"
    assert found.creators == ("Meier, Anna", "Li, Bo")
    assert found.series == "Astronomie I"
    assert found.language == "fr"
    assert found.date == "2020"
    assert found.keywords == ("one", "two", "Astronomie", "stars", "sky")
    assert found.sources == ("csv", "dublin-core", "xmp")


def test_a_table_without_paths_is_a_problem(tmp_path: Path) -> None:
    path = photo(tmp_path / "a.jpg")
    (tmp_path / "metadata.csv").write_text("title\nx\n")
    problems: list[str] = []
    describe(path, "photo", problems)
    assert len(problems) == 1
    assert "no column 'path'" in problems[0]


def test_exif(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010E] = "Ein Bäum".encode()
    exif[0x013B] = "Anna Meier; Bo Li"
    exif[0x8298] = "CC BY"
    exif[0x9C9B] = "Überschrift\0".encode("utf-16-le")
    exif[0x9C9E] = "a;b\0".encode("utf-16-le")
    exif._ifds[0x8769] = {0x9003: "2023:06:15 14:30:10", 0x9011: "+02:00"}
    found = describe(photo(tmp_path / "a.jpg", exif=exif), "photo")
    assert found == Description(
        title="Überschrift",
        description="Ein Bäum",
        creators=("Anna Meier", "Bo Li"),
        keywords=("a", "b"),
        rights="CC BY",
        date="2023-06-15T14:30:10+02:00",
        sources=("exif",),
    )


@pytest.mark.parametrize(
    "text",
    ["OLYMPUS DIGITAL CAMERA         ", "SONY DSC", "DCIM\\100MEDIA\\DJI_0001.JPG", "\0\0", "  "],
)
def test_what_devices_write_is_no_description(tmp_path: Path, text: str) -> None:
    exif = Image.Exif()
    exif[0x010E] = text
    assert describe(photo(tmp_path / "a.jpg", exif=exif), "photo") == Description()


def test_iptc() -> None:
    found = from_iptc(
        {
            (2, 5): b"A name",
            (2, 120): "Größe".encode(),
            (2, 25): [b"x", "ü".encode("latin-1")],
            (2, 80): [b"Anna Meier"],
            (2, 116): b"CC BY",
            (2, 55): b"20230615",
        }
    )
    assert (found.title, found.description, found.keywords) == ("A name", "Größe", ("x", "ü"))
    assert (found.creators, found.rights, found.date) == (("Anna Meier",), "CC BY", "2023-06-15")


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.mp3", "a.ogg", "a.flac"])
def test_container_tags(recording: Callable[..., Path], name: str) -> None:
    sound_only = {"a.mp3": "mp3", "a.ogg": "libopus", "a.flac": "flac"}
    options: dict[str, object] = (
        {"video": None, "sound": sound_only[name]} if name in sound_only else {}
    )
    tags = {"title": "A title", "artist": "Anna Meier", "album": "A course", "date": "2023"}
    path = recording(
        name, seconds=0.3, tags=tags, language="ger" if name == "a.mkv" else "", **options
    )
    found = describe(path, "audio")
    assert found.title == "A title"
    assert found.creators == ("Anna Meier",)
    assert found.series == "A course"
    assert found.date == "2023"
    assert found.language == ("de" if name == "a.mkv" else "")
    assert found.sources == ("container",)


def test_container_tags_of_several_people() -> None:
    found = from_container({"artist": "A; B", "genre": "Physics, Astronomy", "comment": "hello"})
    assert found.creators == ("A", "B")
    assert found.keywords == ("Physics", "Astronomy")
    assert found.description == "hello"


def test_pdf_info() -> None:
    found = from_pdf_info(
        {
            "Title": "Microsoft PowerPoint - Lecture 3.pptx", "Author": "Anna", "Keywords": "a, b",
            "CreationDate": "D:20230615143010+02'00'", "Creator": "PowerPoint",
        }
    )  # fmt: skip
    assert found.title == "Lecture 3.pptx"  # better than nothing
    assert found.creators == ("Anna",)
    assert found.keywords == ("a", "b")
    assert found.date == "2023-06-15T14:30:10+02:00"


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("2023", "2023"),
        ("2023-06", "2023-06"),
        ("20230615", "2023-06-15"),
        ("2023:06:15 14:30:10", "2023-06-15T14:30:10"),
        ("2023-06-15T14:30Z", "2023-06-15T14:30:00Z"),
        ("D:20230615143010Z00'00'", ""),
        ("2023-13-40", ""),
        ("yesterday", ""),
        ("", ""),
        (None, ""),
        ("0000:00:00 00:00:00", ""),
    ],
)
def test_dates(text: object, date: str) -> None:
    assert iso_date(text) == date


def test_merging_nothing() -> None:
    assert merge([]) == Description()


def test_control_characters_and_length_are_bounded() -> None:
    found = from_container(
        {"title": "a\x00b\x1b[31mc\ud800" + "x" * 5000, "keywords": "k;" * 10_000}
    )
    assert len(found.title) <= 1000
    assert found.title.startswith("a b [31mc")
    assert found.keywords == ("k",)
    found.title.encode("utf-8")


def test_the_medium_itself_must_open(tmp_path: Path) -> None:
    for name, kind in (("a.jpg", "photo"), ("a.pdf", "document"), ("a.mp4", "video")):
        (tmp_path / name).write_text("text")
        with pytest.raises(MediaError, match=name.replace(".", r"\.")):
            describe(tmp_path / name, kind)  # type: ignore[arg-type]


def test_odd_names(tmp_path: Path, odd_name: str) -> None:
    path = tmp_path / f"{odd_name}.jpg"
    with path.open("wb") as file:
        Image.new("RGB", (8, 8)).save(file, "JPEG")
    (tmp_path / f"{odd_name}.xml").write_text(DUBLIN_CORE)
    (tmp_path / f"{odd_name}.info.json").write_text("{")
    problems: list[str] = []
    assert describe(path, "photo", problems).title == "Sterne & Planeten"
    assert len(problems) == 1
    problems[0].encode("utf-8")
    assert "\n" not in problems[0]
