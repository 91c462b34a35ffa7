"""Orders and fills as the exchange keeps them."""

from __future__ import annotations

from decimal import Decimal

import attrs

from .numbers import ZERO

LIVE = frozenset({"NEW", "PARTIALLY_FILLED", "PENDING_NEW"})
STOPS = frozenset({"STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT"})
AT_MARKET = frozenset({"MARKET", "STOP_LOSS", "TAKE_PROFIT"})
NOT_IN_A_LIST = -1


@attrs.frozen(kw_only=True)
class Fill:
    """One account's side of one trade. `hidden` fills happened but are kept out of every answer (a planted lie)."""

    trade_id: int
    order_id: int
    uid: int
    symbol: str
    price: Decimal
    qty: Decimal
    quote: Decimal
    fee: Decimal
    fee_asset: str
    time_ms: int
    is_buyer: bool
    is_maker: bool
    hidden: bool = False


@attrs.frozen(kw_only=True)
class Prevention:
    """One match that self-trade prevention stopped. A quantity is what that side lost, None when it lost nothing."""

    match_id: int
    taker_order_id: int
    maker_order_id: int
    mode: str
    price: Decimal
    taker_qty: Decimal | None
    maker_qty: Decimal | None
    time_ms: int


@attrs.frozen(kw_only=True)
class Amendment:
    """One reduction of an order's quantity that kept its place."""

    execution_id: int
    original_id: str
    new_id: str
    original_qty: Decimal
    new_qty: Decimal
    time_ms: int


@attrs.define(kw_only=True, eq=False)
class Order:
    """One order. `client_id` is what the exchange stores now (a cancel replaces it), `placed_id` what it was placed
    with. `locked` is what the order still holds of the asset it spends. `hidden_*` is the part of the executed
    amounts that the lies keep out of answers. `working` is False while a stop waits for its price, or a pending leg for
    its working order. `best` is the price a trailing stop has followed so far, `trailing_ms` since when it follows."""

    uid: int
    symbol: str
    order_id: int
    client_id: str
    placed_id: str
    side: str
    type: str
    tif: str
    price: Decimal
    qty: Decimal
    quote_qty: Decimal
    stp: str
    time_ms: int
    strategy_id: int | None = None
    strategy_type: int | None = None
    status: str = "NEW"
    stop: Decimal = ZERO
    trailing: int | None = None
    best: Decimal | None = None
    trailing_ms: int | None = None
    list_id: int = NOT_IN_A_LIST
    working: bool = True
    working_ms: int | None = None
    updated_ms: int = 0
    executed: Decimal = ZERO
    quote_done: Decimal = ZERO
    locked: Decimal = ZERO
    expiry_reason: str | None = None
    prevented_match_id: int | None = None
    prevented_qty: Decimal = ZERO
    hidden_qty: Decimal = ZERO
    hidden_quote: Decimal = ZERO
    fills: list[Fill] = attrs.field(factory=list)
    preventions: list[Prevention] = attrs.field(factory=list)
    amendments: list[Amendment] = attrs.field(factory=list)

    @property
    def is_buy(self) -> bool:
        """True for BUY."""
        return self.side == "BUY"

    @property
    def is_live(self) -> bool:
        """True while the order can still trade."""
        return self.status in LIVE

    @property
    def may_rest(self) -> bool:
        """True for an order that waits on the book for what it does not get at once."""
        return not self.at_market and self.tif == "GTC"

    @property
    def at_market(self) -> bool:
        """True for an order that takes whatever price there is (a stop: once its price was reached)."""
        return self.type in AT_MARKET

    @property
    def is_stop(self) -> bool:
        """True for an order that waits for a price before it works."""
        return self.type in STOPS

    @property
    def rests(self) -> bool:
        """True for a live order that lies on the book."""
        return self.is_live and self.working and self.may_rest

    @property
    def remaining(self) -> Decimal:
        """What can still be executed: neither executed nor taken away by self-trade prevention."""
        return self.qty - self.executed - self.prevented_qty

    @property
    def shown_status(self) -> str:
        """The status in answers: a fill kept hidden that completed the order looks like an expiry."""
        if not self.hidden_qty:
            return self.status
        if self.status == "FILLED":
            return "EXPIRED"
        if self.status == "PARTIALLY_FILLED" and self.executed == self.hidden_qty:
            return "NEW"
        return self.status

    @property
    def shown_expiry(self) -> str | None:
        """Why the order expired, as answers tell it."""
        if self.status == "FILLED" and self.hidden_qty:
            return "EXCHANGE_CANCELED"
        return self.expiry_reason

    @property
    def shown_executed(self) -> Decimal:
        """The executed quantity in answers."""
        return self.executed - self.hidden_qty

    @property
    def shown_quote(self) -> Decimal:
        """The executed quote amount in answers."""
        return self.quote_done - self.hidden_quote
