"""The video reader: frames a second and seconds of CPU, by kind of clip, at 720p.

    python benchmarks/video_text.py --data DIR           # writes results/video_text.json
    python benchmarks/video_text.py --data DIR --limit 6 # a quick look; writes nothing

DIR holds clips of ``onlooker synth video`` (``tracks.json``). Everything from file to tracks
counts: decoding, following, reading of key frames, votes. Each kind of clip is read once before the
clock starts. CPU seconds are those of all threads of the process: on a busy machine they tell what
wall time does not. "Real time" is frames a second by the frame rate of the clips; the aim is 25
frames a second of wall time on two cores.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections import defaultdict
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "video_text.json"


def main() -> None:
    """Measure, print, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()

    import cv2

    from onlooker.media.video import Video
    from onlooker.runtime import set_threads
    from onlooker.text.video import VideoTextReader
    from onlooker.text.video.datasets import read_clips

    set_threads(options.threads)
    cv2.setNumThreads(1)
    reader = VideoTextReader.load()
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0, 0.0, 0.0])
    warm: set[str] = set()
    for clip in read_clips(options.data)[: options.limit]:
        for _ in range(1 if clip.kind in warm else 2):
            frames = keys = tracks = 0
            wall_s, cpu_s = time.perf_counter(), time.process_time()
            with Video.open(clip.video) as video:
                for step in reader.steps(video.pictures()):
                    frames += 1
                    keys += step.key
                    tracks += len(step.ended)
            wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
        warm.add(clip.kind)
        for name in (clip.kind, "all"):
            row = sums[name]
            for i, value in enumerate((frames - 1, keys, tracks, wall_s, cpu_s)):
                row[i] += value
    rows = {}
    print(f"{'kind':<10} frames  keys tracks   frames/s  CPU ms a frame")
    for name, (frames_, keys_, tracks_, wall, cpu) in sums.items():
        rows[name] = {
            "frames": int(frames_),
            "key_frames": int(keys_),
            "tracks": int(tracks_),
            "frames_per_second": round(frames_ / wall, 1),
            "cpu_ms_per_frame": round(1000 * cpu / frames_, 2),
        }
        print(
            f"{name:<10} {frames_:6.0f} {keys_:5.0f} {tracks_:6.0f} {frames_ / wall:10.1f} "
            f"{1000 * cpu / frames_:10.1f}"
        )
    if options.limit is None:
        result = {
            "date": date.today().isoformat(),
            "machine": platform.processor() or platform.machine(),
            "threads": options.threads,
            "kinds": rows,
        }
        RESULTS.write_text(json.dumps(result, indent=1) + "\n")
        print(f"written: {RESULTS.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
