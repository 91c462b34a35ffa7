"""`realtrading`: the group that the commands hang on, each imported only when it is called."""
from __future__ import annotations

import importlib

import click

from realtrading import __version__

COMMANDS = {
    "demo": ("realtrading.doors.cli.demo", "demo", "Trade against the simulated exchange, break things, and prove the books."),
    "journal": ("realtrading.doors.cli.journal", "journal", "Look at a journal, check it, copy it, bring it back."),
    "replay-events": (
        "realtrading.doors.cli.replay_events", "replay_events", "What a recorded user stream makes of its orders."
    ),
    "run": ("realtrading.doors.cli.run", "run", "Run the daemon in the foreground."),
    "sim": ("realtrading.doors.cli.sim", "sim", "The simulated exchange alone."),
}
"""Command -> (module, attribute, one line of help)."""


class LazyGroup(click.Group):
    """Knows the commands' names without importing their modules."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names, in alphabetical order."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in `--help`, from the table, so that asking for help imports nothing."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][2]) for name in self.list_commands(ctx)])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="realtrading")
def cli() -> None:
    """Executes and guards real-money trading on Binance."""
