"""`realtrading orders` and `order ID`: what is working, and the life of one order from intent to ledger."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from realtrading.doors.socket.client import NotReachable
from realtrading.doors.socket.protocol import EXIT_NOT_FOUND
from realtrading.doors.socket.words import discrepancy_line, moment, order_line, orders_lines
from realtrading.errors import BadInput

from .asking import AS_JSON, CONFIG, House, tell


@click.command()
@CONFIG
@click.option("--all", "every", is_flag=True, help="Those that are over too, until they are archived.")
@AS_JSON
def orders(config_file: Path, every: bool, as_json: bool) -> int:
    """List the orders that live at the exchange, or may."""
    from realtrading.doors.socket import stopped

    house = House(config_file)
    told = house.ask_or_read("orders", lambda: stopped.orders(house.journal, every), all=every)
    return tell("orders", told, orders_lines(told), as_json)


@click.command()
@CONFIG
@click.argument("order_id", metavar="ID")
@AS_JSON
def order(config_file: Path, order_id: str, as_json: bool) -> int:
    """Tell one order's state and its life from intent to ledger.

    ID is a client id, or the exchange's own number as SYMBOL:NUMBER, also of an order that somebody made by hand. The
    life is read from the journal. Exit code 8: neither the engine nor the journal knows it.
    """
    house = House(config_file)
    told = {**_state(house, order_id), "id": order_id}
    lines = [order_line(told["order"])] if told["order"] else []
    name = told["order"]["id"] if told["order"] else order_id
    told["life"], more = _life(house, name)
    if not told["order"] and not told["life"]:
        more = _foreign(house, order_id, told)
    elif not told["order"]:
        lines = [f"{name} is over and archived"]
    return tell("order", told, [*lines, *more], as_json)


def _state(house: House, order_id: str) -> dict[str, Any]:
    """The order as the engine holds it, else as the journal does; None when neither holds it now."""
    from realtrading.doors.socket import stopped

    try:
        return house.ask_or_read("order", lambda: _held(stopped.order, house.journal, order_id), id=order_id)
    except NotReachable:
        raise
    except BadInput as unknown:
        if unknown.exit_code != EXIT_NOT_FOUND:
            raise
        return {"source": "engine", "order": None}


def _held(read: Any, journal: Path, order_id: str) -> dict[str, Any]:
    """The journal's answer, for which not to hold an order is one too: it may be archived."""
    try:
        found: dict[str, Any] = read(journal, order_id)
        return found
    except BadInput as unknown:
        if unknown.exit_code != EXIT_NOT_FOUND:
            raise
        return {"source": "journal", "order": None}


def _life(house: House, order_id: str) -> tuple[list[dict[str, Any]], list[str]]:
    """The records about it; none when the journal knows no such order."""
    from realtrading.doors.journal_orders import life_told
    from realtrading.doors.verdicts import guarded

    try:
        found, lines = guarded(lambda: life_told(house.journal, order_id))
    except BadInput as unknown:
        if unknown.exit_code != EXIT_NOT_FOUND:
            raise
        return [], []
    return found["steps"], lines[1:]


def _foreign(house: House, order_id: str, told: dict[str, Any]) -> list[str]:
    """What is known of somebody else's order. Raises `BadInput` (8) when that is nothing."""
    from realtrading.doors.socket import stopped
    from realtrading.doors.verdicts import guarded

    found = guarded(lambda: ({"seen": stopped.foreign_life(house.journal, order_id)}, []))[0]["seen"]
    if not found:
        sentence = f"nobody knows an order {order_id!r:.60}; realtrading orders --all lists those that are held"
        raise BadInput(sentence, exit_code=EXIT_NOT_FOUND)
    told["foreign"] = found
    return [
        f"{order_id} is not ours: made by hand or by another program; it is no part of any position",
        *(f"{moment(each['at'])}  {discrepancy_line(each)}" for each in found),
    ]
