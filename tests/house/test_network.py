"""Nothing is sent and nothing is fetched: indexing, searching and reading open no socket."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import MediaFolder

# Python raises these audit events for every socket that is made or used in the process. Addresses
# of other processes on this machine would count, too: nothing here needs them.
WITHOUT_NETWORK = """
import json, os, sys, traceback

def refuse(event, arguments):
    if event.startswith("socket."):
        sys.stderr.write(f"{event} {arguments}\\n" + "".join(traceback.format_stack()))
        sys.stderr.flush()
        os._exit(97)

sys.addaudithook(refuse)
"""
COMMANDS = """
from onlooker.cli.main import main

for arguments in json.loads(sys.argv[1]):
    sys.argv = ["onlooker", *arguments]
    code = 0
    try:
        main()
    except SystemExit as end:
        code = end.code or 0
    if code:
        sys.exit(f"{arguments} ended with {code}")
"""


def run(code: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        errors="replace",
        env={**os.environ, **variables},
    )


def test_the_hook_would_notice() -> None:
    assert run(f"{WITHOUT_NETWORK}import socket\nsocket.socket()").returncode == 97


def test_no_command_opens_a_socket(media_folder: MediaFolder, tmp_path: Path) -> None:
    root = media_folder.root
    commands = [
        [
            "add",
            "--quiet",
            *(str(root / name) for name in ("slides", "talk/turned.mp4", "talk/interview.opus")),
        ],
        ["search", "gradient"],
        ["update", "--quiet"],
        ["list"],
        ["export"],
        ["info"],
        ["verify"],
        ["read", str(root / "photos" / "shop.png")],
    ]
    library = str(tmp_path / "library")
    done = run(WITHOUT_NETWORK + COMMANDS, json.dumps(commands), ONLOOKER_LIBRARY=library)
    assert done.returncode == 0, done.stdout + done.stderr
