"""`realtrading reconcile`: compare with the exchange now, and read what earlier rounds found."""
from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click

from realtrading.doors.socket.client import NotReachable
from realtrading.doors.socket.protocol import EXIT_TIMED_OUT, EXIT_VERDICT
from realtrading.doors.socket.words import rounds_lines
from realtrading.errors import BadInput

from .asking import AS_JSON, CONFIG, House, tell

LAST = 5
KEPT = 1000
MARGIN_S = 10.0
REASON_MAX = 200


@click.command()
@CONFIG
@click.option("--timeout", "timeout_s", default=30.0, show_default=True, type=click.FloatRange(0.1, 600), help="Seconds.")
@click.option("--last", type=click.IntRange(1, 1000), help="Show the last N rounds of the journal instead of asking for one.")
@click.option("--accept", metavar="ASSET=AMOUNT", help="Book this unexplained difference (exchange - engine).")
@click.option("--reason", metavar="TEXT", help="Why; it stays in the journal with your name.")
@click.option("--dry-run", is_flag=True, help="With --accept: only tell what would be booked.")
@AS_JSON
def reconcile(
    config_file: Path,
    timeout_s: float,
    last: int | None,
    accept: str | None,
    reason: str | None,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Compare orders, trades and balances with the exchange now, and wait for the round that does it.

    Tells each difference: its kind, what it is about, both sides, what was done and why; and what others did on the
    account. What no history explains keeps its asset shut until it goes away, or a person accepts it. Exit codes: 0
    nothing is left unexplained, 2 the amount to accept is not the difference, 3 the engine cannot be reached (the
    journal's last rounds are shown), 6 it takes no commands, 10 no round was finished in time, 11 differences remain.
    """
    if math.isnan(timeout_s):
        raise click.BadParameter("nan is no length of time", param_hint="--timeout")
    word = _word(accept, reason, dry_run, last)
    house = House(config_file)
    if last is not None:
        told = _kept(house, last)
        return tell("reconcile", told, rounds_lines(told), as_json)
    try:
        command = "accept" if word else "reconcile"
        told = house.answer(command, {"timeout_s": timeout_s, **word}, timeout_s + MARGIN_S)
    except NotReachable as nobody:
        if house.journal.exists() and not word:
            told = {**_kept(house, LAST), "nobody": str(nobody)}
            tell("reconcile", told, rounds_lines(told), as_json)
        raise
    if dry_run:
        return tell("reconcile", told, rounds_lines(told), as_json)
    told["earlier"] = _earlier(house, told)
    tell("reconcile", told, [*rounds_lines(told), _verdict(told, timeout_s)], as_json)
    if not told["complete"]:
        return EXIT_TIMED_OUT
    return 0 if told["clean"] else EXIT_VERDICT


def _word(accept: str | None, reason: str | None, dry_run: bool, last: int | None) -> dict[str, Any]:
    """What is to be accepted; nothing when nothing is. Raises for half of it."""
    if accept is None:
        if reason is not None or dry_run:
            raise click.UsageError("--reason and --dry-run go with --accept ASSET=AMOUNT")
        return {}
    if last is not None:
        raise click.UsageError("--accept and --last exclude each other")
    asset, equals, amount = accept.partition("=")
    if not (asset and equals and amount):
        raise click.BadParameter(f"{accept!r:.60} is not ASSET=AMOUNT, like USDT=-1.5", param_hint="--accept")
    if not reason or not reason.strip() or len(reason) > REASON_MAX or not reason.isprintable():
        raise click.BadParameter(f"say why, in one line of up to {REASON_MAX} characters", param_hint="--reason")
    return {"asset": asset, "amount": amount, "reason": reason, "dry_run": dry_run}


def _kept(house: House, count: int) -> dict[str, Any]:
    from realtrading.doors.socket import stopped
    from realtrading.doors.verdicts import guarded

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
    return "differences remain: what drifts stays shut until it is explained, or --accept ASSET=AMOUNT --reason TEXT books it"
