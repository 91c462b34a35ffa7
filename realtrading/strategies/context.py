"""What a strategy can reach: its own view, quotes and rules, and a way to propose. Nothing else."""
from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

from realtrading.domain.commands import CancelOrder, OrderIntent, SubmitOrder
from realtrading.domain.orders import RealOrder
from realtrading.domain.positions import RealPosition
from realtrading.domain.values import (
    ZERO,
    BadAmount,
    ClientId,
    Now,
    OrderType,
    Quote,
    Role,
    Side,
    SymbolRules,
    TimeInForce,
    checked,
    plain,
    round_down,
    round_up,
)

from .base import IntentRefused
from .view import View

IN_FLIGHT_MAX = 20


class Context:
    """Handed to every callback, one and the same for the life of the strategy's object.

    Reading shows the view as of `now`; proposals leave when the callback has returned.
    """

    def __init__(
        self,
        view: View,
        quotes: Callable[[str], Quote | None],
        now: Now,
        *,
        prefix: str,
        run: int,
        in_flight_max: int = IN_FLIGHT_MAX,
    ) -> None:
        self._view = view
        self._quotes = quotes
        self._now = now
        self._prefix = prefix
        self._run = run
        self._in_flight_max = in_flight_max
        self._proposed: dict[str, RealOrder] = {}
        self._outbox: list[SubmitOrder | CancelOrder] = []

    # -- reading --------------------------------------------------------------

    @property
    def name(self) -> str:
        """The strategy's name in the settings."""
        return self._view.name

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols it may trade."""
        return self._view.symbols

    @property
    def now(self) -> Now:
        """When this callback began: `mono` seconds for durations, `utc` for records."""
        return self._now

    @property
    def stopping(self) -> bool:
        """The house has asked for an end: only cancels and what reduces a position are taken."""
        return self._view.stopping is not None

    @property
    def stale(self) -> bool:
        """Letters were lost: orders and positions may be wrong until the house tells all of them again."""
        return bool(self._view.unheard)

    @property
    def orders(self) -> tuple[RealOrder, ...]:
        """Own orders that live or might, those proposed in this callback included (they are PENDING)."""
        return (*self._view.orders(), *self._proposed.values())

    def quote(self, symbol: str) -> Quote | None:
        """Last best prices; None when none was heard yet. Look at `mono` for its age."""
        return self._quotes(self._own(symbol))

    def rules(self, symbol: str) -> SymbolRules | None:
        """What the venue allows on the symbol; None when it has not been told yet."""
        return self._view.rules.get(self._own(symbol))

    def position(self, symbol: str) -> Decimal:
        """Managed quantity of this strategy in base units, negative when short, 0 when flat."""
        return self._view.position(self._own(symbol))

    def position_of(self, symbol: str) -> RealPosition | None:
        """The open position with its entry price and results; None when flat."""
        book = self._view.books.get(self._own(symbol))
        return None if book is None else book.position

    def settled(self, symbol: str) -> bool:
        """No own order of the symbol lives, and `position` counts every fill of the past ones.

        A final order is heard of before the position that its fills make: in between, `position` is one fill behind.
        """
        proposed = any(order.symbol == symbol for order in self._proposed.values())
        return not proposed and self._view.settled(self._own(symbol))

    # -- rounding -------------------------------------------------------------

    def round_quantity(self, symbol: str, quantity: Decimal) -> Decimal:
        """The largest quantity the venue's steps allow that is not above `quantity` (base units, not negative).

        Raises `IntentRefused` while the symbol's rules are not known.
        """
        rules = self._known_rules(symbol)
        step = max(rules.step, rules.market_step)
        return round_down(quantity, step) if step else quantity

    def round_price(self, symbol: str, price: Decimal, *, up: bool = False) -> Decimal:
        """The nearest price on the tick that is not above `price`, or not below it with `up` (quote per base unit).

        Raises `IntentRefused` while the symbol's rules are not known.
        """
        tick = self._known_rules(symbol).tick
        if not tick:
            return price
        return round_up(price, tick) if up else round_down(price, tick)

    # -- proposing ------------------------------------------------------------

    def buy(
        self,
        symbol: str,
        *,
        quantity: Decimal | None = None,
        quote_quantity: Decimal | None = None,
        price: Decimal | None = None,
        order_type: OrderType | None = None,
        time_in_force: TimeInForce | None = None,
        rests: bool = False,
        role: Role = Role.ENTRY,
    ) -> str:
        """Propose to buy `quantity` base units, or for `quote_quantity` quote units (MARKET only); returns the id.

        Without `order_type` it is a LIMIT order when a `price` is given and a MARKET order when not; LIMIT_MAKER never
        takes. A LIMIT order without a price is priced through the touch by the house. `rests`: wait in the book as
        long as it takes (other orders are cancelled after `order_timeout_secs`).
        Raises `IntentRefused`, with nothing proposed.
        """
        return self._propose(
            Side.BUY, symbol, quantity, quote_quantity, price, order_type, time_in_force, rests, role
        )

    def sell(
        self,
        symbol: str,
        *,
        quantity: Decimal | None = None,
        quote_quantity: Decimal | None = None,
        price: Decimal | None = None,
        order_type: OrderType | None = None,
        time_in_force: TimeInForce | None = None,
        rests: bool = False,
        role: Role = Role.EXIT,
    ) -> str:
        """Propose to sell; the arguments are those of `buy`. Only what this strategy manages can be sold."""
        return self._propose(
            Side.SELL, symbol, quantity, quote_quantity, price, order_type, time_in_force, rests, role
        )

    def cancel(self, id: str) -> None:
        """Propose to end an own order; one that is over, or whose end was already asked for, is left alone.

        Raises `IntentRefused` when no such order of this strategy lives.
        """
        order = next((order for order in self.orders if order.id == id), None)
        if order is None:
            raise IntentRefused(f"cancel: no order {id!r} of strategy {self.name} lives")
        again = any(isinstance(said, CancelOrder) and said.id == id for said in self._outbox)
        if order.cancel_requested_at is None and not again:
            self._outbox.append(CancelOrder(id=id, by=f"strategy {self.name}"))

    def _propose(
        self,
        side: Side,
        symbol: str,
        quantity: Decimal | None,
        quote_quantity: Decimal | None,
        price: Decimal | None,
        order_type: OrderType | None,
        time_in_force: TimeInForce | None,
        rests: bool,
        role: Role,
    ) -> str:
        what = f"{side.lower()} {symbol}"
        self._own(symbol)
        if (quantity is None) == (quote_quantity is None):
            raise IntentRefused(f"{what}: give either quantity or quote_quantity")
        for label, value in (("quantity", quantity), ("quote_quantity", quote_quantity), ("price", price)):
            _check_above_zero(what, label, value)
        if order_type is None:
            order_type = OrderType.MARKET if price is None else OrderType.LIMIT
        self._check_stop(what, side, symbol, quantity)
        if len(self.orders) >= self._in_flight_max:
            raise IntentRefused(f"{what}: {self._in_flight_max} orders of strategy {self.name} already live or wait")
        intent = OrderIntent(
            id=str(self._mint(role)),
            strategy=self.name,
            symbol=symbol,
            side=side,
            order_type=order_type,
            role=role,
            quantity=quantity,
            quote_quantity=quote_quantity,
            price=price,
            time_in_force=time_in_force,
            rests=rests,
        )
        self._outbox.append(SubmitOrder(intent=intent))
        self._proposed[intent.id] = order_of(intent, self._now)
        return intent.id

    def _mint(self, role: Role) -> ClientId:
        return ClientId(
            prefix=self._prefix, run=self._run, strategy=self.name, role=role, counter=next(self._view.counter)
        )

    def _own(self, symbol: str) -> str:
        if symbol not in self._view.symbols:
            raise IntentRefused(f"{symbol!r} is not a symbol of strategy {self.name} ({', '.join(self.symbols)})")
        return symbol

    def _known_rules(self, symbol: str) -> SymbolRules:
        rules = self.rules(symbol)
        if rules is None:
            raise IntentRefused(f"the rules of {symbol} are not known yet")
        return rules

    def _check_stop(self, what: str, side: Side, symbol: str, quantity: Decimal | None) -> None:
        if not self.stopping:
            return
        free = self._view.free_to_reduce(symbol, side, self._proposed.values())
        if quantity is None or quantity > free:
            raise IntentRefused(
                f"{what}: {self._view.stopping} has stopped strategy {self.name}; "
                f"only cancels and orders that reduce the position are taken (now up to {plain(free)})"
            )

    # -- for the actor --------------------------------------------------------

    def begin(self, now: Now) -> None:
        """A new letter: nothing is proposed yet."""
        self._now = now
        self._outbox.clear()
        self._proposed.clear()

    def outbox(self) -> tuple[SubmitOrder | CancelOrder, ...]:
        """Everything proposed since `begin`, in order."""
        return tuple(self._outbox)

    def proposed(self) -> Mapping[str, RealOrder]:
        """The proposed orders by id, as they are before anybody has looked at them."""
        return self._proposed

    def keep_first(self, count: int) -> None:
        """Take back all but the first `count` proposals."""
        for said in self._outbox[count:]:
            if isinstance(said, SubmitOrder):
                del self._proposed[said.intent.id]
        del self._outbox[count:]


def order_of(intent: OrderIntent, now: Now) -> RealOrder:
    """The PENDING order an intent would become."""
    return RealOrder.new(
        id=intent.id,
        strategy=intent.strategy,
        role=intent.role,
        symbol=intent.symbol,
        side=intent.side,
        order_type=intent.order_type,
        now_utc=now.utc,
        quantity=intent.quantity,
        quote_quantity=intent.quote_quantity,
        price=intent.price,
        time_in_force=intent.time_in_force,
        rests=intent.rests,
    )


def _check_above_zero(what: str, label: str, value: object) -> None:
    if value is None:
        return
    if not isinstance(value, Decimal):
        raise IntentRefused(f"{what}: {label} must be a Decimal, not {type(value).__name__} {value!r}")
    try:
        good = checked(value) > ZERO
    except BadAmount as bad:
        raise IntentRefused(f"{what}: {label} is {bad}") from None
    if not good:
        raise IntentRefused(f"{what}: {label} {value} is not above zero")
