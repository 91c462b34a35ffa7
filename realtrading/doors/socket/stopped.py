"""The same answers out of the journal, for when nobody listens: what was so when the engine last wrote."""
from __future__ import annotations

import decimal
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from realtrading.domain.events import DiscrepancyFound, ExternalTradeSeen, ReconciliationComplete, ReconciliationFailed
from realtrading.domain.orders import RealOrder
from realtrading.domain.positions import PositionBook
from realtrading.domain.settings import Settings
from realtrading.domain.values import EXACT, plain
from realtrading.errors import BadInput
from realtrading.journal.readers import JournalReader, opened

from .facts import balance_facts, cause_facts, listed, named, order_facts, others_facts, position_facts, working_facts
from .protocol import EXIT_NOT_FOUND
from .rounds import HEARD, Report, Rounds, add, discrepancy_of

ENDS = (ReconciliationComplete, ReconciliationFailed)
"""The events that end a round."""

Answer = dict[str, Any]


def status(path: Path, settings: Settings) -> Answer:
    """What the journal says of the last run."""
    with opened(path) as reader, decimal.localcontext(EXACT):
        orders, books, lines, breaker = reader.tables("orders", "positions", "ledger", "breaker")
        _, causes = breaker.get("state", (None, ()))
        runs = reader.runs()
        last = runs[-1] if runs else None
        line = lines.get(settings.reporting_asset)
        return {
            "source": "journal",
            "path": str(path),
            "mode": reader.binding().mode,
            "run": None if last is None else last.run,
            "stopped": None if last is None or last.stopped is None else last.stopped.isoformat(),
            "trades": False,
            "causes": cause_facts(causes),
            "positions": position_facts(books.values(), {}),
            "reporting_asset": settings.reporting_asset,
            "reporting_total": None if line is None else plain(line.total),
            "working": working_facts(orders.values()),
        }


def orders(path: Path, every: bool) -> Answer:
    """The orders that were held."""
    with opened(path) as reader:
        return {"source": "journal", "path": str(path), "orders": listed(_orders(reader).values(), every)}


def positions(path: Path) -> Answer:
    """The positions that were held, without prices."""
    with opened(path) as reader:
        return {"source": "journal", "path": str(path), "positions": position_facts(_books(reader).values(), {})}


def balances(path: Path) -> Answer:
    """The ledger as it was left."""
    with opened(path) as reader:
        lines, books = reader.tables("ledger", "positions")
        told = balance_facts(lines.values(), books.values())
        return {"source": "journal", "path": str(path), "balances": told}


def order(path: Path, name: str) -> Answer:
    """One order as it was left. Raises `BadInput` (8) when the journal does not hold it now."""
    with opened(path) as reader:
        found = named(_orders(reader), name)
    if found is None:
        raise BadInput(f"journal {path} holds no order {name!r:.60}", exit_code=EXIT_NOT_FOUND)
    return {"source": "journal", "path": str(path), "order": order_facts(found)}


def reports(path: Path, count: int) -> Answer:
    """The newest rounds, oldest first, and what others did."""
    rounds = Rounds()
    with opened(path) as reader:
        # one end more than asked for: what was said before the first of them belongs to it
        for stored in reader.rare_events(named_kinds(HEARD), since_last=(count + 1, named_kinds(ENDS))):
            rounds.hear(stored.event, stored.at)
        lines, orders = reader.tables("ledger", "orders")
        others = others_facts(lines.values(), orders.values())
    return {"source": "journal", "path": str(path), "rounds": rounds.finished()[-count:], "others": others}


def foreign_life(path: Path, name: str) -> list[Report]:
    """What the records say of an order that is not ours, by SYMBOL:NUMBER, by NUMBER or by its own client id."""
    found: list[Report] = []
    with opened(path) as reader:
        kinds = (DiscrepancyFound, ExternalTradeSeen)
        for stored in reader.rare_events(named_kinds(kinds)):
            told = discrepancy_of(stored.event)
            if told is not None and told["kind"] in ("foreign_order", "external_trade"):
                told["at"] = None
                symbol_and_number = str(told["key"])
                names = (symbol_and_number, symbol_and_number.rpartition(":")[2], str(told["detail"]).partition(" ")[0])
                if name in names and told not in [{**each, "at": None} for each in found]:
                    add(found, {**told, "at": stored.at.isoformat()})
    return found


def named_kinds(kinds: Iterable[type]) -> list[str]:
    """Events' names in the journal."""
    return [kind.__name__ for kind in kinds]


def _orders(reader: JournalReader) -> Mapping[str, RealOrder]:
    return reader.rows("orders")


def _books(reader: JournalReader) -> Mapping[str, PositionBook]:
    return reader.rows("positions")
