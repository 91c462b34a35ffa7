"""When silence proves something, and when a denial means that the account is another one."""

from datetime import timedelta

import attrs
import pytest

from order_factories import an_order, at
from realtrading.domain.order_absence import denied, provable, until_apart
from realtrading.domain.orders import OrderState, RealOrder

VALID_UNTIL = at(5)
PROVABLE_AT = 5 + 3 + 15


@pytest.mark.parametrize(("seconds", "proves"), [(PROVABLE_AT - 0.001, False), (PROVABLE_AT, True)])
def test_a_look_proves_nothing_before_every_delay_is_over(seconds: float, proves: bool) -> None:
    """valid_until + recvWindow + margin, to the moment; without a valid_until nothing is ever proved."""
    assert provable(an_order(valid_until=VALID_UNTIL), at(seconds)) is proves
    assert not provable(an_order(), at(seconds))


@pytest.mark.parametrize(("apart", "left"), [(0, 5), (3, 2), (5, 0), (9, 0)])
def test_the_next_look_is_due_when_it_can_prove_with_the_first(apart: float, left: float) -> None:
    """Two answers nearer than 5 s may come from one lagging copy."""
    assert until_apart([(at(10), None), (at(10 + apart), None)]) == timedelta(seconds=left)


def working(**changes: object) -> RealOrder:
    """An order that the exchange confirmed at second 1."""
    order = attrs.evolve(an_order(), exchange_order_id=900, state=OrderState.NEW, venue_at=at(1))
    return attrs.evolve(order, **changes)


@pytest.mark.parametrize(
    ("seconds", "found"),
    [((2, 16.9), False), ((2, 17), True), ((0.5, 17), False), ((30,), False), ((), False)],
)
def test_a_confirmed_order_denied_15_s_long_is_gone_with_its_account(seconds: tuple[float, ...], found: bool) -> None:
    """Only answers younger than the last word about the order count, and two of them must lie 15 s apart."""
    assert denied(working(), [(at(second), None) for second in seconds]) is found


def test_an_order_never_confirmed_or_over_is_denied_by_nobody() -> None:
    """What the exchange never confirmed may be absent, and what is over may be archived: neither says anything."""
    looks = [(at(2), None), (at(60), None)]
    assert not denied(working(exchange_order_id=None), looks)
    assert not denied(working(state=OrderState.CANCELLED), looks)
