"""A ticket follows one order from outside the house: recorded, refused or final."""
from __future__ import annotations

import threading
from collections.abc import Callable

from realtrading.domain.events import OrderDenied, OrderEvent, OrderRecorded
from realtrading.domain.orders import RealOrder


class Ticket:
    """What `submit` gives back. `id` is the order's client id; waiting never asks the house anything."""

    def __init__(self, order_id: str, look: Callable[[str], RealOrder | None]) -> None:
        self.id = order_id
        self._look = look
        self._recorded = threading.Event()
        self._final = threading.Event()
        self._order: RealOrder | None = None
        self._detail = ""

    @property
    def order(self) -> RealOrder | None:
        """The order's last state heard or held, None while nothing is known."""
        return self._look(self.id) or self._order

    @property
    def detail(self) -> str:
        """Why it was refused, in words; empty when it was not."""
        return self._detail

    @property
    def is_final(self) -> bool:
        """True once nothing more can come of it."""
        return self._final.is_set()

    def wait_recorded(self, timeout_s: float = 10.0) -> bool:
        """Wait until the order is on disk (True), or refused or not decided in time (False)."""
        self._recorded.wait(timeout_s)
        return self._recorded.is_set() and not (self.is_final and bool(self._detail))

    def wait(self, timeout_s: float = 10.0) -> RealOrder | None:
        """Wait until the order is final; returns its last known state either way, None if nothing is known yet."""
        self._final.wait(timeout_s)
        return self.order

    def hear(self, event: object) -> None:
        """One event of the feed; any thread."""
        if isinstance(event, OrderRecorded):
            self._recorded.set()
        elif isinstance(event, OrderDenied):
            self._order, self._detail = event.order, f"{event.reason}: {event.detail}"
            self._recorded.set()
            self._final.set()
        elif isinstance(event, OrderEvent):
            self._order = event.order
            self._recorded.set()
            if event.order.is_terminal():
                self._detail = event.order.reason if event.order.state == "Rejected" else ""
                self._final.set()


class Tickets:
    """All tickets that are not final yet."""

    def __init__(self, look: Callable[[str], RealOrder | None]) -> None:
        self._look = look
        self._open: dict[str, Ticket] = {}

    def issue(self, order_id: str) -> Ticket:
        """A new ticket; it hears everything from now on, so issue it before the order is sent."""
        ticket = self._open[order_id] = Ticket(order_id, self._look)
        return ticket

    def hear(self, event: object) -> None:
        """Hand an event to the ticket it is about."""
        if isinstance(event, OrderRecorded):
            order_id = event.id
        elif isinstance(event, OrderEvent | OrderDenied):
            order_id = event.order.id
        else:
            return
        ticket = self._open.get(order_id)
        if ticket is not None:
            ticket.hear(event)
            if ticket.is_final:
                self._open.pop(order_id, None)

    def look_again(self) -> None:
        """Events were missed: look every open ticket's order up."""
        for ticket in list(self._open.values()):
            order = self._look(ticket.id)
            if order is not None:
                self.hear(OrderEvent(order=order))
