"""What is light stays light, and what a user runs works without PyTorch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import onlooker

ROOT = Path(onlooker.__file__).parent
HEAVY = {
    "av", "cv2", "fastapi", "jinja2", "lightning", "numpy", "onnxruntime", "PIL", "pypdfium2",
    "rapidfuzz", "rich", "scipy", "sqlite3", "torch", "uvicorn",
}  # fmt: skip
TRAINING_FILES = {"model", "data", "train", "export", "losses"}
TRAINING_ROOMS = {"nn", "training", "synthesis"}
# Of binary/, where both sides stand side by side: what trains and converts.
TRAINING_BINARY = {
    "binarize", "converter", "counting", "gradients", "layers", "models", "quantizers",
}  # fmt: skip


def loaded_by(code: str) -> set[str]:
    """Return the names of all modules that a fresh interpreter holds after some code."""
    report = f"{code}\nimport json as j, sys as s\nprint('\\n' + j.dumps(sorted(s.modules)))"
    run = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return set(json.loads(run.stdout.splitlines()[-1]))


def modules_a_user_runs() -> list[str]:
    """Return all modules but those of training."""
    names = []
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if parts[0] == "binary" and TRAINING_BINARY & set(parts):
            continue
        library_side = parts[0] in ("library", "cli", "web", "media", "records")
        if not library_side and (parts[-1] in TRAINING_FILES or TRAINING_ROOMS & set(parts)):
            continue
        if parts[-1] == "__main__":
            continue
        names.append(".".join(("onlooker", *(p for p in parts if p != "__init__"))))
    return names


def test_importing_the_package_loads_nothing_heavy() -> None:
    loaded = loaded_by("import onlooker")
    assert {name for name in loaded if name.startswith("onlooker")} == {"onlooker"}
    assert not loaded & HEAVY


def test_rooms_load_their_predictors_only_when_asked() -> None:
    loaded = loaded_by("import onlooker.library, onlooker.text, onlooker.speech, onlooker.media")
    assert not loaded & (HEAVY - {"sqlite3", "numpy"}), "re-exports must be lazy"


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], []])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\n"
        f"sys.argv = ['onlooker', *{arguments!r}]\n"
        "from onlooker.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass"
    )
    assert not loaded_by(code) & HEAVY


def test_all_that_a_user_runs_loads_without_pytorch() -> None:
    names = modules_a_user_runs()
    assert len(names) > 50
    code = f"""
import importlib, sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {{"torch", "lightning", "torchvision", "onnx", "wordfreq"}}:
            raise ImportError(f"{{name}} belongs to training")

sys.meta_path.insert(0, Refuse())
for name in {names!r}:
    importlib.import_module(name)
"""
    loaded = loaded_by(code)
    assert "torch" not in loaded
    ours = [name.split(".") for name in loaded if name.startswith("onlooker.")]
    assert not [p for p in ours if p[1] != "cli" and p[-1] in ("train", "data", "model")]
