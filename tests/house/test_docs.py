"""What the documentation points at exists."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from onlooker.cli.main import COMMANDS, cli

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("recipes/**/*.md")),
)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
COMMAND = re.compile(r"^\s*(?:\$ )?onlooker (?:--threads \d+ )?([a-z]+)(.*)$", re.MULTILINE)
# Up to the comment or the next command of the line.
OPTION = re.compile(r"(?<=\s)(--[a-z][a-z-]+)")


def ids(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if "://" not in target and not target.startswith("mailto:"):
            assert (page.parent / target).exists(), f"{page.name} points at {target}"


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_commands_and_options_exist(page: Path) -> None:
    for name, rest in COMMAND.findall(page.read_text(encoding="utf-8")):
        assert name in COMMANDS, f"{page.name} shows  onlooker {name}"
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        if isinstance(command, click.Group):
            inner = rest.split()[0]
            assert inner in command.commands, f"{page.name} shows  onlooker {name} {inner}"
            command = command.commands[inner]
        known = {option for item in command.params for option in (*item.opts, *item.secondary_opts)}
        shown = re.split(r"\s#|[|;&]", rest)[0]
        for option in OPTION.findall(f" {shown}"):
            assert option in known | {"--help"}, f"{page.name}: onlooker {name} has no {option}"
