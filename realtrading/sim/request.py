"""A place request, read and checked as far as that needs no knowledge of the symbol or the account."""

from __future__ import annotations

from decimal import Decimal

import attrs

from . import errors
from .numbers import ZERO
from .orders import AT_MARKET, STOPS
from .params import CLIENT_ID, SYMBOL, Params

_PEG = ("pegPriceType", "pegOffsetType", "pegOffsetValue")
_STOP = ("stopPrice", "trailingDelta")
_PRICED = ("LIMIT", "LIMIT_MAKER", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT")
_TIMED = ("LIMIT", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT")
_KINDS = ("LIMIT", "MARKET", "LIMIT_MAKER", *sorted(STOPS))
_LOWEST_STRATEGY = 1_000_000
_MODES = ("NONE", "EXPIRE_MAKER", "EXPIRE_TAKER", "EXPIRE_BOTH", "DECREMENT", "TRANSFER")


@attrs.frozen(kw_only=True)
class PlaceRequest:
    """What the client asks for. `price` is zero for orders at market; of `qty` and `quote_qty` one is None.

    `stop` is zero, `trailing` (in hundredths of a percent) None where not asked for; a stop has one of them or both.
    """

    symbol: str
    side: str
    type: str
    tif: str
    price: Decimal
    qty: Decimal | None
    quote_qty: Decimal | None
    client_id: str | None
    stp: str | None
    strategy_id: int | None
    strategy_type: int | None
    stop: Decimal = ZERO
    trailing: int | None = None


def read_place(params: Params, *, extra: tuple[str, ...] = ()) -> PlaceRequest:
    """Read POST /api/v3/order. `extra` names parameters of the endpoint beside those of the order.

    Raises BinanceError -1100, -1102, -1104, -1105, -1106, -1115, -1116, -1117, -1130, -1134 or -2010.
    """
    symbol = params.required("symbol", SYMBOL)
    side = params.required("side")
    if side not in ("BUY", "SELL"):
        raise errors.invalid_side()
    kind = params.required("type")
    if kind not in _KINDS:
        raise errors.invalid_type()
    _refuse_unsupported(params, kind)
    price, qty, quote_qty, tif = ZERO, None, None, "GTC"
    if kind == "MARKET":
        qty, quote_qty = _market_amounts(params)
    else:
        if kind in _TIMED:
            tif = params.required("timeInForce")
            if tif not in ("GTC", "IOC", "FOK"):
                raise errors.invalid_tif()
        params.refuse("quoteOrderQty")
        qty = params.required_decimal("quantity")
        if kind in _PRICED:
            price = params.required_decimal("price")
    stop, trailing = _stop(params) if kind in STOPS else (ZERO, None)
    request = PlaceRequest(
        symbol=symbol,
        side=side,
        type=kind,
        tif=tif,
        price=price,
        qty=qty,
        quote_qty=quote_qty,
        client_id=params.text("newClientOrderId", CLIENT_ID),
        stp=_choice(params, "selfTradePreventionMode", _MODES),
        strategy_id=params.integer("strategyId"),
        strategy_type=params.integer("strategyType"),
        stop=stop,
        trailing=trailing,
    )
    if request.strategy_type is not None and request.strategy_type < _LOWEST_STRATEGY:
        raise errors.bad_strategy_type()
    _choice(params, "newOrderRespType", ("ACK", "RESULT", "FULL"))
    for name in extra:
        params.flag(name)
    params.done()
    return request


def _market_amounts(params: Params) -> tuple[Decimal | None, Decimal | None]:
    params.refuse("price")
    if params.sent("quantity"):
        params.refuse("quoteOrderQty")
        return params.required_decimal("quantity"), None
    if not params.sent("quoteOrderQty"):
        raise errors.one_of_missing("quantity", "quoteOrderQty")
    return None, params.required_decimal("quoteOrderQty")


def _stop(params: Params) -> tuple[Decimal, int | None]:
    """The stop price and the trailing delta, at least one of which a stop must have."""
    if not params.sent("stopPrice") and not params.sent("trailingDelta"):
        raise errors.one_of_missing("stopPrice", "trailingDelta")
    stop = params.required_decimal("stopPrice") if params.sent("stopPrice") else ZERO
    return stop, params.integer("trailingDelta")


def _refuse_unsupported(params: Params, kind: str) -> None:
    if kind not in STOPS:
        params.refuse(*_STOP)
    if kind not in _TIMED:
        params.refuse("timeInForce")
    if kind in STOPS & AT_MARKET:
        params.refuse("price")
    if params.sent("icebergQty"):
        if kind in AT_MARKET:
            params.refuse("icebergQty")
        raise errors.rejected("Iceberg orders are not supported for this symbol.")
    if any(params.sent(name) for name in _PEG):
        raise errors.rejected("Pegged orders are not supported for this symbol.")


def _choice(params: Params, name: str, values: tuple[str, ...]) -> str | None:
    value = params.text(name)
    if value is not None and value not in values:
        raise errors.invalid_data(name)
    return value
