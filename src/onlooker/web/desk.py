"""Everything that the views need, made once when the server starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException

if TYPE_CHECKING:
    from onlooker.library.store import MediaRow
    from onlooker.web.catalogue import Catalogue
    from onlooker.web.links import Links
    from onlooker.web.pages import Pages
    from onlooker.web.pictures import Pictures
    from onlooker.web.playback import Playback
    from onlooker.web.present import Presenter
    from onlooker.web.settings import WebSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What the views work with."""

    catalogue: Catalogue
    presenter: Presenter
    links: Links
    pages: Pages
    pictures: Pictures
    playback: Playback
    settings: WebSettings

    def medium(self, public_id: str) -> MediaRow:
        """Return a medium.

        Raises:
            HTTPException: 404, there is none under this id.
        """
        media = self.catalogue.medium(public_id)
        if media is None:
            raise HTTPException(404, "There is nothing under this link in this library (any more).")
        return media
