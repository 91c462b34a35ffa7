"""`realtrading sim …`: the simulated exchange under the same roof."""
from __future__ import annotations

import click

from realtrading.sim.cli import serve


@click.group()
def sim() -> None:
    """The simulated exchange alone, for any Binance client."""


sim.add_command(serve)
