"""The wallet beside trading: deposits, withdrawals, transfers, dust and conversions, and what /sapi tells of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from attrs import field, frozen

from . import errors, events
from .core import Core
from .errors import BinanceError
from .intervals import DAY
from .numbers import ZERO, wire
from .params import Params

Json = dict[str, Any]
TRANSFER_TYPES = frozenset(
    f"{way}"
    for other in ("UMFUTURE", "CMFUTURE", "MARGIN", "FUNDING", "OPTION", "PORTFOLIO_MARGIN", "ISOLATED_MARGIN")
    for way in (f"MAIN_{other}", f"{other}_MAIN")
)
"""The universal transfers that touch the spot wallet, which Binance calls MAIN."""
CAPITAL_DAYS, TRANSFER_DAYS, CONVERT_DAYS = 90, 7, 30
DUST_MAX = 100


@frozen(kw_only=True)
class _Entry:
    """One line of a history: whose, when it happened, and Binance's own words about it."""

    uid: int
    at_ms: int
    body: Json = field(factory=dict)


class Wallet:
    """Moves coins in and out of accounts without an order. Each call is told the time in milliseconds."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._deposits: list[_Entry] = []
        self._withdrawals: list[_Entry] = []
        self._transfers: list[_Entry] = []
        self._dust: list[_Entry] = []
        self._converts: list[_Entry] = []
        self._next_id = 1

    # -- by hand ------------------------------------------------------------------

    def deposit(self, uid: int, asset: str, amount: Decimal, now_ms: int) -> None:
        """Coins come from outside; emits balanceUpdate."""
        self._move(uid, {asset: amount}, now_ms, told=True)
        self._deposits.append(_Entry(uid=uid, at_ms=now_ms, body={
            "id": f"{self._number()}", "amount": wire(amount), "coin": asset, "network": "ETH", "status": 1,
            "address": "0x0", "addressTag": "", "txId": f"0x{self._next_id:064x}", "insertTime": now_ms,
            "completeTime": now_ms, "transferType": 0, "confirmTimes": "12/12", "unlockConfirm": 12, "walletType": 0,
        }))  # fmt: skip

    def withdraw(self, uid: int, asset: str, amount: Decimal, now_ms: int, fee: Decimal = ZERO) -> None:
        """Free coins leave, the fee beside the amount; emits balanceUpdate. ValueError when there are not enough."""
        self._move(uid, {asset: -amount - fee}, now_ms, told=True)
        self._withdrawals.append(_Entry(uid=uid, at_ms=now_ms, body={
            "id": f"{self._number():032x}", "amount": wire(amount), "transactionFee": wire(fee), "coin": asset, "status": 6,
            "address": "0x0", "txId": f"0x{self._next_id:064x}", "applyTime": _second(now_ms), "network": "ETH",
            "transferType": 0, "info": "", "confirmNo": 12, "walletType": 0, "txKey": "", "completeTime": _second(now_ms),
        }))  # fmt: skip

    def transfer(self, uid: int, kind: str, asset: str, amount: Decimal, now_ms: int) -> None:
        """Between the spot wallet and another of the same person; emits balanceUpdate. ValueError for a type without
        MAIN.
        """
        if kind not in TRANSFER_TYPES:
            raise ValueError(f"no transfer {kind!r} of the spot wallet")
        signed = -amount if kind.startswith("MAIN_") else amount
        self._move(uid, {asset: signed}, now_ms, told=True)
        self._transfers.append(_Entry(uid=uid, at_ms=now_ms, body={
            "timestamp": now_ms, "asset": asset, "amount": wire(amount), "type": kind, "status": "CONFIRMED",
            "tranId": self._number(),
        }))  # fmt: skip

    def dust(self, uid: int, asset: str, amount: Decimal, gained: Decimal, fee: Decimal, now_ms: int) -> None:
        """A small balance becomes `gained` BNB, after a service charge; no balanceUpdate."""
        if asset == "BNB":
            raise ValueError("BNB is what dust becomes")
        self._move(uid, {asset: -amount, "BNB": gained}, now_ms, told=False)
        number = self._number()
        detail = {"transId": number, "serviceChargeAmount": wire(fee), "amount": wire(amount), "operateTime": now_ms,
                  "transferedAmount": wire(gained), "fromAsset": asset}  # fmt: skip
        self._dust.append(_Entry(uid=uid, at_ms=now_ms, body={
            "operateTime": now_ms, "totalTransferedAmount": wire(gained), "totalServiceChargeAmount": wire(fee),
            "transId": 10_000_000 + number, "userAssetDribbletDetails": [detail],
        }))  # fmt: skip

    def convert(self, uid: int, spent: tuple[str, Decimal], got: tuple[str, Decimal], now_ms: int) -> None:
        """One asset becomes another at a quoted price; no balanceUpdate."""
        (asset, amount), (wanted, gained) = spent, got
        if asset == wanted:
            raise ValueError(f"cannot convert {asset} into itself")
        self._move(uid, {asset: -amount, wanted: gained}, now_ms, told=False)
        number = self._number()
        self._converts.append(_Entry(uid=uid, at_ms=now_ms, body={
            "quoteId": f"q{number}", "orderId": 940_000_000_000_000_000 + number, "orderStatus": "SUCCESS", "fromAsset": asset,
            "fromAmount": wire(amount), "toAsset": wanted, "toAmount": wire(gained), "ratio": wire(gained / amount),
            "inverseRatio": wire(amount / gained), "createTime": now_ms,
        }))  # fmt: skip

    def _move(self, uid: int, deltas: Mapping[str, Decimal], now_ms: int, *, told: bool) -> None:
        for asset, amount in deltas.items():  # what is taken first: it may not be there, and then nothing happens
            self._core.ledger.move(uid, asset, amount)
            if told:
                self._core.events.append(("user", uid, events.balance_update(asset, amount, now_ms)))
        self._core.touch(uid, *deltas)
        self._core.settle_positions(now_ms)

    def _number(self) -> int:
        self._next_id += 1
        return self._next_id

    # -- what it tells --------------------------------------------------------------

    def deposits(self, uid: int, raw: Mapping[str, str], now_ms: int) -> list[Json]:
        """GET /sapi/v1/capital/deposit/hisrec: newest first."""
        params = Params(raw)
        params.flag("includeSource")
        tx = params.text("txId")
        found = self._capital(uid, params, self._deposits, now_ms)
        return [row for row in found if tx in (None, row["txId"])]

    def withdrawals(self, uid: int, raw: Mapping[str, str], now_ms: int) -> list[Json]:
        """GET /sapi/v1/capital/withdraw/history: newest first."""
        params = Params(raw)
        params.text("withdrawOrderId")
        return self._capital(uid, params, self._withdrawals, now_ms)

    def _capital(self, uid: int, params: Params, entries: list[_Entry], now_ms: int) -> list[Json]:
        coin, status = params.text("coin"), params.integer("status")
        start, end = _window(params, CAPITAL_DAYS, now_ms)
        offset, limit = params.integer("offset") or 0, params.limit(1000, 1000)
        params.done()
        found = [
            each.body
            for each in reversed(entries)
            if each.uid == uid and start <= each.at_ms <= end
            and coin in (None, each.body["coin"]) and status in (None, each.body["status"])
        ]  # fmt: skip
        return found[offset : offset + limit]

    def transfers(self, uid: int, raw: Mapping[str, str], now_ms: int) -> Json:
        """GET /sapi/v1/asset/transfer: one type, by pages, newest first; no rows at all when there are none."""
        params = Params(raw)
        kind = params.required("type")
        if kind not in TRANSFER_TYPES:
            raise errors.invalid_data("type")
        start, end = _window(params, TRANSFER_DAYS, now_ms, longest=180)
        page, size = params.integer("current"), params.integer("size")
        params.text("fromSymbol")
        params.text("toSymbol")
        params.done()
        page, size = 1 if page is None else page, min(10 if size is None else size, 100)
        if page < 1 or size < 1:
            raise errors.invalid_data("current" if page < 1 else "size")
        found = [
            each.body
            for each in reversed(self._transfers)
            if each.uid == uid and each.body["type"] == kind and start <= each.at_ms <= end
        ]
        if not found:
            return {"total": 0}
        return {"total": len(found), "rows": found[(page - 1) * size : page * size]}

    def dribblets(self, uid: int, raw: Mapping[str, str], now_ms: int) -> Json:
        """GET /sapi/v1/asset/dribblet: the newest hundred."""
        params = Params(raw)
        params.text("accountType")
        start, end = params.integer("startTime") or 0, params.integer("endTime")
        params.done()
        found = [
            each.body
            for each in reversed(self._dust)
            if each.uid == uid and start <= each.at_ms <= (now_ms if end is None else end)
        ]
        return {"total": len(found), "userAssetDribblets": found[:DUST_MAX]}

    def conversions(self, uid: int, raw: Mapping[str, str], now_ms: int) -> Json:
        """GET /sapi/v1/convert/tradeFlow: a window of at most thirty days; `moreData` when the limit cut it."""
        params = Params(raw)
        params.required("startTime")
        params.required("endTime")
        start, end = _window(params, CONVERT_DAYS, now_ms)
        limit = params.limit(100, 1000)
        params.done()
        found = [each.body for each in self._converts if each.uid == uid and start <= each.at_ms <= end]
        return {"list": found[-limit:], "startTime": start, "endTime": end, "limit": limit, "moreData": len(found) > limit}


def _window(params: Params, usual_days: int, now_ms: int, longest: int | None = None) -> tuple[int, int]:
    """startTime and endTime, with the usual window where one is missing. Raises for one that is too long."""
    start, end = params.integer("startTime"), params.integer("endTime")
    end = now_ms if end is None else end
    start = end - usual_days * DAY if start is None else start
    if end - start > (longest or usual_days) * DAY or end < start:
        raise BinanceError(-1128, "Combination of optional parameters invalid.")
    return start, end


def _second(now_ms: int) -> str:
    """A moment as the withdrawal history writes it: UTC, whole seconds."""
    return datetime.fromtimestamp(now_ms // 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
