"""Every operation once: its REST path, its WebSocket method, kind, weight, and what it asks of the exchange."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from attrs import define, frozen

from .errors import BinanceError, ReplaceFailed, illegal_chars, mandatory_missing
from .exchange import Exchange
from .key_rights import KeyRights
from .limits import Limits
from .params import SYMBOL, Params

API = "/api/v3"
_SYMBOLS_LEGAL = r"^\[(\"[A-Z0-9-_.]{1,20}\")(,\"[A-Z0-9-_.]{1,20}\"){0,}\]$"
_DEPTH_WEIGHTS = ((100, 5), (500, 25), (1000, 50), (5000, 250))
_TICKER_WEIGHTS = ((20, 2), (100, 40))

Raw = Mapping[str, str]


@define
class Desk:
    """What operations work on. `rights` are those of the one API key there is."""

    exchange: Exchange
    limits: Limits
    rights: KeyRights


Weight = Callable[[Raw], int]
Run = Callable[[Desk, int, Raw, int], Any]


@frozen(kw_only=True)
class Operation:
    """One thing clients can ask for. `name` is its WebSocket method, `rest` verb and path, None where it has none.

    `kind` is what faults and the request log call it; `free_when_ok`: weight is charged only when it fails. `orders`: how
    many orders it makes, 0 for everything else. `purse`: whose weight it spends under /sapi, "IP" or "UID", None elsewhere.
    """

    name: str
    kind: str
    run: Run
    weight: Weight
    signed: bool = False
    rest: tuple[str, str] | None = None
    free_when_ok: bool = False
    orders: int = 0
    purse: str | None = None


def _flat(weight: int) -> Weight:
    return lambda raw: weight


def _depth_weight(raw: Raw) -> int:
    limit = raw.get("limit", "100")
    if not limit.isascii() or not limit.isdecimal():
        return 5
    return next((weight for most, weight in _DEPTH_WEIGHTS if int(limit[:9]) <= most), 250)


def _by_symbol(one: int, many: int) -> Weight:
    return lambda raw: one if "symbol" in raw else many


def _day_weight(raw: Raw) -> int:
    if "symbol" in raw:
        return 2
    if "symbols" in raw:
        names = raw["symbols"].count(",") + 1
        return next((weight for most, weight in _TICKER_WEIGHTS if names <= most), 80)
    return 80


def _trades_weight(raw: Raw) -> int:
    return 5 if "orderId" in raw else 20


def _test_weight(raw: Raw) -> int:
    return 20 if raw.get("computeCommissionRates", "").lower() == "true" else 1


def _symbols(params: Params) -> str | list[str] | None:
    """The `symbol` or `symbols` of a request, None when it has neither."""
    if params.sent("symbol") and params.sent("symbols"):
        raise BinanceError(-1128, "Combination of optional parameters invalid.")
    one, many = params.text("symbol", SYMBOL), params.text("symbols")
    if many is None:
        return one
    try:
        names = json.loads(many)
    except (ValueError, RecursionError):
        names = None
    if not isinstance(names, list) or not names or not all(isinstance(each, str) for each in names):
        raise illegal_chars("symbols", _SYMBOLS_LEGAL)
    if len(set(names)) < len(names):
        raise BinanceError(-1151, "Symbol is present multiple times in the list.")
    return names


def _ping(desk: Desk, uid: int, raw: Raw, now_ms: int) -> Any:
    return {}


def _time(desk: Desk, uid: int, raw: Raw, now_ms: int) -> Any:
    return {"serverTime": now_ms}


def _exchange_info(desk: Desk, uid: int, raw: Raw, now_ms: int) -> Any:
    params = Params(raw)
    symbols = _symbols(params)
    wanted, status = params.text("permissions"), params.text("symbolStatus")
    params.flag("showPermissionSets")
    params.done()
    answer = desk.exchange.exchange_info(symbols, now_ms=now_ms, rate_limits=desk.limits.settings.exchange_info())
    if status is not None:
        answer["symbols"] = [each for each in answer["symbols"] if each["status"] == status]
    if wanted is not None and "SPOT" not in wanted:
        answer["symbols"] = []
    return answer


def _depth(desk: Desk, uid: int, raw: Raw, now_ms: int) -> Any:
    params = Params(raw)
    symbol, limit = params.required("symbol", SYMBOL), params.limit(100, 5000)
    params.done()
    return desk.exchange.depth(symbol, limit)


def _trades(desk: Desk, uid: int, raw: Raw, now_ms: int) -> Any:
    params = Params(raw)
    symbol, limit = params.required("symbol", SYMBOL), params.limit(500, 1000)
    params.done()
    return desk.exchange.trades(symbol, limit)


def _historical_trades(desk: Desk, uid: int, raw: Raw, now_ms: int) -> Any:
    params = Params(raw)
    symbol, limit, from_id = params.required("symbol", SYMBOL), params.limit(500, 1000), params.integer("fromId")
    params.done()
    return desk.exchange.trades(symbol, limit, from_id)


def _agg_trades(desk: Desk, uid: int, raw: Raw, now_ms: int) -> Any:
    params = Params(raw)
    symbol, limit, from_id = params.required("symbol", SYMBOL), params.limit(500, 1000), params.integer("fromId")
    start, end = params.integer("startTime"), params.integer("endTime")
    params.done()
    return desk.exchange.agg_trades(symbol, limit, from_id, start, end)


def _klines(desk: Desk, uid: int, raw: Raw, now_ms: int) -> Any:
    params = Params(raw)
    symbol, interval, limit = params.required("symbol", SYMBOL), params.required("interval"), params.limit(500, 1000)
    start, end = params.integer("startTime"), params.integer("endTime")
    if params.text("timeZone") not in (None, "0", "00:00", "+00:00", "-00:00"):
        raise BinanceError(-1130, "Data sent for parameter 'timeZone' is not valid.")
    params.done()
    return desk.exchange.klines(symbol, interval, start, end, limit, now_ms=now_ms)


def _avg_price(desk: Desk, uid: int, raw: Raw, now_ms: int) -> Any:
    params = Params(raw)
    symbol = params.required("symbol", SYMBOL)
    params.done()
    return desk.exchange.avg_price(symbol, now_ms)


def _ticker_price(desk: Desk, uid: int, raw: Raw, now_ms: int) -> Any:
    params = Params(raw)
    symbols = _symbols(params)
    params.done()
    return desk.exchange.ticker_price(symbols)


def _ticker_book(desk: Desk, uid: int, raw: Raw, now_ms: int) -> Any:
    params = Params(raw)
    symbols = _symbols(params)
    params.done()
    return desk.exchange.ticker_book(symbols)


def _ticker_day(desk: Desk, uid: int, raw: Raw, now_ms: int) -> Any:
    params = Params(raw)
    symbols, shape = _symbols(params), params.text("type")
    params.done()
    if shape not in (None, "FULL", "MINI"):
        raise BinanceError(-1139, "Invalid ticker type.")
    return desk.exchange.ticker_24hr(symbols, now_ms=now_ms, mini=shape == "MINI")


def _account_call(name: str) -> Run:
    """A signed call that the exchange answers under this method name."""
    return lambda desk, uid, raw, now_ms: getattr(desk.exchange, name)(uid, raw, now_ms)


def _order_limits(desk: Desk, uid: int, raw: Raw, now_ms: int) -> Any:
    Params(raw).done()
    return desk.limits.order_limits(uid, now_ms)


def shaped(raw: Raw, answer: dict[str, Any]) -> dict[str, Any]:
    """A FULL place answer in the shape the request asked for, or Binance's default for its type."""
    shape = raw.get("newOrderRespType") or Exchange.default_resp_type(raw.get("type", ""))
    return Exchange.trim(answer, shape)


def _required(name: str, run: Run) -> Run:
    def checked(desk: Desk, uid: int, raw: Raw, now_ms: int) -> Any:
        if not raw.get(name):
            raise mandatory_missing(name)
        return run(desk, uid, raw, now_ms)

    return checked


def _market(name: str, path: str, run: Run, weight: Weight, *, kind: str = "market") -> Operation:
    return Operation(name=name, kind=kind, run=run, weight=weight, rest=("GET", API + path))


def _signed(
    name: str, verb: str, path: str, kind: str, run: Run, weight: Weight, *, free: bool = False, orders: int = 0
) -> Operation:
    return Operation(
        name=name, kind=kind, run=run, weight=weight, signed=True, rest=(verb, API + path), free_when_ok=free,
        orders=orders,
    )  # fmt: skip


def _replace(desk: Desk, uid: int, raw: Raw, now_ms: int) -> Any:
    """Cancel-replace decides itself what the order count means for it."""
    over_limit = None
    try:
        desk.limits.admit_order(uid, now_ms)
    except BinanceError as refusal:
        over_limit = refusal
    try:
        answer = desk.exchange.replace(uid, raw, now_ms, over_limit=over_limit)
    except ReplaceFailed:  # counted even when the new order was not attempted
        desk.limits.count_order(uid, 1, now_ms)
        raise
    desk.limits.count_order(uid, 1, now_ms)
    return answer


OPERATIONS: tuple[Operation, ...] = (
    _market("ping", "/ping", _ping, _flat(1), kind="general"),
    _market("time", "/time", _time, _flat(1), kind="general"),
    _market("exchangeInfo", "/exchangeInfo", _exchange_info, _flat(20), kind="general"),
    _market("depth", "/depth", _depth, _depth_weight),
    _market("trades.recent", "/trades", _trades, _flat(25)),
    _market("trades.historical", "/historicalTrades", _historical_trades, _flat(25)),
    _market("trades.aggregate", "/aggTrades", _agg_trades, _flat(4)),
    _market("klines", "/klines", _klines, _flat(2)),
    _market("uiKlines", "/uiKlines", _klines, _flat(2)),
    _market("avgPrice", "/avgPrice", _avg_price, _flat(2)),
    _market("ticker.price", "/ticker/price", _ticker_price, _by_symbol(2, 4)),
    _market("ticker.book", "/ticker/bookTicker", _ticker_book, _by_symbol(2, 4)),
    _market("ticker.24hr", "/ticker/24hr", _ticker_day, _day_weight),
    _signed("order.place", "POST", "/order", "place", _account_call("place"), _flat(1), free=True,
            orders=1),
    _signed("order.test", "POST", "/order/test", "test", _account_call("test_order"), _test_weight),
    _signed("order.status", "GET", "/order", "query", _account_call("query"), _flat(4)),
    _signed("order.cancel", "DELETE", "/order", "cancel", _account_call("cancel"), _flat(1), free=True),
    _signed("openOrders.status", "GET", "/openOrders", "open_orders", _account_call("open_orders"), _by_symbol(6, 80)),
    _signed("openOrders.cancelAll", "DELETE", "/openOrders", "cancel_all",
            _required("symbol", _account_call("cancel_all")), _flat(1), free=True),
    _signed("order.cancelReplace", "POST", "/order/cancelReplace", "replace", _replace, _flat(1), free=True),
    _signed("order.amend.keepPriority", "PUT", "/order/amend/keepPriority", "amend", _account_call("amend"), _flat(4),
            free=True),
    _signed("order.amendments", "GET", "/order/amendments", "query", _account_call("amendments"), _flat(4)),
    _signed("orderList.place.oco", "POST", "/orderList/oco", "place_list", _account_call("place_oco"), _flat(1), free=True,
            orders=2),
    _signed("orderList.place.oto", "POST", "/orderList/oto", "place_list", _account_call("place_oto"), _flat(1), free=True,
            orders=2),
    _signed("orderList.place.otoco", "POST", "/orderList/otoco", "place_list", _account_call("place_otoco"), _flat(1),
            free=True, orders=3),
    _signed("orderList.cancel", "DELETE", "/orderList", "cancel_list", _account_call("cancel_list"), _flat(1), free=True),
    _signed("orderList.status", "GET", "/orderList", "query_list", _account_call("query_list"), _flat(4)),
    _signed("openOrderLists.status", "GET", "/openOrderList", "query_list", _account_call("open_lists"), _flat(6)),
    _signed("allOrderLists", "GET", "/allOrderList", "query_list", _account_call("all_lists"), _flat(20)),
    _signed("allOrders", "GET", "/allOrders", "all_orders", _account_call("all_orders"), _flat(20)),
    _signed("myTrades", "GET", "/myTrades", "my_trades", _account_call("my_trades"), _trades_weight),
    _signed("myPreventedMatches", "GET", "/myPreventedMatches", "my_trades", _account_call("prevented_matches"),
            _flat(20)),
    _signed("account.status", "GET", "/account", "account", _account_call("account"), _flat(20)),
    _signed("account.commission", "GET", "/account/commission", "account", _account_call("commission"), _flat(20)),
    _signed("account.rateLimits.orders", "GET", "/rateLimit/order", "account", _order_limits, _flat(40)),
)  # fmt: skip

BY_REST: Mapping[tuple[str, str], Operation] = {each.rest: each for each in OPERATIONS if each.rest}
BY_WS: Mapping[str, Operation] = {each.name: each for each in OPERATIONS}
REST_PATHS = frozenset(path for _, path in BY_REST)
