"""The requests that change orders: place, test, cancel, cancel all."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from . import errors, payloads
from .core import Core
from .matching import Matcher
from .numbers import ZERO, down, reserve, wire
from .orders import Order
from .pair import Pair
from .params import CLIENT_ID, SYMBOL, Params
from .request import PlaceRequest, read_place

Json = dict[str, Any]
_RESTRICTIONS = {"ONLY_NEW": "NEW", "ONLY_PARTIALLY_FILLED": "PARTIALLY_FILLED"}


class Trading:
    """Order entry over one `Core`. `lookup_after_cancel`: whether the original client id still finds an order
    after its cancel gave it another one (Binance documents neither)."""

    def __init__(self, core: Core, matcher: Matcher, *, lookup_after_cancel: bool) -> None:
        self.core = core
        self.matcher = matcher
        self.lookup_after_cancel = lookup_after_cancel

    def place(self, uid: int, raw: Mapping[str, str], now_ms: int) -> Json:
        """Place an order; the FULL answer."""
        request = read_place(Params(raw))
        pair = self.core.pair(request.symbol)
        order, spend = self._accept(uid, pair, request, now_ms)
        order.order_id = pair.take_order_id()
        pair.admit(order)
        self.core.lock(pair, order, spend)
        self.core.report(pair, order, "NEW", now_ms)
        if order.tif != "FOK" or not self.matcher.reach(pair, order).exhausted:
            self.matcher.take(pair, order, now_ms)
        self._conclude(pair, order, now_ms)
        self.core.settle_positions(now_ms)
        self.core.tell_touch(pair)
        return payloads.placed(order, now_ms)

    def test(self, uid: int, raw: Mapping[str, str], now_ms: int) -> Json:
        """Check an order without placing it; with computeCommissionRates the rates it would pay."""
        request = read_place(Params(raw), extra=("computeCommissionRates",))
        pair = self.core.pair(request.symbol)
        self._check(uid, pair, request, now_ms)
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

    def _check(self, uid: int, pair: Pair, request: PlaceRequest, now_ms: int) -> None:
        rules = pair.rules
        if request.type not in rules.order_types:
            raise _unsupported(request.type)
        if request.price or request.type != "MARKET":
            rules.check_price(request.price)
        market = request.type == "MARKET"
        if request.qty is not None:
            rules.check_quantity(request.qty, market=market)
        else:
            rules.check_quote_quantity(request.quote_qty or ZERO)
        average = pair.average_price(now_ms)
        if not market:
            rules.check_percent_price(request.price, average, buy=request.side == "BUY")
        if request.qty is None:
            rules.check_notional(request.quote_qty or ZERO, market=True)
        elif not market:
            rules.check_notional(request.qty * request.price, market=False)
        elif average:
            rules.check_notional(request.qty * average, market=True)
        if request.stp is not None and request.stp not in rules.allowed_stp:
            raise errors.invalid_message("This symbol does not allow the specified self-trade prevention mode.")
        if len(pair.open.get(uid, ())) >= rules.max_num_orders:
            raise errors.filter_failure("MAX_NUM_ORDERS")

    def _accept(self, uid: int, pair: Pair, request: PlaceRequest, now_ms: int) -> tuple[Order, Decimal]:
        """Everything that can refuse the order; the order and what to lock for it."""
        if pair.rules.status != "TRADING":
            raise errors.market_closed()
        self._check(uid, pair, request, now_ms)
        if _twin(pair, uid, request.client_id) is not None:
            raise errors.duplicate_order()
        order = self._order(uid, pair, request, now_ms)
        spend = self._size(pair, order, request, now_ms)
        if spend > self.core.ledger.accounts[uid].free(pair.rules.quote if order.is_buy else pair.rules.base):
            raise errors.insufficient_balance()
        if order.type == "LIMIT_MAKER" and self._would_take(pair, order):
            raise errors.would_take()
        return order, spend

    def _order(self, uid: int, pair: Pair, request: PlaceRequest, now_ms: int) -> Order:
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
        )

    def _size(self, pair: Pair, order: Order, request: PlaceRequest, now_ms: int) -> Decimal:
        """Fix the quantity of an order by quote amount; return what the order may spend."""
        if request.quote_qty is not None:
            return self._size_by_quote(pair, order, request.quote_qty, now_ms)
        if not order.is_buy:
            return order.qty
        if order.type == "MARKET":
            reach = self.matcher.reach(pair, order)
            # a quantity beyond the book must be affordable too: its rest is valued at the average price
            rest = (order.qty - reach.qty) * (pair.average_price(now_ms) or ZERO)
            if reach.cost + rest > self.core.ledger.accounts[order.uid].free(pair.rules.quote):
                raise errors.insufficient_balance()
            return reach.cost
        return reserve(order.price, order.qty)

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

    @staticmethod
    def _would_take(pair: Pair, order: Order) -> bool:
        best = pair.book.against(buy=order.is_buy).best()
        return best is not None and (best[0] <= order.price if order.is_buy else best[0] >= order.price)

    def _conclude(self, pair: Pair, order: Order, now_ms: int) -> None:
        if not order.is_live:
            return
        if order.type == "MARKET":
            self.core.expire(pair, order, "INSUFFICIENT_LIQUIDITY", now_ms)
        elif order.tif == "IOC":
            self.core.expire(pair, order, "UNFILLED_IOC_QUANTITY_EXPIRED", now_ms)
        elif order.tif == "FOK":
            self.core.expire(pair, order, "UNFILLED_FOK_ORDER_EXPIRED", now_ms)
        else:
            pair.book.own(buy=order.is_buy).add(order)

    def cancel(self, uid: int, raw: Mapping[str, str], now_ms: int) -> Json:
        """Cancel one open order."""
        params = Params(raw)
        pair = self.core.pair(params.required("symbol", SYMBOL))
        order_id, client_id = params.integer("orderId"), params.text("origClientOrderId", CLIENT_ID)
        new_id = params.text("newClientOrderId", CLIENT_ID)
        restriction = params.text("cancelRestrictions")
        params.done()
        if restriction is not None and restriction not in _RESTRICTIONS:
            raise errors.bad_cancel_restrictions()
        order = find(pair, uid, order_id, client_id)
        if order is None or not order.is_live:
            raise errors.cancel_rejected()
        if restriction is not None and order.shown_status != _RESTRICTIONS[restriction]:
            raise errors.cancel_rejected("Order was not canceled due to cancel restrictions.")
        answer = self._cancel(pair, order, new_id if new_id is not None else self.core.new_client_id(), now_ms)
        self.core.settle_positions(now_ms)
        self.core.tell_touch(pair)
        return answer

    def cancel_all(self, uid: int, raw: Mapping[str, str], now_ms: int) -> list[Json]:
        """Cancel every open order of the account on one symbol."""
        params = Params(raw)
        pair = self.core.pair(params.required("symbol", SYMBOL))
        params.done()
        live = pair.open_of(uid)
        if not live:
            raise errors.cancel_rejected()
        new_id = self.core.new_client_id()
        answers = [self._cancel(pair, order, new_id, now_ms) for order in live]
        self.core.settle_positions(now_ms)
        self.core.tell_touch(pair)
        return answers

    def _cancel(self, pair: Pair, order: Order, new_id: str, now_ms: int) -> Json:
        original = order.client_id
        pair.book.own(buy=order.is_buy).remove(order)
        self.core.end(pair, order, "CANCELED", now_ms)
        pair.rename(order, new_id, keep_old=self.lookup_after_cancel)
        pair.book.update_id += 1
        self.core.report(pair, order, "CANCELED", now_ms, original_id=original)
        return payloads.cancelled(order, original, now_ms)


def _unsupported(order_type: str) -> errors.BinanceError:
    """What a symbol answers to an order type it does not list."""
    if order_type == "MARKET":
        return errors.rejected("Market orders are not supported for this symbol.")
    return errors.invalid_type()


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
