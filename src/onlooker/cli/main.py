"""The ``onlooker`` command: a literal table of commands, each loaded when it is called."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

import click

from onlooker import __version__
from onlooker.errors import OnlookerError

# name: (module, one line for --help). Help must not load what it describes.
COMMANDS: dict[str, tuple[str, str]] = {
    "add": ("onlooker.cli.add", "Index files and folders."),
    "update": ("onlooker.cli.update", "Look at all known folders again."),
    "search": ("onlooker.cli.search", "Find moments."),
    "serve": ("onlooker.cli.serve", "Open the web page on this machine."),
    "list": ("onlooker.cli.list", "List what is in the library."),
    "remove": ("onlooker.cli.remove", "Forget files and folders (files stay)."),
    "export": ("onlooker.cli.export", "Write the library as JSON, CSV or WebVTT."),
    "verify": ("onlooker.cli.verify", "Check the library, and repair it."),
    "estimate": ("onlooker.cli.estimate", "Tell what indexing would take, from a sample."),
    "read": ("onlooker.cli.read", "Print the text in pictures and PDFs."),
    "classify": ("onlooker.cli.classify", "Tell what a photo shows."),
    "binary": ("onlooker.cli.binary", "Pack one-bit networks, look into them, time them."),
    "info": ("onlooker.cli.info", "Show versions, networks and where things are."),
    "evaluate": ("onlooker.cli.evaluate", "Measure a network on a data set."),
    "train": ("onlooker.cli.train", "Train a network by its recipe."),
    "synth": ("onlooker.cli.synth", "Generate pictures of text to train on."),
}


class _Commands(click.Group):
    """Loads a command's module only when that command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(COMMANDS[cmd_name][0]).command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0] if args else ""
        if name and not name.startswith("-") and name not in COMMANDS:
            from difflib import get_close_matches

            near = get_close_matches(name, COMMANDS, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise click.UsageError(f"No such command {name!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="onlooker")
@click.option(
    "--threads", type=click.IntRange(min=1), help="Use so many threads.  [default: all cores]"
)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def cli(ctx: click.Context, threads: int | None, debug: bool) -> None:
    """Make every moment of videos, lectures, photos and documents searchable.

    \b
    onlooker add ~/Lectures            index a folder
    onlooker search "gradient descent" find the moments
    onlooker serve                     look at them in a browser
    """  # noqa: D301 (click wants the character itself)
    ctx.obj = {"debug": debug}
    if threads is not None:
        from onlooker.runtime import set_threads

        set_threads(threads)


def main(args: list[str] | None = None) -> None:
    """Run the command line; exit 0 well, 1 with an error, 2 for wrong usage."""
    arguments = sys.argv[1:] if args is None else args
    debug = "--debug" in arguments
    # A program started without them (``>&-``) has none: what it says goes nowhere.
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115, PTH123 open to the end
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115, PTH123
    # A name that is not UTF-8 is printed as it lies on the disk, never a reason to fail.
    for stream in (sys.stdout, sys.stderr):
        reconfigure: Any = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="surrogateescape")
    try:
        code = cli.main(arguments, prog_name="onlooker", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except click.exceptions.Abort:
        click.echo("interrupted", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except OnlookerError as error:
        if debug:
            raise
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
    except OSError as error:
        # Those of media and of the library come as their own errors; what is left is the output.
        if debug:
            raise
        what = "the output cannot be written" if error.filename is None else str(error.filename)
        click.echo(f"error: {what}: {error.strerror or error}", err=True)
        sys.exit(1)
    except Exception as error:
        if debug:
            raise
        click.echo(
            f"error: {type(error).__name__}: {error}\n"
            "This is a defect of Onlooker; run again with  onlooker --debug …  to see where.",
            err=True,
        )
        sys.exit(1)
