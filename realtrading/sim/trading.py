"""The requests that change orders: place, test, cancel, cancel all."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from . import errors, payloads
from .aftermath import Aftermath, need, rises
from .core import Core
from .lists import OrderList
from .matching import Matcher
from .numbers import ZERO, down, wire
from .orders import AT_MARKET, STOPS, Order
from .pair import Pair
from .params import CLIENT_ID, SYMBOL, Params
from .request import PlaceRequest, read_place
from .rules import SymbolRules

Json = dict[str, Any]
RESTRICTIONS = {"ONLY_NEW": "NEW", "ONLY_PARTIALLY_FILLED": "PARTIALLY_FILLED"}


class Trading:
    """Order entry over one `Core`. `lookup_after_cancel`: whether the original client id still finds an order
    after its cancel gave it another one (Binance documents neither)."""

    def __init__(self, core: Core, matcher: Matcher, aftermath: Aftermath, *, lookup_after_cancel: bool) -> None:
        self.core = core
        self.matcher = matcher
        self.aftermath = aftermath
        self.lookup_after_cancel = lookup_after_cancel

    def place(self, uid: int, raw: Mapping[str, str], now_ms: int) -> Json:
        """Place an order; the FULL answer."""
        request = read_place(Params(raw))
        pair = self.core.pair(request.symbol)
        self.check(uid, pair, request, now_ms)
        order = self.enter(uid, pair, request, now_ms)
        self.settle(pair, now_ms)
        return payloads.placed(order, now_ms)

    def enter(self, uid: int, pair: Pair, request: PlaceRequest, now_ms: int) -> Order:
        """Let a request that has passed the rules into the book; raises -2010 when the account or the book refuse it."""
        order = self.order(uid, pair, request, now_ms)
        spend = self._size(pair, order, request, now_ms)
        self.aftermath.afford(pair, order, spend)
        self.aftermath.check(pair, order)
        order.order_id = pair.take_order_id()
        pair.admit(order)
        self.core.lock(pair, order, spend)
        self.aftermath.start(pair, order, now_ms)
        return order

    def settle(self, pair: Pair, now_ms: int) -> None:
        """What follows from an operation, and who is to be told of it."""
        self.aftermath.run(pair, now_ms)
        self.core.settle_positions(now_ms)
        self.core.tell_touch(pair)

    def test(self, uid: int, raw: Mapping[str, str], now_ms: int) -> Json:
        """Check an order without placing it; with computeCommissionRates the rates it would pay."""
        request = read_place(Params(raw), extra=("computeCommissionRates",))
        pair = self.core.pair(request.symbol)
        self._filter(uid, pair, request, now_ms)
        if raw.get("computeCommissionRates", "").lower() != "true":
            return {}
        buy = request.side == "BUY"
        fee = self.core.fee
        answer: Json = {}
        for name, rates in (("standard", fee.standard), ("special", fee.special), ("tax", fee.tax)):
            answer[f"{name}CommissionForOrder"] = {
                "maker": wire(rates.of(is_maker=True, is_buyer=buy)),
                "taker": wire(rates.of(is_maker=False, is_buyer=buy)),
            }
        holder = self.core.ledger.accounts[uid]
        answer["discount"] = fee.discount_json(bnb_enabled=holder.pays_in_bnb)
        return answer

    def check(self, uid: int, pair: Pair, request: PlaceRequest, now_ms: int) -> None:
        """Raise what the symbol's status, filters and open client ids say against the request."""
        if pair.rules.status != "TRADING":
            raise errors.market_closed()
        self._filter(uid, pair, request, now_ms)
        if _twin(pair, uid, request.client_id) is not None:
            raise errors.duplicate_order()

    def _filter(self, uid: int, pair: Pair, request: PlaceRequest, now_ms: int) -> None:
        rules, average = pair.rules, pair.average_price(now_ms)
        market = request.type in AT_MARKET
        if request.type not in rules.order_types:
            raise _unsupported(request.type)
        if not market:
            rules.check_price(request.price)
        if request.stop:
            rules.check_price(request.stop)
        if request.trailing is not None:
            rules.check_trailing(request.trailing, above=rises(request))
        if request.qty is not None:
            rules.check_quantity(request.qty, market=market)
        else:
            rules.check_quote_quantity(request.quote_qty or ZERO)
        if not market:
            rules.check_percent_price(request.price, average, buy=request.side == "BUY")
        self._notional(rules, request, average, market=market)
        if request.stp is not None and request.stp not in rules.allowed_stp:
            raise errors.invalid_message("This symbol does not allow the specified self-trade prevention mode.")
        self._counts(uid, pair, request)

    @staticmethod
    def _notional(rules: SymbolRules, request: PlaceRequest, average: Decimal, *, market: bool) -> None:
        if request.qty is None:
            rules.check_notional(request.quote_qty or ZERO, market=True)
        elif not market:
            rules.check_notional(request.qty * request.price, market=False)
        elif average:
            rules.check_notional(request.qty * average, market=True)

    def _counts(self, uid: int, pair: Pair, request: PlaceRequest) -> None:
        rules, live = pair.rules, pair.open_of(uid)
        if len(live) >= rules.max_num_orders:
            raise errors.filter_failure("MAX_NUM_ORDERS")
        if request.type in STOPS and sum(order.is_stop for order in live) >= rules.max_num_algo_orders:
            raise errors.filter_failure("MAX_NUM_ALGO_ORDERS")
        if request.side == "BUY" and request.qty is not None:
            held = self.core.ledger.accounts[uid].balance(rules.base)
            coming = sum((order.remaining for order in live if order.is_buy), ZERO)
            rules.check_position(held.free + held.locked + coming, request.qty)

    def order(self, uid: int, pair: Pair, request: PlaceRequest, now_ms: int) -> Order:
        """The order that the request asks for, not known to anybody yet."""
        client_id = request.client_id if request.client_id is not None else self.core.new_client_id()
        return Order(
            uid=uid,
            symbol=request.symbol,
            order_id=0,
            client_id=client_id,
            placed_id=client_id,
            side=request.side,
            type=request.type,
            tif=request.tif,
            price=request.price,
            qty=request.qty if request.qty is not None else ZERO,
            quote_qty=request.quote_qty if request.quote_qty is not None else ZERO,
            stp=request.stp if request.stp is not None else pair.rules.default_stp,
            time_ms=now_ms,
            updated_ms=now_ms,
            strategy_id=request.strategy_id,
            strategy_type=request.strategy_type,
            stop=request.stop,
            trailing=request.trailing,
        )

    def _size(self, pair: Pair, order: Order, request: PlaceRequest, now_ms: int) -> Decimal:
        """Fix the quantity of an order by quote amount; return what the order may spend."""
        if request.quote_qty is not None:
            return self._size_by_quote(pair, order, request.quote_qty, now_ms)
        if order.is_buy and order.type == "MARKET":
            reach = self.matcher.reach(pair, order)
            # a quantity beyond the book must be affordable too: its rest is valued at the average price
            rest = (order.qty - reach.qty) * (pair.average_price(now_ms) or ZERO)
            if reach.cost + rest > self.core.ledger.accounts[order.uid].free(pair.rules.quote):
                raise errors.insufficient_balance()
            return reach.cost
        return need(pair, order)

    def _size_by_quote(self, pair: Pair, order: Order, amount: Decimal, now_ms: int) -> Decimal:
        if order.is_buy and amount > self.core.ledger.accounts[order.uid].free(pair.rules.quote):
            raise errors.insufficient_balance()
        reach = self.matcher.reach(pair, order, budget=amount)
        if reach.exhausted and reach.qty < pair.rules.min_qty:
            raise errors.rejected("Order book liquidity is less than symbol minimum quantity.")
        if reach.qty < pair.rules.min_qty:
            raise errors.filter_failure("LOT_SIZE")
        if reach.qty > pair.rules.market_max_qty:
            raise errors.filter_failure("MARKET_LOT_SIZE")
        order.qty = reach.qty
        if reach.exhausted:  # the unspent rest stays in the quantity, so that the order ends EXPIRED and not FILLED
            rest = (amount - reach.cost) / (pair.average_price(now_ms) or amount)
            order.qty += max(pair.rules.step, down(rest, pair.rules.step))
        return reach.cost if order.is_buy else reach.qty

    def cancel(self, uid: int, raw: Mapping[str, str], now_ms: int) -> Json:
        """Cancel one open order."""
        params = Params(raw)
        pair = self.core.pair(params.required("symbol", SYMBOL))
        order_id, client_id = params.integer("orderId"), params.text("origClientOrderId", CLIENT_ID)
        new_id = params.text("newClientOrderId", CLIENT_ID)
        restriction = params.text("cancelRestrictions")
        params.done()
        if restriction is not None and restriction not in RESTRICTIONS:
            raise errors.bad_cancel_restrictions()
        order = find(pair, uid, order_id, client_id)
        if order is None or not order.is_live:
            raise errors.cancel_rejected()
        if restriction is not None and order.shown_status != RESTRICTIONS[restriction]:
            raise errors.cancel_rejected("Order was not canceled due to cancel restrictions.")
        answer = self.withdraw(pair, order, new_id, now_ms)
        self.settle(pair, now_ms)
        return answer

    def withdraw(self, pair: Pair, order: Order, new_id: str | None, now_ms: int) -> Json:
        """Cancel a live order, and with it the list it belongs to; the answer for the order itself."""
        new_id = self.core.new_client_id() if new_id is None else new_id
        listed = self.core.lists.get(order.list_id)
        together = [order] if listed is None else [each for each in listed.orders if each.is_live]
        answers = {each.order_id: self._cancel(pair, each, new_id, now_ms) for each in together}
        return answers[order.order_id]

    def cancel_all(self, uid: int, raw: Mapping[str, str], now_ms: int) -> list[Json]:
        """Cancel every open order of the account on one symbol."""
        params = Params(raw)
        pair = self.core.pair(params.required("symbol", SYMBOL))
        params.done()
        live = pair.open_of(uid)
        if not live:
            raise errors.cancel_rejected()
        new_id = self.core.new_client_id()
        answers = []
        for order in live:
            listed = self.core.lists.get(order.list_id)
            if listed is None:
                answers.append(self.withdraw(pair, order, new_id, now_ms))
            elif order.is_live:  # the one before may have taken its whole list with it
                answers.append(self.cancel_list(pair, listed, new_id, now_ms))
        self.settle(pair, now_ms)
        return answers

    def cancel_list(self, pair: Pair, listed: OrderList, new_id: str | None, now_ms: int) -> Json:
        """Cancel what lives of a list; its answer, as it will be when all of it has ended."""
        new_id = self.core.new_client_id() if new_id is None else new_id
        before = {order.order_id: order.client_id for order in listed.orders}
        reports = [self._cancel(pair, order, new_id, now_ms) for order in listed.orders if order.is_live]
        self.aftermath.run(pair, now_ms)
        answer = payloads.listed(listed, client_ids=before)
        return {**answer, "orderReports": reports}

    def _cancel(self, pair: Pair, order: Order, new_id: str, now_ms: int) -> Json:
        original = order.client_id
        if order.rests:
            pair.book.own(buy=order.is_buy).remove(order)
        self.core.end(pair, order, "CANCELED", now_ms)
        pair.rename(order, new_id, keep_old=self.lookup_after_cancel)
        pair.book.update_id += 1
        self.core.report(pair, order, "CANCELED", now_ms, original_id=original)
        return payloads.cancelled(order, original, now_ms)


def _unsupported(order_type: str) -> errors.BinanceError:
    """What a symbol answers to an order type it does not list."""
    if order_type in ("LIMIT", "LIMIT_MAKER"):
        return errors.invalid_type()
    name = order_type.capitalize().replace("_", " ")
    return errors.rejected(f"{name} orders are not supported for this symbol.")


def _twin(pair: Pair, uid: int, client_id: str | None) -> Order | None:
    """The open order that carries this client id."""
    found = pair.by_client.get((uid, client_id)) if client_id is not None else None
    return found if found is not None and found.is_live else None


def find(pair: Pair, uid: int, order_id: int | None, client_id: str | None) -> Order | None:
    """The account's order by id, by client id, or by both when they agree.

    Raises -1102 when neither is given, -2039 when both are and name different orders.
    """
    if order_id is None and client_id is None:
        raise errors.one_of_missing("origClientOrderId", "orderId")
    by_client = pair.by_client.get((uid, client_id)) if client_id is not None else None
    if order_id is None:
        return by_client
    order = pair.orders.get(order_id)
    if order is None or order.uid != uid:
        return None
    if client_id is not None and client_id not in (order.client_id, order.placed_id):
        raise errors.client_id_mismatch()
    return order
