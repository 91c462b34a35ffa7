"""The answers as a person reads them: the result first, then what to do next."""
from __future__ import annotations

from decimal import Decimal
from typing import Any

from realtrading.domain.values import plain

Answer = dict[str, Any]

CLEAN_ROUND = "wait: the next clean round removes it"
DO = {
    "ERRORS": "wait: after the cooldown one order may try; realtrading orders --all shows what was refused",
    "UNCONFIRMED": CLEAN_ROUND,
    "ACCOUNT_RESET": "stop the daemon; realtrading journal rebase --config FILE --reason TEXT begins a new opening balance",
    "STREAM_LOST": "wait: it connects again by itself; if it does not, look at the network",
    "KEEPER_LOST": CLEAN_ROUND,
    "DRIFT": "realtrading reconcile shows both sides; --accept books what you can answer for",
    "BACKLOG": CLEAN_ROUND,
    "CLOCK": "set this machine's clock right",
    "LOSS": "it stays shut until a person decides",
    "MANUAL": "it stays shut until a person decides",
}
"""Kind of cause -> what helps."""

STATUS_WIDTH = 10


def status_lines(told: Answer) -> list[str]:
    """Five lines: may it trade, is it connected, what do I hold, what is working, what is wrong and what to do."""
    live = told["source"] == "engine"
    parts = {
        "trading": _trading(told) if live else _stopped(told),
        "connected": _connected(told) if live else "no",
        "holding": _holding(told),
        "working": _working(told["working"]),
        "wrong": _wrong(told) if live else _wrong_stopped(told),
    }
    return [f"{name:<{STATUS_WIDTH}} {text}" for name, text in parts.items()]


def _trading(told: Answer) -> str:
    narrow = [cause["scope"] for cause in told["causes"] if cause["scope"] != "account"]
    where = f"run {told['run']}, mode {told['mode']}, pid {told['pid']}"
    if told["trades"]:
        but = f", but not {', '.join(dict.fromkeys(narrow))}" if narrow else ""
        return f"yes{but} ({where})"
    if told["mode"] == "observe" and told["state"] == "running":
        return f"no: mode observe sends nothing ({where})"
    if told["phase"] != "started":
        return f"no: the engine is {told['phase']} ({where})"
    if any(cause["kind"] == "ACCOUNT_RESET" for cause in told["causes"]):
        return f"no, exits neither: the account was reset ({where})"
    return f"no new exposure: {told['state'].replace('_', ' ')}; exits and cancels pass ({where})"


def _stopped(told: Answer) -> str:
    if told["run"] is None:
        return f"no: the engine is not running and never ran (journal {told['path']})"
    end = f"stopped in order at {moment(told['stopped'])}" if told["stopped"] else "ended without a good-bye"
    return f"no: the engine is not running; run {told['run']}, mode {told['mode']}, {end} (read from {told['path']})"


def _connected(told: Answer) -> str:
    streams = ", ".join(f"{name.replace('_', ' ')} {'yes' if up else 'NO'}" for name, up in told["connected"].items())
    offset = told["clock_offset_s"]
    return streams + ("" if offset is None else f"; the exchange's clock is {offset * 1000:+.0f} ms from ours")


def _holding(told: Answer) -> str:
    held = [f"{each['quantity']} {each['base']} ({each['strategy']})" for each in told["positions"]]
    positions = ", ".join(held) if held else "no position"
    total = "" if told["reporting_total"] is None else f"; {told['reporting_total']} {told['reporting_asset']} by the ledger"
    day = f"; day {short(told['day'])} {told['reporting_asset']}" if told.get("day") is not None else ""
    return positions + total + day


def _working(told: Answer) -> str:
    if not told["live"]:
        return "no open order"
    where = ", ".join(f"{symbol} {count}" for symbol, count in told["by_symbol"].items())
    doubt = f"; of unknown outcome: {', '.join(told['unknown'])}" if told["unknown"] else ""
    return f"{told['live']} open order{'s' if told['live'] > 1 else ''} ({where}){doubt}"


def _wrong(told: Answer) -> str:
    found = [f"{told['failure']}; see its log"] if told["failure"] else []
    found += [f"{name} does not progress" for name in told["down"]]
    found += [
        f"{cause['kind']} ({cause['scope']}): {cause['detail']}; {DO.get(cause['kind'], 'see its log')}"
        for cause in told["causes"]
    ]
    return " | ".join(found) if found else "nothing"


def _wrong_stopped(told: Answer) -> str:
    causes = "".join(f" | {cause['kind']} ({cause['scope']}) was open{_undo(cause)}" for cause in told["causes"])
    live = "; what is working stays at the exchange unwatched" if told["working"]["live"] else ""
    return f"the engine is not running{live}; realtrading run --config FILE starts it{causes}"


def _undo(cause: Answer) -> str:
    """What a stopped engine is waiting for: a start ends every other cause, or tells it again."""
    return f"; {DO['ACCOUNT_RESET']}" if cause["kind"] == "ACCOUNT_RESET" else ""


def order_line(order: Answer) -> str:
    """One order in a line."""
    asked = order["quantity"] if order["quote_quantity"] is None else f"for {order['quote_quantity']}"
    at = "" if order["price"] is None else f" at {order['price']}"
    filled = "" if order["executed"] == "0" else f", {order['executed']} filled for {order['cumulative_quote']}"
    gap = "" if order["missing"] == "0" else f", {order['missing']} of it without a known trade"
    why = f" ({order['reason']})" if order["reason"] else ""
    others = "; nobody here asked for its cancel" if order["cancelled_by_others"] else ""
    what = f"{order['symbol']} {order['side']} {order['type']} {asked}{at}"
    return f"{order['id']}  {order['state']:<15} {what}{filled}{gap}{why}{others}"


def orders_lines(told: Answer) -> list[str]:
    """A line per order."""
    if not told["orders"]:
        return ["no open order", "next: realtrading orders --all lists those that are over"]
    return [*map(order_line, told["orders"]), "next: realtrading order ID tells a life"]


def positions_lines(told: Answer) -> list[str]:
    """A line per position."""
    lines = []
    for each in told["positions"]:
        worth = "" if each["price"] is None else f", now {each['price']}: {short(each['unrealized'])} {each['quote']}"
        entry = short(each["entry_price"])
        lines.append(f"{each['strategy']}/{each['symbol']}  {each['quantity']} {each['base']} at {entry}{worth}")
    return lines or ["no position"]


def short(amount: str) -> str:
    """A quotient or a valuation to the eight decimals that people read; `--json` has all of them."""
    return plain(round(Decimal(amount), 8))


def balances_lines(told: Answer) -> list[str]:
    """A line per asset: the house's total, the exchange's word, what of it is not the house's business."""
    head = ("asset", "total", "reported", "drift", "unmanaged")
    rows = [head, *(tuple(str(each[name] if each[name] is not None else "-") for name in head) for each in told["balances"])]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = ["  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)) for row in rows]
    return lines if told["balances"] else ["no balance"]


def rounds_lines(told: Answer) -> list[str]:
    """A line per round, its differences below it, then what others did."""
    lines = []
    if "accepted" in told:
        word = told["accepted"]
        done = "booked" if word["booked"] else "would be booked"
        lines.append(f"{word['amount']} {word['asset']} {done} as other: accepted by {word['by']}: {word['reason']}")
    if told.get("earlier"):
        lines += ["earlier rounds that found something:", *(line for report in told["earlier"] for line in _round(report))]
        lines.append("now:")
    lines += [line for report in told["rounds"] for line in _round(report)]
    if told["others"]:
        lines.append("done by others on this account so far:")
        lines += [f"  {_others(each)}" for each in told["others"]]
    return lines or ["no round is recorded"]


def _round(report: Answer) -> list[str]:
    why = f": {report['detail']}" if report["detail"] else ""
    known = [*report["discrepancies"], *(each for each in report["unresolved"] if each not in report["discrepancies"])]
    head = f"{moment(report['at'])}  {report['round']} ({report['trigger']}): {report['result']}{why}"
    return [head, *(f"  {discrepancy_line(each)}" for each in known)]


def discrepancy_line(each: Answer) -> str:
    """What differed, both sides, what was done about it, and why."""
    sides = f"engine {each['engine']}, exchange {each['exchange']}"
    return f"{each['kind']} {each['key']}: {sides}; {each['resolution']}: {each['detail']}"


def _others(each: Answer) -> str:
    if each["kind"] == "cancelled":
        return f"cancelled: {each['key']} ({each['symbol']}) at {moment(each['at'])}"
    newest = f" (newest: {', '.join(each['newest'])})" if each["newest"] else ""
    return f"{each['kind']}: {each['amount']} {each['key']}{newest}"


def moment(at: str) -> str:
    """An ISO moment in UTC as people read it."""
    return at.replace("T", " ")[:19]
