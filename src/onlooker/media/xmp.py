"""XML that people's programs leave with media, read safely: XMP packets and Dublin Core files.

Documents with a document type are refused: descriptions need none, and entities are the way to
make a small file large or to reach for other files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree
from xml.parsers import expat

from onlooker.errors import MediaError

MAX_XML_BYTES = 8_000_000
MAX_DEPTH = 64
MAX_ELEMENTS = 100_000

DC = "http://purl.org/dc/elements/1.1/"
DC_TERMS = "http://purl.org/dc/terms/"
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
XMP = "http://ns.adobe.com/xap/1.0/"
XMP_RIGHTS = "http://ns.adobe.com/xap/1.0/rights/"
XMP_MEDIA = "http://ns.adobe.com/xmp/1.0/DynamicMedia/"
PHOTOSHOP = "http://ns.adobe.com/photoshop/1.0/"
EXIF = "http://ns.adobe.com/exif/1.0/"
PDF = "http://ns.adobe.com/pdf/1.3/"
CC = "http://creativecommons.org/ns#"
XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"

_DC_ROOTS = frozenset({"dc", "dublincore", "metadata", "qualifieddc", "record", "oai_dc"})
_DC_LOCAL = {
    "title": "title",
    "alternative": "title",
    "creator": "creator",
    "author": "creator",
    "subject": "keywords",
    "description": "description",
    "abstract": "description",
    "ispartof": "series",
    "rights": "rights",
    "license": "rights",
    "accessrights": "rights",
    "language": "language",
    "date": "date",
    "created": "date",
    "issued": "date",
    "temporal": "",
}


def parse_xml(data: bytes, name: str) -> ElementTree.Element:
    """Parse XML without document types, within bounds of size, depth and number.

    Args:
        data: The document.
        name: What to call it in errors.

    Raises:
        MediaError: It is too large or deep, has a document type, or is not well-formed.
    """
    if len(data) > MAX_XML_BYTES:
        raise MediaError(f"cannot use {name}: it is larger than {MAX_XML_BYTES:,} bytes")
    builder = ElementTree.TreeBuilder()
    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True
    depth = count = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth, count
        depth += 1
        count += 1
        if depth > MAX_DEPTH or count > MAX_ELEMENTS:
            raise MediaError(f"cannot use {name}: its XML is too deep or has too many elements")
        builder.start(_clark(tag), {_clark(key): value for key, value in attributes.items()})

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(_clark(tag))

    def refuse(*_: Any) -> None:
        raise MediaError(f"cannot use {name}: it has a document type, which is not read")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(data.strip(b"\0 \t\r\n"), True)
        return builder.close()
    except (expat.ExpatError, AssertionError, ValueError, LookupError) as error:
        raise MediaError(f"cannot use {name}: its XML is not well-formed ({error})") from error


def _clark(name: str) -> str:
    return "{" + name if "}" in name else name


def _local(tag: str) -> str:
    return tag.rpartition("}")[2].lower()


def _text(element: ElementTree.Element) -> str:
    return " ".join("".join(element.itertext()).split())


def xmp_values(data: bytes, name: str = "the XMP packet") -> dict[str, list[str]]:
    """Return the properties of an XMP packet: ``{namespace}name`` → values.

    Of alternatives in several languages the default one comes first, and alone.

    Raises:
        MediaError: The packet is not well-formed, or hostile.
    """
    # Some writers leave bytes around the packet.
    match = re.search(
        rb"<(?:\w+:)?(?:xmpmeta|RDF)\b.*</(?:\w+:)?(?:xmpmeta|RDF)\s*>", data, re.DOTALL
    )
    root = parse_xml(match[0] if match and b"<!" not in data[: match.start()] else data, name)
    values: dict[str, list[str]] = {}
    for description in root.iter(f"{{{RDF}}}Description"):
        for key, value in description.attrib.items():
            if value.strip() and not key.startswith(f"{{{RDF}}}"):
                values.setdefault(key, []).append(value.strip())
        for child in description:
            for text in _property(child):
                values.setdefault(child.tag, []).append(text)
    return values


def _property(element: ElementTree.Element) -> Iterator[str]:
    for holder in element:
        items = list(holder.iter(f"{{{RDF}}}li"))
        if holder.tag == f"{{{RDF}}}Alt" and items:
            items.sort(key=lambda item: item.get(XML_LANG, "x-default") != "x-default")
            items = items[:1]
        for item in items:
            text = _text(item)
            if text:
                yield text
    if not len(element):
        text = _text(element) or element.get(f"{{{RDF}}}resource", "")
        if text:
            yield text


def dublin_core_values(data: bytes, name: str) -> dict[str, list[str]] | None:
    """Return what a Dublin Core file says: field of `Description` (singular) → values.

    Returns:
        None where it is some other kind of XML.

    Raises:
        MediaError: It is not well-formed, or hostile.
    """
    root = parse_xml(data, name)
    known = [
        element
        for element in root.iter()
        if element.tag.startswith((f"{{{DC}}}", f"{{{DC_TERMS}}}"))
    ]
    if not known:
        if _local(root.tag) not in _DC_ROOTS:
            return None
        known = [element for element in root if "}" not in element.tag]
    values: dict[str, list[str]] = {}
    for element in known:
        field = _DC_LOCAL.get(_local(element.tag), "")
        text = _text(element)
        if field and text:
            values.setdefault(field, []).append(text)
    return values or None
