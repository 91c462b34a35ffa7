"""The exchange at the far end of the wire: what it answers now, and whom it tells."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import attrs

from realtrading.sim.errors import BinanceError
from realtrading.sim.exchange import Exchange
from realtrading.sim.replica import Replica
from realtrading.sim.sapi import SAPI, SAPI_BY_REST
from realtrading.venue.client import RECV_WINDOW_MS
from realtrading.venue.fields import from_ms

from .clockwork import VirtualLoop

if TYPE_CHECKING:
    from .nemesis import Nemesis
    from .wires import PaperWsApi

UID = 7
AHEAD_MS = 1_000


HISTORIES = {
    ("get", "/sapi/v1/capital/deposit/hisrec"): "deposits",
    ("get", "/sapi/v1/capital/withdraw/history"): "withdrawals",
    ("get", "/sapi/v1/asset/transfer"): "transfers",
    ("get", "/sapi/v1/asset/dribblet"): "dribblets",
    ("get", "/sapi/v1/convert/tradeFlow"): "conversions",
}
"""What the wallet tells, and who there tells it."""


@attrs.define(eq=False)
class Exchanges:
    """The exchange behind the network, what travels to and from it, and who listens. Survives every life of the house."""

    loop: VirtualLoop
    exchange: Exchange
    nemesis: "Nemesis"
    on_place: Callable[[Mapping[str, str], datetime], None]
    on_flow: Callable[[str, datetime, Decimal], None]
    has_wallet: bool
    streams: "list[PaperWsApi]" = attrs.field(factory=list)
    watchers: dict[object, Callable[[str, Decimal, Decimal], None]] = attrs.field(factory=dict)
    pending: dict[str, Mapping[str, str]] = attrs.field(factory=dict)
    replica: Replica = attrs.field(init=False)
    heard: Callable[[], None] = lambda: None
    on_request: Callable[[str, Any], None] = lambda kind, client: None

    def __attrs_post_init__(self) -> None:
        self.replica = Replica(mono_s=self.loop.time)

    # -- requests -----------------------------------------------------------------

    def execute(self, method: str, path: str, params: Mapping[str, Any]) -> Any:
        """What the exchange answers, now. Raises `BinanceError`."""
        exchange, now_ms = self.exchange, self.loop.true_ms()
        given = {name: str(value) for name, value in params.items()}
        call = (method, path)
        if path.startswith(SAPI):
            history = SAPI_BY_REST[method.upper(), path].name.removeprefix("wallet.")
            return getattr(exchange.wallet, history)(UID, given, now_ms)
        if call == ("get", "time"):
            return {"serverTime": now_ms}
        if call == ("get", "exchangeInfo"):
            return exchange.exchange_info(json.loads(unquote(given["symbols"])), now_ms=now_ms)
        if call == ("get", "ticker/24hr"):
            return exchange.ticker_24hr(given["symbol"], now_ms)
        if call == ("get", "account"):
            return exchange.account(UID, given, now_ms)
        if call == ("get", "order"):
            self.replica.check("order.status", given)
            return exchange.query(UID, given, now_ms)
        if call == ("get", "openOrders"):
            return self.replica.filter("openOrders.status", exchange.open_orders(UID, given, now_ms))
        if call == ("get", "allOrders"):
            return self.replica.filter("allOrders", exchange.all_orders(UID, given, now_ms))
        if call == ("get", "myTrades"):
            return self.replica.filter("myTrades", exchange.my_trades(UID, given, now_ms))
        if call in HISTORIES:
            return getattr(exchange.wallet, HISTORIES[call])(UID, given, now_ms)
        if call == ("post", "order"):
            return self.place(given, now_ms)
        if call == ("delete", "order"):
            return exchange.cancel(UID, given, now_ms)
        raise AssertionError(f"nobody simulates {method} {path}")

    def place(self, given: Mapping[str, str], now_ms: int) -> Any:
        """One placement reaches the matching engine."""
        self.pending.pop(given["newClientOrderId"], None)
        lag_ms = self.nemesis.query_lag_ms(given["newClientOrderId"])
        placed = self.exchange.place(UID, given, now_ms)
        if lag_ms:
            self.replica.lag(given["symbol"], placed["orderId"], given["newClientOrderId"], lag_ms)
        return placed

    def serve(self, method: str, path: str, params: Mapping[str, Any], stamped_ms: int | None) -> tuple[int, Any]:
        """HTTP status and body of a request that arrives now; limits and signature's age first, as Binance does."""
        retry_s = self.nemesis.ban_left_s()
        if retry_s:
            return self.nemesis.ban_status, {"code": -1003, "msg": "Too many requests.", "retry": retry_s}
        if stamped_ms is not None:
            age_ms = self.loop.true_ms() - stamped_ms
            if not -AHEAD_MS < age_ms <= RECV_WINDOW_MS:
                return 400, {"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}
        try:
            return 200, self.execute(method, path, params)
        except BinanceError as error:
            return error.status, error.body()
        finally:
            self.spread()

    # -- events -------------------------------------------------------------------

    def spread(self) -> None:
        """Send on what the exchange has just told."""
        for audience, whom, event in self.exchange.take_events():
            if audience == "user" and whom == UID:
                hearing = [stream for stream in self.streams if stream.subscribed and stream.ended is None]
                if event["e"] == "balanceUpdate":
                    self.on_flow(event["a"], from_ms(event["T"]), Decimal(event["d"]))
                for stream in hearing:
                    stream.carry(event)
            elif audience == "market" and event["kind"] == "bookTicker":
                data = event["data"]
                for hear in list(self.watchers.values()):
                    hear(whom, Decimal(data["b"]), Decimal(data["a"]))
        self.heard()
