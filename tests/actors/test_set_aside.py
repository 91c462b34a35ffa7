"""What is answered for a letter that an actor failed on for good."""

from decimal import Decimal

from bench import START
from order_factories import ORDER_ID, an_order
from realtrading.assembly import on_set_aside
from realtrading.domain.commands import OrderIntent, PlaceOrder, SubmitOrder
from realtrading.domain.events import OrderDenied
from realtrading.domain.reasons import Reason
from realtrading.domain.reports import PlacementRefused, PlacementUnknown
from realtrading.domain.values import Now, OrderType, Role, Side
from realtrading.runtime.mailbox import Letter

NOW = Now(mono=100.0, utc=START)
INTENT = OrderIntent(
    id=ORDER_ID, strategy="grid", symbol="BTCUSDT", side=Side.BUY, order_type=OrderType.LIMIT, role=Role.ENTRY,
    quantity=Decimal(1), price=Decimal(100),
)  # fmt: skip
LETTER = Letter(1, None, "engine", SubmitOrder(intent=INTENT), 100.0)


def test_an_intent_nobody_knows_is_refused() -> None:
    """Orders failed on it before it had a row: certainly not sent, and everybody who waits hears so."""
    (denied,) = on_set_aside(LETTER, "orders", NOW, {}, {})
    assert isinstance(denied, OrderDenied)
    assert (denied.order.id, denied.reason) == (ORDER_ID, Reason.HOUSE_FAULT)


def test_an_intent_told_again_is_not_refused() -> None:
    """Its order may live at the exchange: a refusal would free its hold and take its row out of the journal."""
    assert list(on_set_aside(LETTER, "orders", NOW, {ORDER_ID: an_order()}, {})) == []


PLACE = Letter(2, 1, "journal", PlaceOrder(order=an_order(), gate=0, valid_until_mono=105.0), 100.0)


def test_a_placement_that_was_not_noted_for_signing_was_not_sent() -> None:
    """The note is made before the last look: without it nobody has sent or will send, and the hold is free at once."""
    (refused,) = on_set_aside(PLACE, "gateway", NOW, {}, {"signed": {}})

    assert isinstance(refused, PlacementRefused)
    assert (refused.id, refused.sent, refused.reason) == (ORDER_ID, False, Reason.HOUSE_FAULT)


def test_a_placement_that_was_noted_for_signing_may_live() -> None:
    """Noted and then lost: unknown, and asked about."""
    (unknown,) = on_set_aside(PLACE, "gateway", NOW, {}, {"signed": {ORDER_ID: 105.0}})

    assert isinstance(unknown, PlacementUnknown)
    assert unknown.ours
