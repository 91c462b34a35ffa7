"""What the running engine answers at the socket: reads of committed state, and people's commands, each of them recorded."""
from __future__ import annotations

import decimal
import itertools
import json
import os
import pwd
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from realtrading.domain.breaker import CauseKind
from realtrading.domain.commands import AcceptDifference, Reconcile
from realtrading.domain.events import AcceptanceRefused, DifferenceAccepted, DifferencesMeasured, Event, OperatorCommanded
from realtrading.domain.values import EXACT, BadAmount, amount, plain
from realtrading.engine import RealTradingEngine
from realtrading.errors import BadInput
from realtrading.metrics.machine import state_of
from realtrading.metrics.money import pnl_day
from realtrading.metrics.view import View, view_of

from .facts import (
    balance_facts,
    cause_facts,
    listed,
    named,
    order_facts,
    others_facts,
    position_facts,
    working_facts,
)
from .place import Peer
from .protocol import EXIT_NOT_FOUND, EXIT_REFUSED, EXIT_USAGE, Request
from .rounds import HEARD, Report, Rounds

RECONCILE_S = 30.0
RECONCILE_MAX_S = 600.0
SLICE_S = 0.1
SETTLE_S = 1.0
BOOK_S = 5.0

Answer = dict[str, Any]


class Desk:
    """Answers for one engine; called on the door's threads, several at a time."""

    def __init__(self, engine: RealTradingEngine) -> None:
        self._engine = engine
        self._wishes = itertools.count(1)
        self._reads: dict[str, Callable[[Request], Answer]] = {
            "status": self._status,
            "orders": self._orders,
            "order": self._order,
            "positions": self._positions,
            "balances": self._balances,
        }
        self._commands: dict[str, Callable[[Request, Peer, threading.Event], Answer]] = {
            "reconcile": self._reconcile,
            "accept": self._accept,
        }

    def __call__(self, request: Request, peer: Peer, closing: threading.Event) -> Answer:
        """The answer to one request. Raises `BadInput` with the exit code for whoever asked."""
        read = self._reads.get(request.command)
        if read is not None:
            return read(request)
        command = self._commands.get(request.command)
        if command is None:
            known = ", ".join((*self._reads, *self._commands))
            raise BadInput(f"no command {request.command!r:.40} (there are: {known})", exit_code=EXIT_USAGE)
        self._must_run()
        self._record(request, peer)
        return command(request, peer, closing)

    # -- reads ----------------------------------------------------------------

    def _status(self, request: Request) -> Answer:
        engine = self._engine
        view = view_of(engine, lambda: None, {})
        streams = {stream: bool(view.tally.connected.get((stream,))) for stream in ("user_data", "market")}
        with decimal.localcontext(EXACT):
            result, line = pnl_day(view), view.ledger.get(view.settings.reporting_asset)
            total = None if line is None else plain(line.total)
        return {
            "source": "engine",
            "pid": os.getpid(),
            "mode": str(view.settings.mode),
            "run": engine.run,
            "phase": view.phase,
            "state": state_of(view),
            "trades": view.ready and view.settings.mode != "observe",
            "failure": engine.failure,
            "down": self._down(view),
            "causes": cause_facts(view.breaker.causes),
            "connected": streams,
            "clock_offset_s": view.gauges.clock_offset_s,
            "positions": position_facts(view.books.values(), view.quotes),
            "reporting_asset": view.settings.reporting_asset,
            "reporting_total": total,
            "day": None if result is None else plain(result),
            "working": working_facts(view.orders.values()),
        }

    def _down(self, view: View) -> list[str]:
        """Critical actors that do not progress."""
        return [actor.name for actor in view.actors if actor.critical and (not actor.alive or actor.overdue)]

    def _orders(self, request: Request) -> Answer:
        every = request.arguments.get("all") is True
        return {"source": "engine", "orders": listed(self._engine.orders.values(), every)}

    def _order(self, request: Request) -> Answer:
        name = request.text("id")
        order = named(self._engine.orders, name)
        if order is None:
            raise BadInput(f"the engine holds no order {name!r:.60}", exit_code=EXIT_NOT_FOUND)
        return {"source": "engine", "order": order_facts(order)}

    def _positions(self, request: Request) -> Answer:
        engine = self._engine
        return {"source": "engine", "positions": position_facts(engine.position_books.values(), engine.quotes)}

    def _balances(self, request: Request) -> Answer:
        lines, books = self._engine.rows("balances", "ledger"), self._engine.position_books
        return {"source": "engine", "balances": balance_facts(lines.values(), books.values())}

    # -- commands -------------------------------------------------------------

    def _must_run(self) -> None:
        """Commands need a house that goes on. Raises `BadInput`."""
        if not self._engine.is_running:
            why = self._engine.failure or f"it is {self._engine.phase}"
            raise BadInput(f"the engine takes no commands: {why}", exit_code=EXIT_REFUSED)

    def _record(self, request: Request, peer: Peer) -> None:
        """On its way to the journal before what it asks for."""
        detail = json.dumps(request.arguments, sort_keys=True)
        self._engine.house.post(
            OperatorCommanded(command=request.command, by=name_of(peer), detail=detail), sender="door"
        )

    def _accept(self, request: Request, peer: Peer, closing: threading.Event) -> Answer:
        """Book a difference that nothing explains as its author's word, and look again. Raises `BadInput` (2) unless the
        amount is the whole of it. `dry_run` books nothing.
        """
        asset, reason = request.text("asset"), request.text("reason")
        try:
            wanted = amount(request.text("amount"))
        except BadAmount as wrong:
            raise BadInput(f"accept: amount: {wrong}", exit_code=EXIT_USAGE) from None
        measured: DifferencesMeasured | None = self._engine.rows("balances", "measured").get("measured")
        cause = self._engine.breaker_book.cause(CauseKind.DRIFT, f"asset:{asset}")
        residual = None if measured is None else measured.residuals.get(asset)
        if cause is None or residual is None:
            raise BadInput(f"accept: {asset:.20} has no unexplained difference: nothing to accept", exit_code=EXIT_USAGE)
        if residual != wanted:
            which = f"the difference of {asset} (exchange - engine) is {plain(residual)}, not {plain(wanted)}"
            raise BadInput(f"accept: {which}: nothing was booked", exit_code=EXIT_USAGE)
        word = {"asset": asset, "amount": plain(wanted), "by": name_of(peer), "reason": reason}
        if request.arguments.get("dry_run") is True:
            return {"source": "engine", "accepted": {**word, "booked": False}, "complete": True, "clean": False, "rounds": [],
                    "others": [], "causes": cause_facts(self._engine.breaker_book.causes)}  # fmt: skip
        self._book(AcceptDifference(token=f"accept-{next(self._wishes)}", asset=asset, amount=wanted, by=word["by"],
                                    reason=reason))  # fmt: skip
        return {**self._reconcile(request, peer, closing), "accepted": {**word, "booked": True}}

    def _book(self, command: AcceptDifference) -> None:
        """Send it and wait for the ledger's word. Raises `BadInput` when the difference has changed meanwhile."""
        answers = list[DifferenceAccepted | AcceptanceRefused]()
        heard = threading.Event()

        def hear(event: object) -> None:
            if isinstance(event, DifferenceAccepted | AcceptanceRefused) and event.token == command.token:
                answers.append(event)
                heard.set()

        remove = self._engine.subscribe(hear)
        try:
            self._engine.house.post(command, sender="door")
            if not heard.wait(BOOK_S):
                raise BadInput("accept: the engine did not answer; realtrading balances tells what is booked", exit_code=1)
        finally:
            remove()
        if isinstance(answers[0], AcceptanceRefused):
            raise BadInput(f"accept: {answers[0].detail}: nothing was booked", exit_code=EXIT_USAGE)

    def _reconcile(self, request: Request, peer: Peer, closing: threading.Event) -> Answer:
        """Wait for the round that covers this wish, and tell what every round on the way to it found."""
        timeout_s = request.seconds("timeout_s", RECONCILE_S, RECONCILE_MAX_S)
        token = f"door-{next(self._wishes)}"
        rounds, covering, heard = Rounds(), list[Report](), threading.Event()

        def hear(event: object) -> None:
            if isinstance(event, Event) and isinstance(event, HEARD):
                report = rounds.hear(event, datetime.now(UTC))
                if report is not None and token in report["covers"]:
                    covering.append(report)
                    heard.set()

        remove = self._engine.subscribe(hear)
        try:
            self._engine.house.post(Reconcile(trigger="operator", token=token), sender="door")
            left_s = timeout_s
            while left_s > 0 and not heard.wait(min(SLICE_S, left_s)):
                left_s -= SLICE_S
                if closing.is_set() or not self._engine.is_running:
                    raise BadInput("the engine stopped during the round", exit_code=EXIT_REFUSED)
            if heard.is_set():
                self._engine.settled(SETTLE_S)  # what follows from the round, such as a position cut, is told with it
        finally:
            remove()
        return {
            "source": "engine",
            "complete": bool(covering),
            "clean": bool(covering) and covering[0]["result"] == "clean",
            "rounds": rounds.finished(),
            "others": others_facts(self._engine.rows("balances", "ledger").values(), self._engine.orders.values()),
            "causes": cause_facts(self._engine.breaker_book.causes),
        }


def name_of(peer: Peer) -> str:
    """Who commands, for the record."""
    try:
        user = pwd.getpwuid(peer.uid).pw_name
    except KeyError:
        user = "?"
    return f"uid {peer.uid} ({user}), pid {peer.pid}"
