"""`realtrading run`: reads the settings first, so that a mistake in them is told at once; then the daemon is imported."""
from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

import click

from realtrading.config import load
from realtrading.doors.logs import configure_logging

DAEMON = "realtrading.doors.cli.daemon"
"""Imported when the settings are good: the exchange's library alone takes half a second."""


@click.command()
@click.option("--config", "config_file", required=True, type=click.Path(path_type=Path), help="The TOML file.")
@click.option("--fault", "faults", multiple=True, help="actor:NAME:KIND@SECONDS, in mode simulated only; repeatable.")
@click.pass_obj
def run(end_now: Callable[[int], None], config_file: Path, faults: tuple[str, ...]) -> int:
    """Run the daemon in the foreground until SIGTERM or SIGINT.

    Exit codes: 0 stopped in order, 4 configuration, 5 credentials, 70 the house cannot go on, 75 the exchange cannot be
    reached or a port is occupied.
    """
    configure_logging()
    settings = load(config_file)
    code: int = importlib.import_module(DAEMON).serve(settings, config_file.resolve().parent, faults, end_now)
    return code
