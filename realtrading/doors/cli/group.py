"""`realtrading`: the group that the commands hang on, each imported only when it is called."""
from __future__ import annotations

import importlib

import click

from realtrading import __version__

COMMANDS = {
    "balances": ("realtrading.doors.cli.status", "balances", "What there is of each asset, and whose it is."),
    "demo": ("realtrading.doors.cli.demo", "demo", "Trade against the simulated exchange, break things, and prove the books."),
    "journal": ("realtrading.doors.cli.journal", "journal", "Look at a journal, check it, copy it, bring it back."),
    "order": ("realtrading.doors.cli.order", "order", "One order's life, from intent to ledger."),
    "orders": ("realtrading.doors.cli.order", "orders", "The orders that live at the exchange."),
    "positions": ("realtrading.doors.cli.status", "positions", "What the engine holds."),
    "reconcile": ("realtrading.doors.cli.reconcile", "reconcile", "Compare with the exchange now."),
    "replay-events": (
        "realtrading.doors.cli.replay_events", "replay_events", "What a recorded user stream makes of its orders."
    ),
    "run": ("realtrading.doors.cli.run", "run", "Run the daemon in the foreground."),
    "sim": ("realtrading.doors.cli.sim", "sim", "The simulated exchange alone."),
    "status": ("realtrading.doors.cli.status", "status", "The engine in five lines, running or not."),
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
