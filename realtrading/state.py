"""What can be read of an engine while it runs: committed values, one at a time, never asked for."""
from __future__ import annotations

import decimal
import threading
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from realtrading.actors.board import Board
from realtrading.actors.breaker import book_of
from realtrading.actors.tally import Tally
from realtrading.assembly import Parts
from realtrading.domain.breaker import ACCOUNT, BreakerBook, CircuitBreakerState
from realtrading.domain.orders import RealOrder
from realtrading.domain.positions import PositionBook, RealPosition
from realtrading.domain.values import EXACT, ZERO, Quote
from realtrading.errors import BadInput
from realtrading.journal.store import Journal
from realtrading.runtime.house import House
from realtrading.runtime.snapshot import ActorSnapshot
from realtrading.venue.port import VenueGauges

EXIT_HOUSE_DEAD = 70


class EngineState:
    """The read-only half of `RealTradingEngine`."""

    _house: House | None
    _parts: Parts | None
    _board: Board
    _store: Journal | None
    _tally: Tally
    _ready: threading.Event
    _ended: threading.Event
    _running: bool
    _stopping: bool
    _failure: str | None
    _failure_code: int

    # -- reading: committed values, never asked for ---------------------------

    def settled(self, timeout_s: float = 5.0) -> bool:
        """Wait until nothing is under way between the actors; False if that does not come in time."""
        house, _ = self._running_house()
        return house.settled(timeout_s)

    @property
    def is_running(self) -> bool:
        """True between a successful start and stop or failure."""
        return self._running

    @property
    def is_ready(self) -> bool:
        """True while no cause keeps the whole account shut; one symbol, asset or strategy may be shut all the same."""
        return self._running and not any(cause.scope == ACCOUNT for cause in self.breaker_book.causes)

    @property
    def is_reconciled(self) -> bool:
        """True once the first round was clean; a cause that waits for a person may still be open."""
        return self._ready.is_set()

    @property
    def failure(self) -> str | None:
        """Why the engine cannot go on, or None."""
        return self._failure

    @property
    def failure_code(self) -> int:
        """The exit code of a process whose engine has failed."""
        return self._failure_code

    @property
    def run(self) -> int:
        """This run's number, the second part of every client id."""
        return 0 if self._parts is None else self._parts.run

    @property
    def orders(self) -> Mapping[str, RealOrder]:
        """Client id -> order: all live ones and the final ones not archived yet."""
        return self._table("orders", "orders")

    @property
    def position_books(self) -> Mapping[str, PositionBook]:
        """strategy/symbol -> the book with its lifetime totals."""
        return self._table("positions", "positions")

    @property
    def positions(self) -> Mapping[str, RealPosition]:
        """strategy/symbol -> open position, valued at the last quote."""
        found = {}
        for key, book in self.position_books.items():
            if book.position is not None and book.quantity:
                quote = self._board.get(book.symbol)
                found[key] = book.position if quote is None else book.position.update_price(quote.last)
        return found

    @property
    def balances(self) -> Mapping[str, Decimal]:
        """Asset -> total by the house's own ledger."""
        return {asset: line.total for asset, line in self._table("balances", "ledger").items()}

    @property
    def unmanaged(self) -> Mapping[str, Decimal]:
        """Asset -> what the account holds beyond the house's own positions; assets with none of it are left out.

        Never sold, protected, counted as exposure or in any result. Two tables, so two moments: `settled` first.
        """
        books = self.position_books.values()
        with decimal.localcontext(EXACT):
            rest = {
                asset: total - sum((book.quantity for book in books if book.base == asset), ZERO)
                for asset, total in self.balances.items()
            }
        return {asset: amount for asset, amount in rest.items() if amount}

    @property
    def circuit_breaker(self) -> CircuitBreakerState:
        """The seed's view of the breaker."""
        return book_of(self._table("breaker", "breaker").get("state"), None).state

    @property
    def consecutive_errors(self) -> int:
        """Errors of the venue in a row."""
        return self.circuit_breaker.error_count

    def why_not_ready(self) -> str:
        """The open causes in words; empty when there is none."""
        causes = book_of(self._table("breaker", "breaker").get("state"), None).causes
        return "; ".join(f"{cause.kind} ({cause.scope}): {cause.detail}" for cause in causes)

    # -- for the scrape: also before the start and after the end --------------

    @property
    def tally(self) -> Tally:
        """What was counted since the engine was made."""
        return self._tally

    @property
    def quotes(self) -> Mapping[str, Quote]:
        """Symbol -> last quote."""
        return self._board.quotes()

    @property
    def breaker_book(self) -> BreakerBook:
        """The open causes with scope and token."""
        tables = self._table("breaker", "breaker"), self._table("breaker", "gate")
        return book_of(tables[0].get("state"), tables[1].get("gate"))

    @property
    def gauges(self) -> VenueGauges:
        """The venue's limits and clock, as last heard."""
        return VenueGauges() if self._parts is None else self._parts.venue.gauges

    @property
    def journal(self) -> Journal | None:
        """The journal, for its figures; None before the start."""
        return self._store

    @property
    def actors(self) -> tuple[ActorSnapshot, ...]:
        """Every actor now; none before the start."""
        return () if self._house is None else self._house.snapshot()

    @property
    def phase(self) -> str:
        """new, starting, started, stopping, stopped or failed; what it may trade is another question."""
        if self._stopping:
            return "stopped" if self._ended.is_set() else "stopping"
        if self._failure is not None:
            return "failed"
        if self._house is None:
            return "new" if self._store is None else "starting"
        return "started"

    def rows(self, actor: str, table: str) -> Mapping[str, Any]:
        """A copy of one committed table of an actor; empty before the start."""
        return self._table(actor, table)

    @property
    def house(self) -> House:
        """The house itself, for doors and tests; raises `HouseError` before the start."""
        return self._running_house()[0]

    # -- inside ---------------------------------------------------------------

    def _running_house(self) -> tuple[House, Parts]:
        if self._house is None or self._parts is None:
            raise BadInput("the engine is not started")
        if self._stopping:
            raise BadInput("the engine is stopped")
        return self._house, self._parts

    def _table(self, actor: str, table: str) -> Mapping[str, Any]:
        return {} if self._house is None else self._house.tables(actor)[table].snapshot()

    def _order(self, order_id: str) -> RealOrder | None:
        return None if self._house is None else self._house.tables("orders")["orders"].get(order_id)
