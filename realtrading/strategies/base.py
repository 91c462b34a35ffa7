"""The class that users subclass: callbacks that are told what happened and may propose what to do."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from realtrading.domain.events import OrderDenied, OrderEvent, PositionEvent
from realtrading.domain.values import Quote
from realtrading.errors import RealTradingError

if TYPE_CHECKING:
    from .context import Context


class IntentRefused(RealTradingError):
    """A proposal that was not even sent; `str()` is one sentence saying why."""


class Strategy:
    """What a user writes. Every callback is optional; all of them run one after the other on the strategy's own thread.

    A callback reads `ctx` and proposes orders through it. The proposals leave when the callback has returned; if it
    raises, none of them leaves, this strategy alone is restarted, and the house goes on.

    `Config` is an attrs class of the settings in [strategy.NAME.config], or None when there are none; its checked
    value is `self.config`.

    A restart makes a new object and calls `on_start` again. What the object held is gone; what `ctx` shows (own orders,
    positions, rules) is not. So `on_start` should look at `ctx.orders` and `ctx.position(...)` before anything else.
    """

    Config: ClassVar[type | None] = None

    def __init__(self, config: Any = None) -> None:
        self.config = config

    def on_start(self, ctx: Context) -> None:
        """The first callback, once the rules of all symbols, the own orders and the positions are known."""

    def on_quote(self, ctx: Context, quote: Quote) -> None:
        """Best prices moved. Quotes that came while a callback ran are told as one: the newest."""

    def on_order(self, ctx: Context, event: OrderEvent | OrderDenied) -> None:
        """An own order changed; `event.order` is all of it. `OrderDenied`: never sent, `event.reason` says why."""

    def on_position(self, ctx: Context, event: PositionEvent) -> None:
        """An own position was opened, changed or closed by `event.order`. This is how a strategy hears of its fills."""

    def on_timer(self, ctx: Context) -> None:
        """Time has passed, about a quarter of a second since the last call."""

    def on_stop(self, ctx: Context) -> None:
        """The house asks for an end, once. The callbacks go on, so that orders can be cancelled and positions sold, but
        only what does that is taken any more (`ctx.stopping`); an `IntentRefused` is no failure from here on."""
