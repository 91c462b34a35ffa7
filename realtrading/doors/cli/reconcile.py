"""`realtrading reconcile`: compare with the exchange now, and read what earlier rounds found."""
from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click

from realtrading.doors.socket.client import NotReachable
from realtrading.doors.socket.protocol import EXIT_TIMED_OUT, EXIT_VERDICT
from realtrading.doors.socket.words import DO, rounds_lines
from realtrading.errors import BadInput

from .asking import AS_JSON, CONFIG, House, tell

LAST = 5
KEPT = 1000
MARGIN_S = 5.0


@click.command()
@CONFIG
@click.option("--timeout", "timeout_s", default=30.0, show_default=True, type=click.FloatRange(0.1, 600), help="Seconds.")
@click.option("--last", type=click.IntRange(1, 1000), help="Show the last N rounds of the journal instead of asking for one.")
@AS_JSON
def reconcile(config_file: Path, timeout_s: float, last: int | None, as_json: bool) -> int:
    """Compare orders, trades and balances with the exchange now, and wait for the round that does it.

    Tells each difference: its kind, what it is about, both sides, what was done and why; and what others did on the
    account. Exit codes: 0 nothing is left unexplained, 3 the engine cannot be reached (the journal's last rounds are
    shown), 6 it takes no commands, 10 no round was finished in time, 11 differences remain.
    """
    if math.isnan(timeout_s):
        raise click.BadParameter("nan is no length of time", param_hint="--timeout")
    house = House(config_file)
    if last is not None:
        told = _kept(house, last)
        return tell("reconcile", told, rounds_lines(told), as_json)
    try:
        told = house.answer("reconcile", {"timeout_s": timeout_s}, timeout_s + MARGIN_S)
    except NotReachable as nobody:
        if house.journal.exists():
            told = {**_kept(house, LAST), "nobody": str(nobody)}
            tell("reconcile", told, rounds_lines(told), as_json)
        raise
    told["earlier"] = _earlier(house, told)
    tell("reconcile", told, [*rounds_lines(told), _verdict(told, timeout_s)], as_json)
    if not told["complete"]:
        return EXIT_TIMED_OUT
    return 0 if told["clean"] else EXIT_VERDICT


def _kept(house: House, count: int) -> dict[str, Any]:
    from realtrading.doors.journal_files import guarded
    from realtrading.doors.socket import stopped

    if not house.journal.exists():
        raise BadInput(f"there is no journal {house.journal}", exit_code=4)
    return guarded(lambda: (stopped.reports(house.journal, count), []))[0]


def _earlier(house: House, told: dict[str, Any]) -> list[dict[str, Any]]:
    """The newest kept rounds before these that found something: what a person did a minute ago was found a minute ago."""
    shown = {report["round"] for report in told["rounds"]}
    try:
        kept = _kept(house, KEPT)["rounds"]
    except BadInput:  # the engine has answered, and that is what was asked
        return []
    return [report for report in kept if report["discrepancies"] and report["round"] not in shown][-LAST:]


def _verdict(told: dict[str, Any], timeout_s: float) -> str:
    if not told["complete"]:
        why = "; ".join(f"{cause['kind']} ({cause['scope']}): {cause['detail']}" for cause in told["causes"])
        return f"no round was finished within {timeout_s:g} s{': ' if why else ''}{why}; next: realtrading status"
    if told["clean"]:
        return "clean: engine and exchange agree on everything that can be compared"
    return f"differences remain; {DO['DRIFT']} again later, and what is in drift stays shut until it is explained"
