"""What moves between two frames: changed cells, the camera, and points on text.

Everything here works on reduced grey frames. Optical flow is sparse: corners on a grid tell how the
camera moves, corners on letters how a line moves on its own.

References:
    Shi & Tomasi 1994, "Good features to track" (the corners); Lucas & Kanade 1981 with the
    pyramids of Bouguet 2001 (their flow); Fischler & Bolles 1981, RANSAC (the camera's motion).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Grey = npt.NDArray[np.uint8]
Affine = npt.NDArray[np.float64]
Points = npt.NDArray[np.float32]

CELL_PX = 8
CHANGED = 3.0
"""Mean difference of a cell, in grey levels, from which it has changed: compression stirs still
cells by one or two."""
STILL = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
_GRID_POINTS = 90
_LEAST_POINTS = 8
_AGREEING = 0.5
"""Share of the corners that must follow one motion for it to be the camera's."""
_CAMERA_PX = 0.35
_MOST_ERROR = 30.0
"""Mean difference of a corner's surroundings, in grey levels, above which it was lost."""
_WINDOW_PX = (15, 15)
_LEVELS = 3
_STOP = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 12, 0.03)
_LEAST_EIGENVALUE = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """What changed from one frame to the next.

    Attributes:
        cells: ``(ceil(H / 8), ceil(W / 8))`` bool: what has changed.
        camera: 2 × 3 map of places from the first frame to the second, where the camera moved.
        lost: Whether much has changed and no motion explains it: a cut, a flash, a fast sweep.
    """

    cells: npt.NDArray[np.bool_]
    camera: Affine | None
    lost: bool

    @property
    def still(self) -> bool:
        """Whether nothing changed."""
        return not self.cells.any()

    def touches(self, box: npt.NDArray[np.float64]) -> bool:
        """Say whether something changed in a box (x0, y0, x1, y1)."""
        x0, y0 = np.maximum(box[:2] // CELL_PX, 0).astype(int)
        x1, y1 = np.maximum(box[2:] // CELL_PX + 1, 0).astype(int)
        return bool(self.cells[y0:y1, x0:x1].any())


def changed_cells(before: Grey, after: Grey, least: float = CHANGED) -> npt.NDArray[np.bool_]:
    """Say which cells of 8 × 8 pixels differ."""
    off = cv2.absdiff(before, after)
    rows, columns = off.shape
    size = (-(-columns // CELL_PX), -(-rows // CELL_PX))
    return np.asarray(cv2.resize(off, size, interpolation=cv2.INTER_AREA) > least)


def sharpness(grey: Grey) -> float:
    """Measure how sharp a frame is, to compare it with its neighbours."""
    return float(cv2.Laplacian(grey, cv2.CV_16S, ksize=1).std())


def corners(grey: Grey, most: int, mask: Grey | None = None) -> Points:
    """Find corners → ``(n, 2)`` float32."""
    found = cv2.goodFeaturesToTrack(grey, most, 0.01, 5, mask=mask, blockSize=3)
    return np.zeros((0, 2), np.float32) if found is None else found.reshape(-1, 2)


def flow(before: Grey, after: Grey, points: Points) -> tuple[Points, npt.NDArray[np.bool_]]:
    """Follow points from one frame to another → their places there, and which were found."""
    if not len(points):
        return points, np.zeros(0, np.bool_)
    moved, status, errors = cv2.calcOpticalFlowPyrLK(
        before,
        after,
        points.reshape(-1, 1, 2).astype(np.float32),
        np.empty(0, np.float32),
        winSize=_WINDOW_PX,
        maxLevel=_LEVELS,
        criteria=_STOP,
        minEigThreshold=_LEAST_EIGENVALUE,
    )
    good = (status.ravel() > 0) & (errors.ravel() < _MOST_ERROR)
    return moved.reshape(-1, 2), good


class CameraEstimator:
    """Estimates the camera's motion from corners all over the picture."""

    def __init__(self) -> None:
        self._points: Points = np.zeros((0, 2), np.float32)
        self._known: Grey | None = None  # each cell as it was when it last changed

    def between(self, before: Grey, after: Grey) -> Motion:
        """Compare two frames that follow each other."""
        if self._known is None:
            self._known = before.copy()
        # Against the frame before, a slow fade would never change anything.
        cells = changed_cells(self._known, after)
        if cells.any():
            size = after.shape[::-1]
            mask = cv2.resize(cells.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
            cv2.copyTo(after, mask, self._known)
        share = float(cells.mean())
        if share < 0.02:
            self._points = np.zeros((0, 2), np.float32)
            return Motion(cells, None, False)
        if len(self._points) < _GRID_POINTS // 2:
            self._points = _spread_corners(before)
        moved, good = flow(before, after, self._points)
        count = int(good.sum())
        if count < max(_LEAST_POINTS, _AGREEING * len(self._points) / 2):
            self._points = np.zeros((0, 2), np.float32)
            return Motion(cells, None, share > 0.2)
        start, end = self._points[good], moved[good]
        camera, inliers = cv2.estimateAffinePartial2D(
            start, end, method=cv2.RANSAC, ransacReprojThreshold=1.0, maxIters=200
        )
        inside = ((end >= 0) & (end < after.shape[::-1])).all(axis=1)
        self._points = end[inside]
        if camera is None or inliers.mean() < _AGREEING:
            self._points = np.zeros((0, 2), np.float32)
            return Motion(cells, None, share > 0.4)
        shift = np.abs(cv2.transform(start[None], camera)[0] - start).max()
        return Motion(cells, camera if shift > _CAMERA_PX else None, False)


def _spread_corners(grey: Grey) -> Points:
    """Find corners in all parts of a picture, so that one busy part does not lead."""
    rows, columns = grey.shape
    found = []
    for top in range(3):
        for left in range(3):
            y0, y1 = top * rows // 3, (top + 1) * rows // 3
            x0, x1 = left * columns // 3, (left + 1) * columns // 3
            part = corners(grey[y0:y1, x0:x1], _GRID_POINTS // 9)
            found.append(part + np.array([x0, y0], np.float32))
    return np.concatenate(found)


def compose(second: Affine, first: Affine) -> Affine:
    """Return the map that applies ``first``, then ``second``."""
    both = np.empty((2, 3))
    both[:, :2] = second[:, :2] @ first[:, :2]
    both[:, 2] = second[:, :2] @ first[:, 2] + second[:, 2]
    return both


def inverse(affine: Affine) -> Affine:
    """Return the map that undoes another."""
    return np.asarray(cv2.invertAffineTransform(affine))


def shifted(affine: Affine, by: npt.NDArray[np.float64]) -> Affine:
    """Return the map that applies another, then moves by ``(dx, dy)``."""
    moved = affine.copy()
    moved[:, 2] += by
    return moved


def apply(affine: Affine, points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Map points ``(..., 2)``."""
    return np.asarray(points @ affine[:, :2].T + affine[:, 2])
