"""No schedule of evidence breaks orders, positions and ledger (`order_machine` says what must hold, and is itself tested).

With REALTRADING_DEEP=1 Hypothesis looks for hours instead of seconds, and elsewhere each time.
"""
from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from decimal import localcontext
from typing import Any

import attrs
import hypothesis
import pytest
from hypothesis.stateful import run_state_machine_as_test

from order_machine import Machine
from realtrading.domain import balances, order_absence, order_merge, orders, positions
from realtrading.domain.values import EXACT

QUICK = hypothesis.settings(max_examples=120, stateful_step_count=40)
DEEP = hypothesis.settings(max_examples=20_000, stateful_step_count=80, derandomize=False)
SHALLOW = hypothesis.settings(max_examples=200, stateful_step_count=40, phases=[hypothesis.Phase.generate])

Patch = pytest.MonkeyPatch


@pytest.fixture(autouse=True)
def _exact() -> Iterator[None]:
    """The house's arithmetic, as its keepers set it."""
    with localcontext(EXACT):
        yield


def test_evidence_in_any_order() -> None:
    """No schedule of reports, queries, trade lists, flows, doubts, refusals and archiving breaks orders, positions, ledger."""
    Machine.reached.clear()
    run_state_machine_as_test(Machine, settings=DEEP if os.environ.get("REALTRADING_DEEP") == "1" else QUICK)
    rare = ("absence", "agreed", "archived", "gap", "over-fill", "revised", "cancelled", "expired", "ask")
    assert [what for what in rare if Machine.reached[what] < 5] == []


def _twice(patch: Patch) -> None:
    def doubled(known: Any, trades: Any) -> Any:
        return tuple(map(order_merge.unknown_fills.__globals__["fill_of"], trades))

    patch.setattr(order_merge, "unknown_fills", doubled)


def _no_revision(patch: Patch) -> None:
    patch.setattr(order_merge, "REVISIONS", {})


def _absent_at_once(patch: Patch) -> None:
    patch.setattr(orders, "absence_proved", lambda order, looks, server_now: bool(looks))


def _short_margin(patch: Patch) -> None:
    patch.setattr(order_absence, "ABSENCE_MARGIN_S", 2)


def _settled_lost(patch: Patch) -> None:
    settle = balances.settle
    patch.setattr(balances, "settle", lambda line, name: attrs.evolve(settle(line, name), settled=line.settled))


def _flow_again(patch: Patch) -> None:
    with_flow = balances.with_flow
    patch.setattr(balances, "with_flow", lambda line, *given: with_flow(attrs.evolve(line, seen=()), *given))


def _appended(patch: Patch) -> None:
    patch.setattr(positions, "_place", lambda fill: fill.trade_id * 0)


@pytest.mark.parametrize(
    "defect", [_twice, _no_revision, _absent_at_once, _short_margin, _settled_lost, _flow_again, _appended]
)
def test_the_machine_finds_a_planted_defect(defect: Callable[[Patch], None], monkeypatch: Patch) -> None:
    """A machine that finds nothing in a broken domain would prove nothing about a whole one."""
    defect(monkeypatch)
    with pytest.raises(Exception):
        run_state_machine_as_test(Machine, settings=SHALLOW)
