"""`realtrading status`, `positions` and `balances`: the engine at a glance, running or not."""
from __future__ import annotations

from pathlib import Path

import click

from realtrading.doors.socket.words import balances_lines, positions_lines, status_lines

from .asking import AS_JSON, CONFIG, House, tell


@click.command()
@CONFIG
@AS_JSON
def status(config_file: Path, as_json: bool) -> int:
    """Tell in five lines: may it trade, is it connected, what is held, what is working, what is wrong.

    Of an engine that is not running its journal tells. Exit codes: 0 told, 3 it does not answer, or never ran here.
    """
    house = House(config_file)

    def read() -> dict[str, object]:
        from realtrading.doors.socket import stopped

        return stopped.status(house.journal, house.settings)

    told = house.ask_or_read("status", read)
    return tell("status", told, status_lines(told), as_json)


@click.command()
@CONFIG
@AS_JSON
def positions(config_file: Path, as_json: bool) -> int:
    """List what the engine holds, by strategy and symbol."""
    house = House(config_file)

    def read() -> dict[str, object]:
        from realtrading.doors.socket import stopped

        return stopped.positions(house.journal)

    told = house.ask_or_read("positions", read)
    return tell("positions", told, positions_lines(told), as_json)


@click.command()
@CONFIG
@AS_JSON
def balances(config_file: Path, as_json: bool) -> int:
    """List every asset: total by the engine's ledger, the exchange's last word, drift, and what is not the engine's."""
    house = House(config_file)

    def read() -> dict[str, object]:
        from realtrading.doors.socket import stopped

        return stopped.balances(house.journal)

    told = house.ask_or_read("balances", read)
    return tell("balances", told, balances_lines(told), as_json)
