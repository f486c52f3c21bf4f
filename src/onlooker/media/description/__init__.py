"""What people said about a medium: tags inside the file, and sidecar files beside it.

Sources are asked in the order of how deliberately they were written: a folder's table, Dublin
Core, yt-dlp's record, an XMP sidecar, then what stands inside the file. Each field is taken from
the first source that has it; keywords are gathered from all.

Example:
    >>> describe("lecture.mp4", "video").title  # doctest: +SKIP
    'Numerical linear algebra, lecture 7'
"""

from onlooker.media.description.beside import (
    from_dublin_core_file,
    from_sidecars,
    from_table,
    from_ytdlp_file,
)
from onlooker.media.description.fields import iso_date, merge
from onlooker.media.description.gather import describe, inside
from onlooker.media.description.packet import from_xmp, xmp_of_picture, xmp_time_and_place
from onlooker.media.description.tags import from_container, from_exif, from_iptc, from_pdf_info

__all__ = [
    "describe",
    "from_container",
    "from_dublin_core_file",
    "from_exif",
    "from_iptc",
    "from_pdf_info",
    "from_sidecars",
    "from_table",
    "from_xmp",
    "from_ytdlp_file",
    "inside",
    "iso_date",
    "merge",
    "xmp_of_picture",
    "xmp_time_and_place",
]
