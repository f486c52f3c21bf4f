"""What is done with each kind of media at each stage, and by whom.

A stage takes a medium and returns an `Analysis`: moments, views, and how it ended. To add a task,
write its predictor in its own room and one line in `STEPS`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from onlooker.errors import MissingExtraError, OnlookerError, StoreError, WeightsError
from onlooker.library.analyzers.documents import look_document, read_document
from onlooker.library.analyzers.medium import LOOK, Analysis, Engines, Medium, Progress, names
from onlooker.library.analyzers.photos import look_photo, read_photo
from onlooker.library.analyzers.recordings import hear, look_audio, look_video, read_video
from onlooker.library.store import Stage
from onlooker.records import MediaKind, Moment

__all__ = ["LOOK", "STEPS", "Analysis", "Engines", "Medium", "Progress", "analyze", "names"]

STEPS: dict[tuple[MediaKind, Stage], Callable[[Medium, Progress], Analysis]] = {
    ("photo", "look"): look_photo,
    ("photo", "read"): read_photo,
    ("document", "look"): look_document,
    ("document", "read"): read_document,
    ("video", "look"): look_video,
    ("video", "read"): read_video,
    ("video", "hear"): hear,
    ("audio", "look"): look_audio,
    ("audio", "hear"): hear,
}


def analyze(medium: Medium, stage: Stage, progress: Progress) -> Analysis:
    """Run one stage on one medium; an error becomes a failed analysis with its reason.

    Errors that are ours to mend (not the file's) are not caught: they carry the path upwards.
    """
    analysis = _analyze(medium, stage, progress)
    if stage == "look" and not analysis.moments:
        # Even what cannot be opened is found by its name.
        analysis.moments = [Moment(kind="name", text=name) for name in names(medium.row)]
    return analysis


def _analyze(medium: Medium, stage: Stage, progress: Progress) -> Analysis:
    try:
        return STEPS[medium.row.kind, stage](medium, progress)
    except MissingExtraError as error:
        return Analysis(state="skipped", reason=str(error))
    except (StoreError, WeightsError):
        raise
    except OnlookerError as error:
        return Analysis(state="failed", reason=str(error))
    except MemoryError:
        return Analysis(state="failed", reason=f"{medium.path} needs more memory than there is")
    except OSError as error:
        return Analysis(
            state="failed", reason=f"{medium.path} cannot be read: {error.strerror or error}"
        )
    except Exception as error:
        # One odd file among thousands must not stop the night's work; the row tells what
        # happened, and the log keeps the traceback for a report.
        logging.getLogger(__name__).exception("%s failed in stage %s", medium.path, stage)
        return Analysis(
            state="failed", reason=f"{medium.path}: {type(error).__name__}: {error} (a defect)"
        )
