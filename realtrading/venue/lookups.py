"""The reads.

One order, its trades, histories, account. Each gives the whole truth it was asked for or raises `ReadFailed`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol, TypeVar
from urllib.parse import quote

import attrs

from realtrading.domain.reports import ExecutionReport, TradeReport
from realtrading.domain.values import SymbolRules

from .answers import Answer
from .fields import Payload, Unreadable, from_ms, record, rows, to_ms, whole
from .market_data import symbol_rules
from .translate import account_balances, execution_from_order, trade_from_history

T = TypeVar("T")

PAGE = 1000
NO_SUCH_ORDER = -2013
BAD_SYMBOL = -1121
_BEFORE_CREATION = timedelta(minutes=1)
_WINDOW = timedelta(hours=24)  # the longest stretch of history the venue gives at once


class ReadFailed(Exception):
    """No answer that can be used. `answer` is what came; `str()` is for people and holds no secret."""

    def __init__(self, what: str, answer: Answer, detail: str = "") -> None:
        super().__init__(f"{what}: {detail or answer}")
        self.answer = answer


class Send(Protocol):
    """Sends one GET (`path` below /api/v3/, or whole under /sapi/v1/); never raises for the venue's sake."""

    def __call__(self, path: str, params: Mapping[str, str | int], *, signed: bool) -> Awaitable[Answer]: ...


@attrs.frozen(kw_only=True)
class Account:
    """The parts of the account that the house uses."""

    uid: int
    balances: dict[str, tuple[Decimal, Decimal]]


def _account(payload: object) -> Account:
    account = record(payload)
    return Account(uid=whole(account, "uid"), balances=account_balances(account))


def _orders(payload: object) -> list[ExecutionReport]:
    return [execution_from_order(row) for row in rows(payload)]


def _trades(payload: object) -> list[TradeReport]:
    return [trade_from_history(row) for row in rows(payload)]


class Lookups:
    """Questions to the venue over one way of sending them."""

    def __init__(self, send: Send) -> None:
        self._send = send

    async def time(self) -> datetime:
        """Server time as the server says it."""
        return from_ms(await self.time_ms())

    async def time_ms(self) -> int:
        """Server time, epoch milliseconds."""
        return await self._read("time", {}, lambda payload: whole(record(payload), "serverTime", 1), signed=False)

    async def account(self) -> Account:
        """uid and balances; assets without any are left out by the venue."""
        return await self._read("account", {"omitZeroBalances": "true"}, _account)

    async def order(self, symbol: str, exchange_order_id: int | None, client_id: str | None) -> ExecutionReport | None:
        """One order, by exchange id if known, else by client id. At least one is; without a client id the answer's stands.

        None when the venue says that there is none (-2013).
        """
        asked: dict[str, str | int] = {"symbol": symbol}
        asked |= {"origClientOrderId": str(client_id)} if exchange_order_id is None else {"orderId": exchange_order_id}
        answer = await self._send("order", asked, signed=True)
        if answer.status == 400 and answer.code == NO_SUCH_ORDER:
            return None
        found = understood("order", answer, lambda payload: execution_from_order(record(payload)))
        if found.symbol != symbol or exchange_order_id not in (None, found.exchange_order_id):
            raise ReadFailed("order", answer, "the answer is about another order")
        # after a cancel the venue shows the cancel's id where the order's was
        return found if client_id is None else attrs.evolve(found, client_id=client_id)

    async def open_orders(self, symbol: str | None = None) -> list[ExecutionReport]:
        """Every open order of a symbol, or of all, whoever placed it."""
        return await self._read("openOrders", {} if symbol is None else {"symbol": symbol}, _orders)

    async def newest_orders(self, symbol: str) -> list[ExecutionReport]:
        """The newest page of a symbol's orders, of any state and whoever placed them."""
        return await self._read("allOrders", {"symbol": symbol, "limit": PAGE}, _orders)

    async def orders_since(self, symbol: str, created_at: datetime, now: datetime) -> list[ExecutionReport]:
        """Orders of any state made within a day of `created_at` (server time.

        Begun a minute early, clocks being what they are).
        """
        start, end = created_at - _BEFORE_CREATION, created_at - _BEFORE_CREATION + _WINDOW
        asked: dict[str, str | int] = {"symbol": symbol, "limit": PAGE, "startTime": to_ms(start)}
        if end < now:
            asked["endTime"] = to_ms(end)
        found = await self._read("allOrders", asked, _orders)
        page = found
        while len(page) >= PAGE:
            last = max(each.exchange_order_id for each in page)
            page = await self._read("allOrders", {"symbol": symbol, "limit": PAGE, "orderId": last + 1}, _orders)
            found += page
        return found

    async def trades_of(self, symbol: str, exchange_order_id: int) -> tuple[TradeReport, ...]:
        """The trades of one order; more than a page is unheard of and refused."""
        found = await self._read("myTrades", {"symbol": symbol, "orderId": exchange_order_id, "limit": PAGE}, _trades)
        if len(found) >= PAGE:
            raise ReadFailed("myTrades", Answer(status=200), "one order with a full page of trades")
        return tuple(each for each in found if each.exchange_order_id == exchange_order_id)

    async def trades_after(self, symbol: str, cursor: int) -> tuple[list[TradeReport], int]:
        """All trades with an id above `cursor`, and the highest id.

        A cursor below zero only finds the newest id (0 when there is none).
        """
        found, newest, _ = await self.trades_from(symbol, cursor)
        return found, newest

    async def trades_from(self, symbol: str, cursor: int) -> tuple[list[TradeReport], int, bool]:
        """As `trades_after`, and whether the account has the trade that the cursor names.

        A cursor once lay right below a trade, so that one does as well; one of zero names none.
        """
        if cursor < 0:
            newest = await self._read("myTrades", {"symbol": symbol, "limit": 1}, _trades)
            # none yet: 0, not -1, or the next round would only look for the newest id again and pass over the first trades
            return [], max((each.trade_id for each in newest), default=0), True
        found: list[TradeReport] = []
        begin = cursor
        while True:
            page = await self._read("myTrades", {"symbol": symbol, "fromId": begin, "limit": PAGE}, _trades)
            if any(each.trade_id < begin for each in page):
                raise ReadFailed("myTrades", Answer(status=200), "older trades than were asked for")
            found += page
            begin = max((each.trade_id for each in page), default=begin) + 1
            if len(page) < PAGE:
                break
        there = not cursor or min((each.trade_id for each in found), default=0) in (cursor, cursor + 1)
        found = [each for each in found if each.trade_id > cursor]
        return found, max((each.trade_id for each in found), default=cursor), there

    async def trades_since(self, symbol: str, since: datetime, now: datetime) -> list[TradeReport]:
        """All trades of a symbol from a moment on (server time).

        The newest page, unless that does not reach back so far.
        """
        page = await self._read("myTrades", {"symbol": symbol, "limit": PAGE}, _trades)
        if len(page) >= PAGE and min(each.venue_at for each in page) >= since:
            page = await self._trades_from(symbol, since, now)
        return [each for each in page if each.venue_at >= since]

    async def _trades_from(self, symbol: str, since: datetime, now: datetime) -> list[TradeReport]:
        begin = since
        while begin < now:
            end = min(begin + _WINDOW, now)
            asked: dict[str, str | int] = {"symbol": symbol, "limit": PAGE, "startTime": to_ms(begin), "endTime": to_ms(end)}
            first = await self._read("myTrades", asked, _trades)
            if first:
                rest, _ = await self.trades_after(symbol, max(each.trade_id for each in first))
                return first + rest
            begin = end
        return []

    async def exchange_info(self, symbols: list[str]) -> tuple[tuple[SymbolRules, ...], object]:
        """Rules of these symbols, in their order, and the venue's `rateLimits`."""
        # the library sends this one parameter as it is, so it is percent-encoded here
        asked = "%5B" + "%2C".join(f"%22{quote(each, safe='')}%22" for each in symbols) + "%5D"
        payload = await self._read("exchangeInfo", {"symbols": asked}, record, signed=False)
        try:
            by_name = {each.symbol: each for each in map(symbol_rules, rows(payload.get("symbols"), "symbols"))}
            return tuple(by_name[each] for each in symbols), payload.get("rateLimits")
        except KeyError as missing:
            raise ReadFailed("exchangeInfo", Answer(status=200), f"no word about {missing}") from None
        except Unreadable as error:
            raise ReadFailed("exchangeInfo", Answer(status=200), str(error)) from None

    async def ticker(self, symbol: str) -> Payload:
        """The 24 h ticker of a symbol: best prices and last trade in one answer."""
        return await self._read("ticker/24hr", {"symbol": symbol}, record, signed=False)

    async def _read(self, path: str, params: Mapping[str, str | int], read: Callable[[object], T], *, signed: bool = True) -> T:
        return understood(path, await self._send(path, params, signed=signed), read)


def understood(path: str, answer: Answer, read: Callable[[object], T]) -> T:
    """What a good answer says. Raises `ReadFailed` for any other, and for one that is not what was promised."""
    if not answer.ok:
        raise ReadFailed(path, answer)
    try:
        return read(answer.payload)
    except Unreadable as error:
        raise ReadFailed(path, answer, str(error)) from None
