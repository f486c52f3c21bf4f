"""Photos: files → upright RGB arrays within a bound of memory, and what they say about themselves.

JPEG, PNG, WebP, TIFF, GIF, BMP and AVIF are read by Pillow; HEIC needs the extra ``heic``. Of
several pictures in one file (an animation, a TIFF of many pages, a burst) the first one is read.

Example:
    >>> pixels, scale = read_image("sign.jpg", max_side=1600)  # doctest: +SKIP
"""

from __future__ import annotations

import importlib
import io
import math
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, BinaryIO

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from onlooker.errors import MediaError, MissingExtraError
from onlooker.media.container import plausible_place
from onlooker.media.files import PathLike, as_path, open_file, reason, shown
from onlooker.media.kind import picture_format
from onlooker.records import MediaFacts

Pixels = NDArray[np.uint8]

MAX_PIXELS = 32_000_000
"""Pixels of a picture as returned: 96 MB in RGB, and more than most cameras have."""

DECODE_BYTES = 400_000_000
"""Memory that decoding one picture may take. With the picture returned, Python, OpenCV and the
networks of the reader it keeps a process under 800 MB."""

MAX_SIDE_PX = 200_000
"""A longer side is no picture but a header made to break programs."""

_DRAFT_BYTES = 200_000_000
"""From here on a JPEG is decoded at the next smaller scale: what is kept of it is less anyway."""

_RESIZE_BYTES = 100_000_000
"""Largest picture that is resized by a fraction. Above, it is reduced by the next whole number, so
that no second copy of this size is needed; the result is then smaller than was asked for."""

_BAND_BYTES = 16_000_000
"""Rows are converted in bands of about this size, so that only one full copy exists at a time."""

_FACTORIES = {
    "jpeg": ("PIL.JpegImagePlugin", "JpegImageFile"),
    "png": ("PIL.PngImagePlugin", "PngImageFile"),
    "webp": ("PIL.WebPImagePlugin", "WebPImageFile"),
    "tiff": ("PIL.TiffImagePlugin", "TiffImageFile"),
    "gif": ("PIL.GifImagePlugin", "GifImageFile"),
    "bmp": ("PIL.BmpImagePlugin", "BmpImageFile"),
    "avif": ("PIL.AvifImagePlugin", "AvifImageFile"),
    "heif": ("pillow_heif.as_plugin", "HeifImageFile"),
}
"""Format → the reader, called directly: `PIL.Image.open` tries every format there is, and refuses
large JPEGs that can well be decoded reduced."""

_BYTES_PER_PIXEL = {"1": 1, "L": 1, "P": 1, "LA": 4, "PA": 4, "La": 4, "I;16": 2, "I;16B": 2}
"""Pillow's storage; every other mode takes four bytes."""

_COPIES = {"webp": 3, "avif": 3, "heif": 3, "gif": 2}
"""Full copies that exist at once while decoding: canvas, previous canvas and picture for WebP;
planes, RGB and picture for AVIF and HEIF; palette and RGB for GIF."""

_ORIENTATION = 0x0112

_quiet_lock = threading.Lock()
_quiet_depth = 0
_quiet_state: Any = None


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Pillow's warnings about odd files from the terminal; safe with several threads."""
    global _quiet_depth, _quiet_state
    with _quiet_lock:
        if _quiet_depth == 0:
            _quiet_state = warnings.catch_warnings()
            _quiet_state.__enter__()
            warnings.simplefilter("ignore")
        _quiet_depth += 1
    try:
        yield
    finally:
        with _quiet_lock:
            _quiet_depth -= 1
            if _quiet_depth == 0:
                _quiet_state.__exit__(None, None, None)


def _factory(form: str) -> Any:
    module, name = _FACTORIES[form]
    try:
        return getattr(importlib.import_module(module), name)
    except ImportError as error:
        if form == "heif":
            raise MissingExtraError("reading HEIC photos", "heic") from error
        raise MediaError(f"this Pillow reads no {form.upper()} pictures: update it") from error


@contextmanager
def open_picture(path: PathLike) -> Iterator[tuple[Any, str]]:
    """Open a picture without decoding it.

    Whatever a decoder raises inside the ``with`` block on a damaged file becomes a `MediaError`.

    Yields:
        The Pillow image and the name of its format.

    Raises:
        MediaError: It is missing, unreadable, empty, damaged, or no picture.
        MissingExtraError: It is HEIC, and the extra is not installed.
    """
    with open_file(path) as file:
        try:
            head = file.read(512)
            file.seek(0)
        except OSError as error:
            raise MediaError(f"cannot read {shown(path)}: {reason(error)}") from error
        form = picture_format(head)
        if form is None:
            raise MediaError(
                f"cannot read {shown(path)}: it is no picture of a known format (JPEG, PNG, WebP,"
                " TIFF, HEIC, AVIF, GIF, BMP)"
            )
        with _quiet(), _translated(path):
            image = _open(form, file, str(as_path(path)))
            width, height = image.size
            if not (0 < width <= MAX_SIDE_PX and 0 < height <= MAX_SIDE_PX):
                raise MediaError(
                    f"cannot read {shown(path)}: it claims {width}x{height} pixels, and"
                    f" {MAX_SIDE_PX:,} a side is the most that is read"
                )
            with image:
                yield image, form


def _open(form: str, file: BinaryIO, name: str) -> Any:
    factory = _factory(form)
    if form == "heif":
        return factory(file, "")
    return factory(file, name.encode("utf-8", "replace").decode("utf-8"))


@contextmanager
def _translated(path: PathLike) -> Iterator[None]:
    """Turn what a decoder raises into a `MediaError`."""
    try:
        yield
    except (MediaError, MissingExtraError):
        raise
    except Image.DecompressionBombError as error:
        raise MediaError(f"cannot read {shown(path)}: it has too many pixels ({error})") from error
    except MemoryError as error:
        raise MediaError(f"cannot read {shown(path)}: not enough memory to decode it") from error
    except Exception as error:  # Pillow's decoders raise nearly anything on damaged files
        text = str(error).strip() or type(error).__name__
        text = "".join(char if char.isprintable() else " " for char in text)[:200]
        raise MediaError(f"cannot read {shown(path)}: the picture is damaged ({text})") from error


def _orientation(image: Any, form: str) -> int:
    """Return the EXIF orientation that is still to be applied, 1 to 8."""
    # TIFF: Pillow turns it while loading, and its size is the turned one. HEIF: libheif does.
    if form in ("tiff", "heif"):
        return 1
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # damaged EXIF must not cost the picture
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _upright(pixels: Pixels, orientation: int) -> Pixels:
    """Turn and mirror as EXIF 2.32, tag 0x0112, asks for."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def _to_rgb(image: Any) -> Any:
    """Convert any mode to RGB; transparent places become white, as on paper and on a page."""
    mode = image.mode
    if mode == "RGB":
        return image
    if mode.startswith("I;16") or mode in ("I", "F"):
        return _from_deep(image)
    if mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        page = Image.new("RGBA", image.size, (255, 255, 255, 255))
        page.alpha_composite(image)
        return page.convert("RGB")
    return image.convert("RGB")


def _from_deep(image: Any) -> Any:
    """Bring 16-bit integers down to eight bits, and floats from [0, 1] (or their own range)."""
    values = np.asarray(image).astype(np.float32)
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    if image.mode == "F":
        top = float(values.max(initial=0.0))
        values *= 255.0 if top <= 1.0 else 255.0 / top
    else:
        values /= 257.0  # 65,535 / 255
    grey = np.clip(values + 0.5, 0, 255).astype(np.uint8)
    return Image.fromarray(grey).convert("RGB")


def _bytes_to_decode(image: Any, form: str) -> int:
    """Return the memory that `image.load` will take, at the size that it will have."""
    total = (
        int(image.size[0])
        * int(image.size[1])
        * _BYTES_PER_PIXEL.get(image.mode, 4)
        * _COPIES.get(form, 1)
    )
    if form == "tiff" and image.getexif().get(_ORIENTATION, 1) != 1:
        total *= 2  # Pillow turns a copy
    return int(total)


def _draft(image: Any, scale: float) -> None:
    """Let the JPEG decoder reduce to the smallest of 1/1, 1/2, 1/4, 1/8 that is large enough.

    A picture whose reduced form would still break the bound is reduced further.
    """
    width, height = image.size
    denominator = 1
    while denominator < 8 and (
        scale * denominator * 2 <= 1
        or math.ceil(width / denominator) * math.ceil(height / denominator) * 4 > _DRAFT_BYTES
    ):
        denominator *= 2
    if denominator > 1:
        # Rounded down, so that Pillow takes this denominator and not the one before.
        image.draft(None, (max(1, width // denominator), max(1, height // denominator)))


def _progressive_bytes(image: Any) -> int:
    """Return what a progressive JPEG takes whatever its scale: 16 bits for each coefficient."""
    if not image.info.get("progressive"):
        return 0
    layers = getattr(image, "layer", [])  # (id, horizontal sampling, vertical sampling, table)
    pixels = int(image.size[0]) * int(image.size[1])
    if not layers:
        return 2 * pixels * 3
    most = max(h * v for _, h, v, _ in layers)
    return 2 * pixels * int(sum(h * v for _, h, v, _ in layers)) // max(1, int(most))


def read_image(
    path: PathLike, *, max_side: int | None = None, max_pixels: int = MAX_PIXELS
) -> tuple[Pixels, float]:
    """Read a photo, upright, reduced where it is larger than asked for.

    Args:
        path: File.
        max_side: Longest side of the result in pixels; None for no such bound.
        max_pixels: Most pixels of the result.

    Returns:
        Pixels ``(H, W, 3)`` uint8 RGB, and the scale: pixels of the result for one pixel of the
        original (1.0 where nothing was reduced). A point of the result divided by it is a point of
        the upright original.

    Raises:
        MediaError: It is missing, unreadable, empty, damaged, no picture, or could not be decoded
            within `DECODE_BYTES`.
        MissingExtraError: It is HEIC, and the extra is not installed.
        ValueError: A bound is not positive.
    """
    if max_pixels < 1 or (max_side is not None and max_side < 1):
        raise ValueError(f"bounds must be positive, got {max_side=} {max_pixels=}")
    with open_picture(path) as (image, form):
        width, height = image.size
        scale = min(1.0, math.sqrt(max_pixels / (width * height)))
        if max_side is not None:
            scale = min(scale, max_side / max(width, height))
        needed = 0
        if form == "jpeg":
            needed = _progressive_bytes(image)
            _draft(image, scale)
        needed += _bytes_to_decode(image, form)
        if needed > DECODE_BYTES:
            kind = "progressive JPEG" if form == "jpeg" else form.upper()
            raise MediaError(
                f"cannot read {shown(path)}: decoding this {kind} of {width}x{height} pixels would"
                f" take {needed / 1e6:,.0f} MB, and {DECODE_BYTES / 1e6:,.0f} MB are the most: save"
                " it smaller, or as a baseline JPEG, which is decoded reduced"
            )
        orientation = _orientation(image, form)
        target = (max(1, round(width * scale)), max(1, round(height * scale)))
        pixels = _reduced(image, target)
    return _upright(pixels, orientation), max(pixels.shape[:2]) / max(width, height)


def _rgb_bytes(image: Any, factor: int) -> int:
    return 3 * (int(image.size[0]) // factor) * (int(image.size[1]) // factor)


def _reduced(image: Any, target: tuple[int, int]) -> Pixels:
    """Decode, reduce by whole numbers band by band, then resize to ``target`` (width, height)."""
    image.load()
    width, height = image.size
    target = (
        min(width, target[0]),
        min(height, target[1]),
    )  # the JPEG decoder may have to give less
    factor = max(1, min(width // target[0], height // target[1]))
    if (width // factor, height // factor) != target and _rgb_bytes(image, factor) > _RESIZE_BYTES:
        factor += 1
        target = (-(-width // factor), -(-height // factor))
    out_width, out_height = -(-width // factor), -(-height // factor)
    pixels: Pixels = np.empty((out_height, out_width, 3), np.uint8)
    rows = max(1, _BAND_BYTES // (width * 4 * factor)) * factor
    for top in range(0, height, rows):
        # Image.crop would check the area, and warn; a band is small.
        band = image.crop((0, top, width, min(height, top + rows)))
        if factor > 1:
            band = _to_rgb(band).reduce(factor)
        else:
            band = _to_rgb(band)
        pixels[top // factor : top // factor + band.size[1]] = np.asarray(band)
    if (out_width, out_height) != target:
        pixels = np.asarray(cv2.resize(pixels, target, interpolation=cv2.INTER_AREA), np.uint8)
    return pixels


def thumbnail(pixels: Pixels, side: int = 320) -> bytes:
    """Return a small WebP picture.

    Args:
        pixels: ``(H, W, 3)`` uint8 RGB.
        side: Longest side of the result in pixels; a smaller picture keeps its size.

    Example:
        >>> thumbnail(np.zeros((480, 640, 3), np.uint8))[8:12]
        b'WEBP'
    """
    height, width = pixels.shape[:2]
    scale = min(1.0, side / max(height, width))
    if scale < 1.0:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    buffer = io.BytesIO()
    # Quality 70 and method 2: some 10 KB for a photo of 320 pixels, in a few milliseconds.
    Image.fromarray(pixels).save(buffer, "WEBP", quality=70, method=2)
    return buffer.getvalue()


def image_facts(path: PathLike) -> MediaFacts:
    """Return size, capture time and place of a photo, without decoding it.

    Raises:
        MediaError: It is missing, unreadable, empty, damaged, or no picture.
        MissingExtraError: It is HEIC, and the extra is not installed.
    """
    with open_picture(path) as (image, form):
        width, height = image.size
        if _orientation(image, form) in (5, 6, 7, 8):
            width, height = height, width
        captured, where = _exif_time_and_place(image)
        if captured is None or where is None:
            from onlooker.media.description import xmp_of_picture, xmp_time_and_place

            packet = xmp_of_picture(image)
            if packet:
                xmp_captured, xmp_where = xmp_time_and_place(packet)
                captured = captured if captured is not None else xmp_captured
                where = where or xmp_where
    return MediaFacts(
        kind="photo",
        width=width,
        height=height,
        captured_at=captured,
        latitude=where[0] if where else None,
        longitude=where[1] if where else None,
        container=form,
    )


def _exif_time_and_place(image: Any) -> tuple[float | None, tuple[float, float] | None]:
    try:
        exif = image.getexif()
        detail = exif.get_ifd(0x8769)
        gps = exif.get_ifd(0x8825)
    except Exception:  # damaged EXIF must not cost the picture
        return None, None
    where = _gps_place(gps)
    for text, zone, fraction in (
        (detail.get(0x9003), detail.get(0x9011), detail.get(0x9291)),  # DateTimeOriginal
        (detail.get(0x9004), detail.get(0x9012), detail.get(0x9292)),  # DateTimeDigitized
        (exif.get(0x0132), detail.get(0x9010), detail.get(0x9290)),  # DateTime
    ):
        captured = exif_time(text, zone, fraction, gps)
        if captured is not None:
            return captured, where
    return None, where


def exif_time(text: Any, zone: Any, fraction: Any = None, gps: Any = None) -> float | None:
    """Return the POSIX time stamp of an EXIF date.

    The zone is the stated offset; else the one that the satellites' time implies; else the zone of
    this machine, as a camera shows the time of where its owner lives.

    Args:
        text: ``YYYY:MM:DD HH:MM:SS``.
        zone: ``+02:00``, or nothing.
        fraction: Digits after the second, or nothing.
        gps: The GPS directory, or nothing.
    """
    if not isinstance(text, str):
        return None
    try:
        clock = datetime.strptime(text.strip("\0 ")[:19].replace("-", ":", 2), "%Y:%m:%d %H:%M:%S")
    except ValueError:
        return None
    digits = fraction.strip("\0 ") if isinstance(fraction, str) else ""
    if digits.isascii() and digits.isdigit():
        clock += timedelta(seconds=float(f"0.{digits[:6]}"))
    offset = _zone(zone)
    if offset is None:
        satellites = _gps_time(gps or {})
        if satellites is not None:
            # Zones lie at quarters of an hour; a clock off by more is wrong, not elsewhere.
            quarters = round((clock.replace(tzinfo=UTC) - satellites).total_seconds() / 900)
            off_by = abs((clock.replace(tzinfo=UTC) - satellites).total_seconds() - 900 * quarters)
            if abs(quarters) <= 56 and off_by <= 120:
                offset = timezone(timedelta(minutes=15 * quarters))
    try:
        return clock.replace(tzinfo=offset).timestamp()
    except (OverflowError, OSError, ValueError):
        return None


def _zone(text: Any) -> timezone | None:
    if not isinstance(text, str):
        return None
    text = text.strip("\0 ")
    if text in ("Z", "z"):
        return UTC
    try:
        hours, minutes = int(text[1:3]), int(text[4:6])
    except ValueError:
        return None
    if text[0] not in "+-" or hours > 14 or minutes > 59:
        return None
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if text[0] == "-" else offset)


def _gps_time(gps: Any) -> datetime | None:
    try:
        hour, minute, second = (float(part) for part in gps[7])
        day = datetime.strptime(gps[29].strip("\0 "), "%Y:%m:%d").replace(tzinfo=UTC)
        return day + timedelta(hours=hour, minutes=minute, seconds=second)
    except (KeyError, ValueError, TypeError, AttributeError, ZeroDivisionError, OverflowError):
        return None


def _gps_place(gps: Any) -> tuple[float, float] | None:
    """Return latitude and longitude in degrees (EXIF 2.32, tags 1 to 4 of the GPS directory)."""
    try:
        degrees = []
        for reference, value, negative in ((1, 2, "S"), (3, 4, "W")):
            parts = [float(part) for part in gps[value]]
            angle = parts[0] + parts[1] / 60 + parts[2] / 3600
            if str(gps[reference]).strip("\0 ").upper() == negative:
                angle = -angle
            degrees.append(angle)
    except (KeyError, ValueError, TypeError, IndexError, ZeroDivisionError, OverflowError):
        return None
    latitude, longitude = degrees
    return (latitude, longitude) if plausible_place(latitude, longitude) else None
