"""How large an installation is, and how fast the command answers.

    python benchmarks/install.py

Makes a fresh virtual environment, installs this checkout into it without extras, and measures what
lies there beside pip and setuptools, and the time of ``onlooker --help`` (median of ten). Writes
``benchmarks/results/install.json``.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RUNS = 10
NOT_OURS = ("pip", "setuptools", "pkg_resources", "_distutils_hack")


def size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        venv.create(place, with_pip=True)
        python = Path(place, "bin", "python")
        subprocess.run([python, "-m", "pip", "install", "--quiet", ROOT], check=True)
        packages = next(Path(place).glob("lib/python*/site-packages"))
        parts = {path.name: size(path) if path.is_dir() else path.stat().st_size
                 for path in packages.iterdir()
                 if not path.name.startswith(NOT_OURS)}  # fmt: skip
        times = []
        for _ in range(RUNS):
            began = time.perf_counter()
            subprocess.run([Path(place, "bin", "onlooker"), "--help"], check=True,
                           stdout=subprocess.DEVNULL)  # fmt: skip
            times.append(time.perf_counter() - began)
    result = {
        "date": dt.date.today().isoformat(),
        "cpu": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "installed_mb": round(sum(parts.values()) / 1e6, 1),
        "largest_mb": {
            name: round(value / 1e6, 1)
            for name, value in sorted(parts.items(), key=lambda item: -item[1])[:8]
        },
        "help_s": round(statistics.median(times), 3),
    }
    out = ROOT / "benchmarks" / "results" / "install.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    json.dump(result, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
