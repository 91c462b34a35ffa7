"""The questions asked before anything is built: whose account is it, who trades there, by what rules, how late is it?"""
from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import NoReturn

import attrs

from realtrading.domain.values import SymbolRules
from realtrading.errors import BadInput, RealTradingError, VenueRefused
from realtrading.venue.port import Venue

EXIT_CONFIGURATION = 4
EXIT_CREDENTIALS = 5
EXIT_UNREACHABLE = 75


@attrs.frozen(kw_only=True)
class Preflight:
    """What the venue answered. `client_ids` are those of the account's open and newest orders."""

    uid: int
    rules: tuple[SymbolRules, ...]
    client_ids: frozenset[str] = frozenset()


def preflight(make: Callable[[], Venue], symbols: Sequence[str]) -> Preflight:
    """Ask on a loop, a thread and a venue of their own, so that nothing else exists for a wrong account.

    Raises `BadInput`: 5 for refused credentials, 4 for anything else refused (an unknown symbol), 75 for an unreachable
    exchange.
    """
    answers: list[Preflight] = []
    failures: list[BaseException] = []

    def work() -> None:
        try:
            answers.append(asyncio.run(ask(make, symbols)))
        except BaseException as failure:
            failures.append(failure)

    thread = threading.Thread(target=work, name="preflight", daemon=True)
    thread.start()
    thread.join()
    if failures:
        explain(failures[0])
    return answers[0]


async def ask(make: Callable[[], Venue], symbols: Sequence[str]) -> Preflight:
    """The questions, clock first: without it nothing can be signed."""
    venue = make()
    try:
        await venue.measure_clock()
        uid = await venue.account_uid()
        rules = await venue.rules(symbols)
        return Preflight(uid=uid, rules=rules.rules, client_ids=await venue.client_ids(symbols))
    finally:
        await venue.close()


def explain(failure: BaseException) -> NoReturn:
    """One sentence and the right exit code for what the venue did."""
    if isinstance(failure, VenueRefused):
        code = EXIT_CREDENTIALS if failure.is_credentials else EXIT_CONFIGURATION
        raise BadInput(f"the exchange refused: {failure}", exit_code=code) from failure
    if isinstance(failure, RealTradingError):
        raise BadInput(f"the exchange is not reachable: {failure}", exit_code=EXIT_UNREACHABLE) from failure
    raise failure
