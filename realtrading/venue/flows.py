"""What moved the wallet without an order of ours: the histories under /sapi, and trades in symbols nobody watches.

Each history has its own window, paging and shape. What cannot be asked is named: it is never "none".
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from realtrading.domain.commands import QueryMovements
from realtrading.domain.movements import FlowKind, Movement
from realtrading.domain.order_effects import trade_deltas
from realtrading.domain.values import ZERO, SymbolRules

from .answers import Answer
from .client import SAPI
from .fields import Payload, Unreadable, moment, positive, record, rows, text, to_ms, unsigned, whole
from .lookups import BAD_SYMBOL, Lookups, ReadFailed, Send, understood

QUESTION_S: Final = 20.0
"""All histories together; a round waits for them."""
EARLIER: Final = timedelta(days=1)
"""Histories are asked from so long before: they date a movement by its application, the wallet by its booking."""
TRANSFER_TYPES: Final = tuple(
    way
    for other in ("FUNDING", "UMFUTURE", "CMFUTURE", "MARGIN", "OPTION", "PORTFOLIO_MARGIN", "ISOLATED_MARGIN")
    for way in (f"MAIN_{other}", f"{other}_MAIN")
)
"""The transfers that touch the spot wallet; the venue wants to be asked for each."""
NAMES_MAX: Final = 12
"""So many names of unwatched symbols are asked about at once, 20 weight for each and 20 for the trades of one that exists."""

_CAPITAL_PAGE, _TRANSFER_PAGE, _CONVERT_PAGE = 1000, 100, 1000
_CONVERT_WINDOW = timedelta(days=30)
_LEAST_WINDOW = timedelta(milliseconds=2)
_LEFT = (0, 2, 4, 6)  # e-mail sent, awaiting approval, processing, completed: the coins are out of the wallet
_CREDITED = (1, 6)  # success; credited, though it cannot be withdrawn yet
_SPOT = 0
_DUST_PAGE = 100
_PAGES_MAX = 20

Reader = Callable[[Payload], Movement | None]
"""What a row says moved; None when nothing did."""


class Flows:
    """Questions about the wallet over one way of sending them."""

    def __init__(self, send: Send, *, has_wallet: bool) -> None:
        self._send = send
        self._lookups = Lookups(send)
        self._has_wallet = has_wallet
        self._known: dict[str, SymbolRules] = {}

    async def since(self, command: QueryMovements, now: datetime) -> tuple[tuple[Movement, ...], tuple[str, ...]]:
        """What happened since `command.since` (server time), and what could not be asked and why."""
        found: list[Movement] = []
        unanswered: list[str] = []
        try:
            async with asyncio.timeout(QUESTION_S):
                await self._trades(command, now, found, unanswered)
                await self._histories(command.since - EARLIER, now, found, unanswered)
        except TimeoutError:
            unanswered.append(f"the rest: no answer within {QUESTION_S:g} s")
        except Exception as error:  # what is known is worth telling, and a round waits for it
            unanswered.append(f"the rest: {type(error).__name__}: {error}")
        return tuple(found), tuple(unanswered)

    # -- trades -------------------------------------------------------------------

    async def _trades(
        self, command: QueryMovements, now: datetime, found: list[Movement], unanswered: list[str]
    ) -> None:
        names = [name for name in pairs(command.assets, command.others) if name not in command.watched]
        if len(names) > NAMES_MAX:
            unanswered.append(f"trades in {len(names) - NAMES_MAX} more symbols")
        for name in names[:NAMES_MAX]:
            try:
                rules = await self._rules(name)
                if rules is not None:
                    trades = await self._lookups.trades_since(name, command.since, now)
                    found += [
                        Movement(
                            kind=FlowKind.EXTERNAL_TRADE,
                            id=f"{name}:{each.trade_id}",
                            at=each.venue_at,
                            deltas=trade_deltas(each, rules.base, rules.quote),
                        )
                        for each in trades
                    ]
            except ReadFailed as error:
                unanswered.append(f"trades in {name} ({error})")

    async def _rules(self, name: str) -> SymbolRules | None:
        """The symbol's rules; None when there is no such symbol."""
        if name not in self._known:
            try:
                (self._known[name],), _ = await self._lookups.exchange_info([name])
            except ReadFailed as error:
                if error.answer.code == BAD_SYMBOL:
                    return None
                raise
        return self._known[name]

    # -- histories ------------------------------------------------------------------

    async def _histories(self, since: datetime, now: datetime, found: list[Movement], unanswered: list[str]) -> None:
        questions: dict[str, Callable[[datetime, datetime], Awaitable[list[Movement]]]] = {
            "deposits": self._deposits,
            "withdrawals": self._withdrawals,
            "dust": self._dust,
            "conversions": self._conversions,
            "transfers": self._transfers,
        }
        for what, question in questions.items():
            if not self._has_wallet:
                unanswered.append(f"{what} (this exchange tells none)")
                continue
            try:
                found += await question(since, now)
            except ReadFailed as error:
                unanswered.append(f"{what} ({error})")
                if error.answer.status == 404:
                    self._has_wallet = False

    async def _deposits(self, since: datetime, now: datetime) -> list[Movement]:
        return await self._paged("capital/deposit/hisrec", since, now, _deposit)

    async def _withdrawals(self, since: datetime, now: datetime) -> list[Movement]:
        return await self._paged("capital/withdraw/history", since, now, _withdrawal)

    async def _paged(self, path: str, since: datetime, now: datetime, read: Reader) -> list[Movement]:
        found: list[Movement] = []
        for page in range(_PAGES_MAX):
            asked = {"limit": _CAPITAL_PAGE, "offset": page * _CAPITAL_PAGE}
            listed, moved = await self._get(path, since, now, asked, rows, read)
            found += moved
            if len(listed) < _CAPITAL_PAGE:
                return found
        raise _too_many(path)

    async def _dust(self, since: datetime, now: datetime) -> list[Movement]:
        def details(payload: object) -> list[Payload]:
            listed = rows(record(payload).get("userAssetDribblets", []), "userAssetDribblets")
            if len(listed) >= _DUST_PAGE:
                raise Unreadable("more in it than it tells")
            return [one for row in listed for one in rows(row.get("userAssetDribbletDetails"), "userAssetDribbletDetails")]

        return (await self._get("asset/dribblet", since, now, {}, details, _dust))[1]

    async def _conversions(self, since: datetime, now: datetime) -> list[Movement]:
        found: list[Movement] = []
        begin = since
        while begin < now:
            end = min(begin + _CONVERT_WINDOW, now)
            found += await self._converted(begin, end)
            begin = end
        return found

    async def _converted(self, begin: datetime, end: datetime) -> list[Movement]:
        """A window; one with too much in it is asked for in halves, as the venue does not say from which end it cuts."""
        cut = False

        def listed(payload: object) -> list[Payload]:
            nonlocal cut
            cut = record(payload).get("moreData") is True
            return rows(record(payload).get("list", []), "list")

        _, found = await self._get("convert/tradeFlow", begin, end, {"limit": _CONVERT_PAGE}, listed, _conversion)
        if not cut:
            return found
        if end - begin < _LEAST_WINDOW:
            raise _too_many("convert/tradeFlow")
        middle = begin + (end - begin) / 2
        return [*await self._converted(begin, middle), *await self._converted(middle, end)]

    async def _transfers(self, since: datetime, now: datetime) -> list[Movement]:
        return [moved for kind in TRANSFER_TYPES for moved in await self._transferred(kind, since, now)]

    async def _transferred(self, kind: str, since: datetime, now: datetime) -> list[Movement]:
        def listed(payload: object) -> list[Payload]:
            return rows(record(payload).get("rows", []), "rows")

        found: list[Movement] = []
        for page in range(1, _PAGES_MAX + 1):
            asked: dict[str, str | int] = {"type": kind, "size": _TRANSFER_PAGE, "current": page}
            told, moved = await self._get("asset/transfer", since, now, asked, listed, _transfer)
            found += moved
            if len(told) < _TRANSFER_PAGE:
                return found
        raise _too_many("asset/transfer")

    async def _get(
        self,
        path: str,
        since: datetime,
        now: datetime,
        more: Mapping[str, str | int],
        listed: Callable[[object], list[Payload]],
        read: Reader,
    ) -> tuple[list[Payload], list[Movement]]:
        """One answer: its rows, and what they say moved."""

        def both(payload: object) -> tuple[list[Payload], list[Movement]]:
            told = listed(payload)
            return told, [moved for moved in map(read, told) if moved is not None]

        asked = {"startTime": to_ms(since), "endTime": to_ms(now), **more}
        return understood(path, await self._send(SAPI + path, asked, signed=True), both)


# -- rows -----------------------------------------------------------------------


def _deposit(row: Payload) -> Movement | None:
    if whole(row, "status") not in _CREDITED or row.get("walletType", _SPOT) != _SPOT:
        return None
    deltas = {text(row, "coin"): positive(row, "amount")}
    return Movement(kind=FlowKind.DEPOSIT, id=text(row, "id"), at=moment(row, "completeTime", "insertTime"), deltas=deltas)


def _withdrawal(row: Payload) -> Movement | None:
    """The fee leaves the wallet beside the amount."""
    if whole(row, "status") not in _LEFT or row.get("walletType", _SPOT) != _SPOT:
        return None
    left = positive(row, "amount") + unsigned(row, "transactionFee", ZERO)
    at = _written(text(row, "applyTime"))
    return Movement(kind=FlowKind.WITHDRAWAL, id=text(row, "id"), at=at, deltas={text(row, "coin"): -left})


def _written(words: str) -> datetime:
    try:
        return datetime.strptime(words, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        raise Unreadable("applyTime is no time of day") from None


def _transfer(row: Payload) -> Movement | None:
    if text(row, "status") != "CONFIRMED":
        return None
    sign = -1 if text(row, "type").startswith("MAIN_") else 1
    deltas = {text(row, "asset"): sign * positive(row, "amount")}
    return Movement(kind=FlowKind.TRANSFER, id=f"{whole(row, 'tranId')}", at=moment(row, "timestamp"), deltas=deltas)


def _dust(row: Payload) -> Movement:
    spent, got = text(row, "fromAsset"), text(row, "targetAsset", "BNB")
    deltas = {spent: -positive(row, "amount"), got: positive(row, "transferedAmount")}
    return Movement(kind=FlowKind.DUST, id=f"{whole(row, 'transId')}", at=moment(row, "operateTime"), deltas=deltas)


def _conversion(row: Payload) -> Movement | None:
    if text(row, "orderStatus") != "SUCCESS":
        return None
    spent, got = text(row, "fromAsset"), text(row, "toAsset")
    deltas = {spent: -positive(row, "fromAmount"), got: positive(row, "toAmount")}
    return Movement(kind=FlowKind.CONVERSION, id=f"{whole(row, 'orderId')}", at=moment(row, "createTime"), deltas=deltas)


def _too_many(path: str) -> ReadFailed:
    return ReadFailed(path, Answer(status=200), "more in it than is read")


def pairs(assets: Iterable[str], others: Iterable[str]) -> list[str]:
    """The names a symbol of two of these assets may have; those of two assets that both differ first."""
    differ = sorted(set(assets))
    maybe = sorted(set(others) - set(differ))
    both = itertools.combinations(differ, 2)
    found = [name for one, other in (*both, *itertools.product(differ, maybe)) for name in (one + other, other + one)]
    return list(dict.fromkeys(found))
