"""Is a line still there? Its strokes, as they were when it was read, against another frame.

A template keeps the gradients of the strokes. Against another frame it gives the *opacity*: the
factor by which its strokes are found there (1 where nothing changed, a half amid a fade, near 0
where the text is gone, whatever moves behind it), and the *likeness*: the correlation, which does
not care for contrast.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from onlooker.text.video.motion import STILL, Affine, Grey, Points, apply, compose, corners, shifted

Floats = npt.NDArray[np.float64]
Gradients = npt.NDArray[np.float32]

REACH_PX = 2
"""How far around the expected place is searched."""
MIN_OPACITY = 0.5
MIN_LIKENESS = 0.4
"""Below one of these, the line is not there: strokes of other text reach 0.3."""
_STROKES = 0.25
"""Gradients of less than this share of the strongest are ground, not strokes."""
_POINTS = 14
_BAND_PX = 6
_SEARCHED_ASPECT = 2.5
"""Shorter words are found by chance in others."""
_SURE_OF_FAR = 0.65
"""Other lines in the same face reach 0.6."""


@dataclass(frozen=True, slots=True, eq=False)
class Check:
    """How a template is found in a frame.

    Attributes:
        opacity: Factor of its strokes.
        likeness: Correlation, in [-1, 1].
        shift: By how much it lies beside the expected place (x, y).
        words: Opacity of each word.
    """

    opacity: float
    likeness: float
    shift: Floats
    words: Floats

    @property
    def there(self) -> bool:
        """Whether the line is there."""
        return self.opacity >= MIN_OPACITY and self.likeness >= MIN_LIKENESS


class Template:
    """The strokes of a line in the frame in which it was read.

    Args:
        grey: The reduced frame.
        polygons: ``(n, 4, 2)`` corners of its words there.
    """

    def __init__(self, grey: Grey, polygons: Floats) -> None:
        rows, columns = grey.shape
        low = np.maximum(np.floor(polygons.min(axis=(0, 1))) - 1, 0).astype(int)
        high = np.ceil(polygons.max(axis=(0, 1))).astype(int) + 2
        low = np.minimum(low, (columns - 2, rows - 2))
        high = np.clip(high, low + 2, (columns, rows))
        self.origin = low.astype(np.float64)
        self.size = (int(high[0] - low[0]), int(high[1] - low[1]))
        self.middle = self.origin + np.array(self.size) / 2
        part = grey[low[1] : high[1], low[0] : high[0]]
        labels = np.zeros(part.shape, np.uint8)
        for number, polygon in enumerate(polygons[:254], 1):
            cells = np.rint(polygon - low).astype(np.int32)
            cv2.fillConvexPoly(labels, cells, (number,))
        gradients = _gradients(grey, self._window(STILL, 0), self.size)
        strength = np.einsum("hwc,hwc->hw", gradients, gradients)
        inside = strength[labels > 0]
        least = _STROKES**2 * float(np.percentile(inside, 95)) if inside.size else 0.0
        self._mask = (labels > 0) & (strength >= max(least, 1.0))
        self._strokes: Gradients = gradients * self._mask[:, :, None]
        self._labels = labels[self._mask].astype(np.intp) - 1
        kept = strength[self._mask]
        self._count = len(polygons)
        self._energies = np.bincount(self._labels, weights=kept, minlength=self._count)
        self.energy = float(kept.sum())
        mask = (labels > 0).astype(np.uint8)
        self.points: Points = corners(part, _POINTS, mask) + low.astype(np.float32)

    @property
    def strength(self) -> float:
        """Mean square of the strokes' gradients: higher where they are sharp and opaque."""
        return self.energy / max(1, len(self._labels))

    def check(self, grey: Grey, pose: Affine) -> Check:
        """Look for the line in a frame.

        Args:
            grey: The reduced frame.
            pose: Map of places from the template's frame to this one, as expected.
        """
        reach = REACH_PX
        if self.energy <= 0:
            return Check(0.0, 0.0, np.zeros(2), np.zeros(self._count))
        width, height = self.size
        window = self._window(pose, reach)
        seen = _gradients(grey, window, (width + 2 * reach, height + 2 * reach))
        scores = cv2.matchTemplate(seen, self._strokes, cv2.TM_CCORR)  # (2 reach + 1)²
        row, column = divmod(int(scores.argmax()), scores.shape[1])
        best = float(scores[row, column])
        found = seen[row : row + height, column : column + width][self._mask]  # (k, 2)
        products = np.einsum("kc,kc->k", found, self._strokes[self._mask])
        words = np.bincount(self._labels, weights=products, minlength=self._count)
        opacity = best / self.energy
        weak = self._energies < 0.02 * self.energy
        shares: Floats = np.where(weak, opacity, words / np.maximum(self._energies, 1e-6))
        power = float(np.einsum("kc,kc->", found, found))
        likeness = best / max(np.sqrt(power * self.energy), 1e-6)
        shift = np.array([column - reach, row - reach], np.float64)
        if 0 < column < 2 * reach:
            shift[0] += _peak(scores[row, column - 1 : column + 2])
        if 0 < row < 2 * reach:
            shift[1] += _peak(scores[row - 1 : row + 2, column])
        # Shifts are measured in the template's frame.
        return Check(opacity, float(likeness), pose[:, :2] @ shift, shares)

    def search(self, grey: Grey, pose: Affine) -> Affine | None:
        """Look for the line far off: in the band to its left and right, and above and below.

        Lines fly in and out by many of their heights a frame; few do so at a slant.

        Args:
            grey: The reduced frame.
            pose: Where it was last.

        Returns:
            Where it is, or None.
        """
        width, height = self.size
        rows, columns = grey.shape
        if self.energy <= 0 or width < _SEARCHED_ASPECT * height:
            return None
        if np.abs(pose[:, :2] - STILL[:, :2]).max() > 0.04:
            return None
        x, y = apply(pose, self.origin)
        best: tuple[float, Affine] | None = None
        for window in (
            (-width // 2, int(y) - _BAND_PX, columns + width, height + 2 * _BAND_PX),
            (int(x) - _BAND_PX, -height, width + 2 * _BAND_PX, rows + 2 * height),
        ):
            left, top, w, h = window
            seen = _gradients(grey, np.array([[1.0, 0, left], [0, 1.0, top]]), (w, h))
            scores = cv2.matchTemplate(seen, self._strokes, cv2.TM_CCORR)
            row, column = divmod(int(scores.argmax()), scores.shape[1])
            moved = shifted(pose, np.array([left + column - x, top + row - y]))
            found = self.check(grey, moved)
            if found.there and found.likeness > max(_SURE_OF_FAR, best[0] if best else 0.0):
                best = (found.likeness, moved)
        return best[1] if best else None

    def box(self, pose: Affine) -> Floats:
        """Return the upright box around it in another frame: x0, y0, x1, y1."""
        x, y = self.origin
        w, h = self.size
        moved = apply(pose, np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]]))
        return np.concatenate([moved.min(axis=0), moved.max(axis=0)])

    def _window(self, pose: Affine, reach: int) -> Affine:
        """Return the map from the template's own pixels to a frame."""
        return compose(
            pose, np.array([[1, 0, self.origin[0] - reach], [0, 1, self.origin[1] - reach]])
        )


def _gradients(grey: Grey, window: Affine, size: tuple[int, int]) -> Gradients:
    """Cut a window out of a frame → gradients (h, w, 2)."""
    part = cv2.warpAffine(
        grey,
        window,
        size,
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    across = cv2.Sobel(part, cv2.CV_32F, 1, 0, ksize=1)
    down = cv2.Sobel(part, cv2.CV_32F, 0, 1, ksize=1)
    return np.asarray(cv2.merge([across, down]), np.float32)


def _peak(three: npt.NDArray[np.float32]) -> float:
    """Return where a parabola through three values has its peak, around the middle one."""
    left, middle, right = (float(v) for v in three)
    bend = left - 2 * middle + right
    return 0.0 if bend >= 0 else float(np.clip(0.5 * (left - right) / bend, -0.5, 0.5))
