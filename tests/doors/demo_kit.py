"""Small makers for the demo's tests: a market, books with one bought order, and the exchange's word about it."""

from decimal import Decimal
from typing import Any

import attrs

from order_factories import BASE, QUOTE, SYMBOL, a_book, a_report, a_trade, an_order, at
from realtrading.domain.events import OrderFilled
from realtrading.domain.orders import RealOrder, merge
from realtrading.domain.positions import book_order
from realtrading.domain.values import Side, SymbolRules
from realtrading.doors.demo.books import Books
from realtrading.doors.demo.faults import FaultRecord
from realtrading.doors.demo.simulator import Ready
from realtrading.doors.demo.verdict import About, Minimum, Truth, Verdict, judge

UID = 1001
ABOUT = About(symbol=SYMBOL, tape="a tape", tape_trades=100, tape_span_s=50.0, speed=2.5, duration_s=20.0)
RULES = SymbolRules(
    symbol=SYMBOL,
    base=BASE,
    quote=QUOTE,
    status="TRADING",
    tick=Decimal("0.01"),
    step=Decimal("0.001"),
    quantity_min=Decimal("0.001"),
    quantity_max=Decimal(9000),
    price_min=Decimal("0.01"),
    price_max=Decimal(1_000_000),
    notional_min=Decimal(5),
)


def filled(side: Side = Side.BUY, *, id: str = "rt_1_grid_n1", fee: str = "0.001", exchange_id: int = 1) -> RealOrder:
    """An order over 1 BTC at 100, filled by trade `exchange_id`, its fee in what was received."""
    asset = BASE if side is Side.BUY else QUOTE
    trade = a_trade(exchange_id, "1", side=side, fee=fee, fee_asset=asset, exchange_id=exchange_id)
    report = a_report("FILLED", "1", trade, side=side, client_id=id, exchange_id=exchange_id)
    return merge(an_order(side, id=id), report, at(5)).order


def books_of(*orders: RealOrder) -> Books:
    """What a journal with these filled orders says; the account began with 1,000 USDT."""
    books, position = Books(), a_book()
    totals = {QUOTE: Decimal(1000), BASE: Decimal(0)}
    for order in orders:
        books.note(OrderFilled(order=order), RULES)
        position = book_order(position, order, BASE, QUOTE, at(5)).book
        sign = 1 if order.side is Side.BUY else -1
        for fill in order.fills:
            totals[BASE] += sign * fill.quantity
            totals[QUOTE] -= sign * fill.quote_quantity
            totals[fill.commission_asset] -= fill.commission
    books.totals = totals
    books.positions[position.key] = position
    return books


def told(order: RealOrder, **other: Any) -> dict[str, Any]:
    """The exchange's word about a filled order of `filled`."""
    told = {"clientOrderId": order.id, "orderId": order.exchange_order_id, "status": "FILLED", "executedQty": "1"}
    return told | other


def trade(order: RealOrder, **other: Any) -> dict[str, Any]:
    """The exchange's word about its trade."""
    fill = order.fills[0]
    fee = {"commission": format(fill.commission.normalize(), "f"), "commissionAsset": fill.commission_asset}
    side = {"isBuyer": order.side is Side.BUY, "id": fill.trade_id, "orderId": order.exchange_order_id}
    return {"price": "100", "qty": "1", "quoteQty": "100", **fee, **side} | other


def truth_of(*orders: RealOrder, totals: dict[str, str]) -> Truth:
    """What the exchange knows when these orders are all there was."""
    return Truth(
        totals=totals,
        orders=[told(order) for order in orders],
        trades=[trade(order) for order in orders],
        by_client_id={order.id: {"place_requests": 1, "orders_created": 1} for order in orders},
    )


def verdict_of(books: Books, truth: Truth, *faults: FaultRecord, least: int = 0, **outside: Any) -> Verdict:
    """Judge with a minimum of `least` of everything, 0 unless that is what the test is about."""
    minimum = Minimum(**{field.name: least for field in attrs.fields(Minimum)})
    return judge(books, truth, RULES, ABOUT, faults, minimum=minimum, **outside)


def ready(**other: Any) -> Ready:
    """A simulator that plays a good tape."""
    url = "http://127.0.0.1:1"
    plain = {"rest_url": url, "ws_api_url": url, "stream_url": url, "control_url": url, "key": "k", "secret": "s"}
    return Ready(**({**plain, "uid": UID, "symbol": SYMBOL, "tape_trades": 100, "tape_span_s": 5.0, "tape_moves": 50} | other))
