"""The simulated exchange without any I/O: no clock, socket or thread; every call is told the time in milliseconds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import attrs

from . import payloads, truth
from .aftermath import Aftermath
from .core import Core, Event
from .errors import BinanceError
from .fees import FeeSchedule
from .listing import Listing
from .matching import Matcher
from .pair import Pair
from .planted import PlantedLies
from .public import RATE_LIMITS, DepthView, Public, Symbols
from .reading import Reading
from .replacing import Replacing
from .reset import reset
from .rules import SymbolRules
from .trading import Trading
from .wallet import Wallet

Json = dict[str, Any]


class Exchange:
    """One simulated Binance spot exchange.

    Account-facing calls take the account's uid, the request's parameters as Binance names them (values are strings;
    timestamp, signature, recvWindow and apiKey are ignored) and the time; they return Binance's JSON and raise
    `BinanceError`. `lookup_after_cancel`: whether an order is still found by its original client id after a cancel
    has given it the cancel's id. `seed` only feeds the client ids made for clients that send none.
    """

    def __init__(
        self,
        symbols: Iterable[SymbolRules],
        *,
        fee: FeeSchedule,
        now_ms: int,
        seed: int = 0,
        lookup_after_cancel: bool = True,
    ) -> None:
        self.core = Core(symbols, fee, seed)
        self.matcher = Matcher(self.core)
        self.opened_ms = now_ms
        self.aftermath = Aftermath(self.core, self.matcher)
        self._trading = Trading(
            self.core, self.matcher, self.aftermath, lookup_after_cancel=lookup_after_cancel
        )
        self._listing = Listing(self.core, self._trading)
        self._replacing = Replacing(self.core, self._trading)
        self._reading = Reading(self.core)
        self._public = Public(self.core)
        self.wallet = Wallet(self.core)

    @property
    def rules(self) -> dict[str, SymbolRules]:
        """The rules of each symbol as they are now."""
        return {symbol: pair.rules for symbol, pair in self.core.pairs.items()}

    @property
    def lies(self) -> PlantedLies:
        """Planted lies for a judge's self-test; none unless told."""
        return self.core.lies

    @property
    def lookup_after_cancel(self) -> bool:
        """Whether the original client id finds an order after its cancel."""
        return self._trading.lookup_after_cancel

    @lookup_after_cancel.setter
    def lookup_after_cancel(self, on: bool) -> None:
        self._trading.lookup_after_cancel = on

    def pair(self, symbol: str) -> Pair:
        """The state of one symbol, for the market driver. Raises BinanceError -1121."""
        return self.core.pair(symbol)

    def set_status(self, symbol: str, status: str) -> None:
        """Set the symbol's status, e.g. TRADING, BREAK, CANCEL_ONLY; only TRADING takes new orders."""
        pair = self.core.pair(symbol)
        pair.rules = attrs.evolve(pair.rules, status=status)

    def change_rules(self, symbol: str, **changes: Any) -> None:
        """Change numbers of the symbol's filters (`tick`, `step`, `min_qty`, `min_notional` …), as the exchange does."""
        pair = self.core.pair(symbol)
        pair.rules = attrs.evolve(pair.rules, **changes)

    def add_account(self, uid: int, balances: Mapping[str, Decimal]) -> None:
        """Open an account. ValueError when the uid exists or an amount is negative."""
        self.core.ledger.open(uid, balances)

    def reset_account(self, uid: int, balances: Mapping[str, Decimal]) -> None:
        """Forget the account's orders and trades and replace its balances, as a test exchange does; nobody is told."""
        reset(self.core, uid, balances)

    def set_bnb_fees(self, uid: int, on: bool) -> None:
        """Switch paying fees in BNB; without enough BNB a fee is taken in base or quote all the same."""
        self.core.ledger.accounts[uid].pays_in_bnb = on

    def deposit(self, uid: int, asset: str, amount: Decimal, now_ms: int) -> None:
        """Put coins into an account from outside; emits balanceUpdate."""
        self.wallet.deposit(uid, asset, amount, now_ms)

    def withdraw(self, uid: int, asset: str, amount: Decimal, now_ms: int) -> None:
        """Take free coins out of an account; emits balanceUpdate. ValueError when there are not enough."""
        self.wallet.withdraw(uid, asset, amount, now_ms)

    def place(self, uid: int, params: Mapping[str, str], now_ms: int) -> Json:
        """POST /order; always the FULL shape, cut it with `trim`."""
        return self._trading.place(uid, params, now_ms)

    def test_order(self, uid: int, params: Mapping[str, str], now_ms: int) -> Json:
        """POST /order/test."""
        return self._trading.test(uid, params, now_ms)

    def cancel(self, uid: int, params: Mapping[str, str], now_ms: int) -> Json:
        """DELETE /order."""
        return self._trading.cancel(uid, params, now_ms)

    def cancel_all(self, uid: int, params: Mapping[str, str], now_ms: int) -> list[Json]:
        """DELETE /openOrders."""
        return self._trading.cancel_all(uid, params, now_ms)

    def replace(
        self, uid: int, params: Mapping[str, str], now_ms: int, *, over_limit: BinanceError | None = None
    ) -> Json:
        """POST /order/cancelReplace; `over_limit` is what the order count says against a new order."""
        return self._replacing.replace(uid, params, now_ms, over_limit=over_limit)

    def amend(self, uid: int, params: Mapping[str, str], now_ms: int) -> Json:
        """PUT /order/amend/keepPriority."""
        return self._replacing.amend(uid, params, now_ms)

    def amendments(self, uid: int, params: Mapping[str, str], now_ms: int) -> list[Json]:
        """GET /order/amendments."""
        return self._replacing.amendments(uid, params)

    def place_oco(self, uid: int, params: Mapping[str, str], now_ms: int) -> Json:
        """POST /orderList/oco."""
        return self._listing.place_oco(uid, params, now_ms)

    def place_oto(self, uid: int, params: Mapping[str, str], now_ms: int) -> Json:
        """POST /orderList/oto."""
        return self._listing.place_oto(uid, params, now_ms)

    def place_otoco(self, uid: int, params: Mapping[str, str], now_ms: int) -> Json:
        """POST /orderList/otoco."""
        return self._listing.place_otoco(uid, params, now_ms)

    def cancel_list(self, uid: int, params: Mapping[str, str], now_ms: int) -> Json:
        """DELETE /orderList."""
        return self._listing.cancel(uid, params, now_ms)

    def query_list(self, uid: int, params: Mapping[str, str], now_ms: int) -> Json:
        """GET /orderList."""
        return self._listing.query(uid, params)

    def all_lists(self, uid: int, params: Mapping[str, str], now_ms: int) -> list[Json]:
        """GET /allOrderList."""
        return self._listing.all(uid, params)

    def open_lists(self, uid: int, params: Mapping[str, str], now_ms: int) -> list[Json]:
        """GET /openOrderList."""
        return self._listing.open(uid, params)

    def query(self, uid: int, params: Mapping[str, str], now_ms: int) -> Json:
        """GET /order."""
        return self._reading.query(uid, params)

    def open_orders(self, uid: int, params: Mapping[str, str], now_ms: int) -> list[Json]:
        """GET /openOrders."""
        return self._reading.open_orders(uid, params)

    def all_orders(self, uid: int, params: Mapping[str, str], now_ms: int) -> list[Json]:
        """GET /allOrders."""
        return self._reading.all_orders(uid, params)

    def my_trades(self, uid: int, params: Mapping[str, str], now_ms: int) -> list[Json]:
        """GET /myTrades."""
        return self._reading.my_trades(uid, params)

    def prevented_matches(self, uid: int, params: Mapping[str, str], now_ms: int) -> list[Json]:
        """GET /myPreventedMatches."""
        return self._reading.prevented_matches(uid, params)

    def account(self, uid: int, params: Mapping[str, str], now_ms: int) -> Json:
        """GET /account."""
        return self._reading.account(uid, params)

    def commission(self, uid: int, params: Mapping[str, str], now_ms: int) -> Json:
        """GET /account/commission."""
        return self._reading.commission(uid, params)

    @staticmethod
    def trim(response: Json, resp_type: str) -> Json:
        """Cut a FULL place answer down to ACK or RESULT."""
        return payloads.trim(response, resp_type)

    @staticmethod
    def default_resp_type(order_type: str) -> str:
        """The newOrderRespType Binance assumes for an order type."""
        return payloads.default_resp_type(order_type)

    def exchange_info(
        self, symbols: Symbols = None, *, now_ms: int, rate_limits: Sequence[Json] = RATE_LIMITS
    ) -> Json:
        """GET /exchangeInfo."""
        return self._public.exchange_info(symbols, now_ms, rate_limits)

    def depth(self, symbol: str, limit: int = 100) -> Json:
        """GET /depth."""
        return self._public.depth(symbol, limit)

    def depth_update(self, symbol: str, before: DepthView | None, now_ms: int) -> tuple[DepthView, Json | None]:
        """The depthUpdate event since a view (None: the whole book) and the view to pass next time."""
        return self._public.depth_update(symbol, before, now_ms)

    def trades(self, symbol: str, limit: int = 500, from_id: int | None = None) -> list[Json]:
        """GET /trades, GET /historicalTrades."""
        return self._public.trades(symbol, limit, from_id)

    def agg_trades(
        self,
        symbol: str,
        limit: int = 500,
        from_id: int | None = None,
        start: int | None = None,
        end: int | None = None,
    ) -> list[Json]:
        """GET /aggTrades."""
        return self._public.agg_trades(symbol, limit, from_id, start, end)

    def klines(
        self,
        symbol: str,
        interval: str,
        start: int | None = None,
        end: int | None = None,
        limit: int = 500,
        *,
        now_ms: int,
    ) -> list[list[Any]]:
        """GET /klines; raises BinanceError -1120 for an unknown interval."""
        return self._public.klines(symbol, interval, start, end, limit, now_ms)

    def avg_price(self, symbol: str, now_ms: int) -> Json:
        """GET /avgPrice."""
        return self._public.avg_price(symbol, now_ms)

    def ticker_price(self, symbols: Symbols = None) -> Any:
        """GET /ticker/price: one object for a name, a list for several or all (None)."""
        return self._public.ticker_price(symbols)

    def ticker_book(self, symbols: Symbols = None) -> Any:
        """GET /ticker/bookTicker."""
        return self._public.ticker_book(symbols)

    def ticker_24hr(self, symbols: Symbols, now_ms: int, *, mini: bool = False) -> Any:
        """GET /ticker/24hr."""
        return self._public.ticker_24hr(symbols, now_ms, mini=mini)

    def stream_ticker(self, symbol: str, now_ms: int) -> Json:
        """The payload of <symbol>@ticker now."""
        return self._public.stream_ticker(symbol, now_ms)

    def stream_mini_ticker(self, symbol: str, now_ms: int) -> Json:
        """The payload of <symbol>@miniTicker now."""
        return self._public.stream_mini_ticker(symbol, now_ms)

    def stream_avg_price(self, symbol: str, now_ms: int) -> Json:
        """The payload of <symbol>@avgPrice now."""
        return self._public.stream_avg_price(symbol, now_ms)

    def stream_kline(self, symbol: str, interval: str, now_ms: int) -> Json | None:
        """The payload of <symbol>@kline_<interval> now; None before the market opened."""
        return self._public.stream_kline(symbol, interval, now_ms)

    def stream_partial_depth(self, symbol: str, levels: int) -> Json:
        """The payload of <symbol>@depth<levels> now."""
        return self._public.depth(symbol, levels)

    def take_events(self) -> list[Event]:
        """All events since the last call, in the order they happened: ("user", uid, event) and
        ("market", symbol, {"kind": "trade" | "aggTrade" | "bookTicker", "data": stream payload})."""
        taken, self.core.events = self.core.events, []
        return taken

    def ledger_of_truth(self) -> Json:
        """What really happened, lies left out, as plain decimals without exponent or trailing zeros."""
        return {"opened_ms": self.opened_ms, **truth.ledger_of_truth(self.core)}
