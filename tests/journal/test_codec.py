"""Every durable value has one exact spelling, and nothing else gets in or out."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journal.samples import order, strategy_of
from realtrading.domain.balances import LedgerLine
from realtrading.domain.events import OrderAdmitted, OrderPlaced
from realtrading.domain.values import OrderType
from realtrading.journal.codec import EVENTS, ROWS, decode_event, decode_row, encode_event, encode_row
from realtrading.journal.errors import Unreadable, Unwritable


@pytest.mark.parametrize("name", sorted(EVENTS))
@settings(max_examples=15)
@given(data=st.data())
def test_every_durable_event_comes_back_exactly(name: str, data: st.DataObject) -> None:
    """Whatever a durable event holds, reading it gives an equal event, and writing that gives the same bytes."""
    event = data.draw(strategy_of(EVENTS[name]))
    text = encode_event(event)
    assert decode_event(text) == event
    assert encode_event(decode_event(text)) == text


@pytest.mark.parametrize("table", sorted(ROWS))
@settings(max_examples=40)
@given(data=st.data())
def test_every_row_comes_back_exactly(table: str, data: st.DataObject) -> None:
    """Whatever a table's row holds, reading it gives an equal value, and writing that gives the same bytes."""
    value = data.draw(strategy_of(ROWS[table][1]))
    text = encode_row(table, value)
    assert decode_row(table, text) == value
    assert encode_row(table, decode_row(table, text)) == text


@pytest.mark.parametrize("written", ["0.00000001", "1.10", "100", "-0", "0E-8", "12345678901234567890.12345678901234567890"])
def test_a_decimal_keeps_value_and_places(written: str) -> None:
    """Amounts are plain text without exponent, and keep their trailing zeros."""
    line = LedgerLine(asset="BTC", opening=Decimal(written))
    text = encode_row("ledger", line)
    back = decode_row("ledger", text).opening
    assert back.as_tuple() == Decimal(written).as_tuple()
    assert json.loads(text)["value"]["opening"] == format(Decimal(written), "f")


def test_a_moment_is_written_in_utc() -> None:
    """A moment given in another zone is the same instant afterwards, spelled in UTC."""
    moment = datetime.fromisoformat("2026-11-22T17:30:00.000001+05:30")
    text = encode_row("orders", attrs.evolve(order(), updated_at=moment))
    assert json.loads(text)["value"]["updated_at"] == "2026-11-22T12:00:00.000001+00:00"
    assert decode_row("orders", text).updated_at == moment
    assert decode_row("orders", text).updated_at.tzinfo is UTC


def test_equal_values_give_equal_bytes() -> None:
    """The order in which a mapping was filled does not show."""
    one = LedgerLine(asset="BTC", opening=Decimal(1), orders={"a": Decimal(1), "b": Decimal(2)})
    two = LedgerLine(asset="BTC", opening=Decimal(1), orders={"b": Decimal(2), "a": Decimal(1)})
    assert encode_row("ledger", one) == encode_row("ledger", two)


def test_a_foreign_order_type_stays_as_the_venue_said_it() -> None:
    """An order type that is not ours comes back as its text, one that is ours as the member."""
    foreign = attrs.evolve(order(), order_type="STOP_LOSS_LIMIT")
    assert decode_row("orders", encode_row("orders", foreign)) == foreign
    assert decode_row("orders", encode_row("orders", order())).order_type is OrderType.MARKET


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"original_quantity": 0.5}, "RealOrder.original_quantity: 0.5 is not a finite Decimal"),
        ({"price": Decimal("NaN")}, "RealOrder.price: Decimal('NaN') is not a finite Decimal"),
        ({"price": Decimal("1e90")}, "RealOrder.price: Decimal('1E+90') has more digits than any amount"),
        ({"created_at": datetime(2026, 1, 1)}, "RealOrder.created_at: "),  # noqa: DTZ001 - naive on purpose
        ({"exchange_order_id": True}, "RealOrder.exchange_order_id: True is not a 64-bit integer"),
        ({"exchange_order_id": 2**63}, "RealOrder.exchange_order_id: "),
        ({"side": "BUY"}, "RealOrder.side: 'BUY' is not a Side"),
        ({"order_type": 3}, "RealOrder.order_type: 3 is neither a OrderType nor text"),
        ({"fills": []}, "RealOrder.fills: [] is not of type tuple"),
        ({"fills": (1,)}, "RealOrder.fills[0]: 1 is not a OrderFill"),
        ({"reason": "\ud800"}, "RealOrder cannot be written as JSON"),
    ],
)
def test_a_value_of_the_wrong_type_is_not_written(change: dict[str, Any], place: str) -> None:
    """What could not come back exactly is our bug, refused before it reaches the disk, and the sentence names the
    field.
    """
    with pytest.raises(Unwritable) as refusal:
        encode_row("orders", attrs.evolve(order(), **change))
    assert str(refusal.value).startswith(place)


def test_only_durable_events_are_written() -> None:
    """An ephemeral event and an unknown table are refused."""
    with pytest.raises(Unwritable, match="OrderAdmitted is not a durable event"):
        encode_event(OrderAdmitted(order=order()))
    with pytest.raises(Unwritable, match="table 'commitments' is not in the journal's registry"):
        encode_row("commitments", 1)


def _placed(**changes: Any) -> str:
    tree = json.loads(encode_event(OrderPlaced(order=order())))
    tree["value"]["order"].update(changes)
    return json.dumps(tree)


def test_a_missing_optional_field_takes_its_default() -> None:
    """A journal written before a field existed stays readable."""
    tree = json.loads(_placed())
    for name in ("rests", "venue_at", "executed_quantity", "fills"):
        del tree["value"]["order"][name]
    assert decode_event(json.dumps(tree)) == OrderPlaced(order=order())


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (_placed(colour="blue"), "OrderPlaced.order: RealOrder has no field 'colour' in this version"),
        (_placed(state="Suspended"), "OrderPlaced.order.state: 'Suspended' is not a OrderState this version knows"),
        (_placed(price=0.1), "OrderPlaced.order.price: 0.1 is not a plain decimal number"),
        (_placed(price="1e5"), "OrderPlaced.order.price: '1e5' is not a plain decimal number"),
        (_placed(price="１"), "OrderPlaced.order.price: '１' is not a plain decimal number"),
        (_placed(created_at="2026-01-01T00:00:00"), "OrderPlaced.order.created_at: "),
        ('{"type":"OrderTeleported","value":{},"version":1}', "knows no event 'OrderTeleported'"),
        ('{"type":"OrderPlaced","value":{},"version":2}', "OrderPlaced is written in version 2"),
        ('{"type":"OrderPlaced","value":{},"version":1}', "OrderPlaced lacks order"),
        (
            '{"type":"OrderPlaced","value":{"order":3},"version":1}',
            "OrderPlaced.order: 3 is not the fields of a RealOrder",
        ),
        ('{"type":"OrderPlaced","value":{}}', "has not exactly type, value and version"),
        ("[1, 2", "not a record of a journal"),
    ],
)
def test_what_this_version_does_not_know_is_refused(text: str, sentence: str) -> None:
    """An unknown class, field, member or version is never guessed at: the sentence names it, the exit code is 4."""
    with pytest.raises(Unreadable) as refusal:
        decode_event(text)
    assert sentence in str(refusal.value)
    assert refusal.value.exit_code == 4


def test_a_row_of_another_table_is_refused() -> None:
    """A value is read as its own table's kind or not at all."""
    with pytest.raises(Unreadable, match="a row of table 'ledger' is a 'RealOrder' instead of a 'LedgerLine'"):
        decode_row("ledger", encode_row("orders", order()))
    with pytest.raises(Unreadable, match="knows no table 'moods'"):
        decode_row("moods", encode_row("cursors", 1))


@pytest.mark.parametrize("name", sorted(EVENTS))
@settings(max_examples=3)
@given(data=st.data())
def test_every_entry_of_every_durable_event_can_be_written(name: str, data: st.DataObject) -> None:
    """No durable event names a table or a value that recovery could not read back."""
    for table, _key, value in data.draw(strategy_of(EVENTS[name])).entries():
        assert table in ROWS
        assert value is None or decode_row(table, encode_row(table, value)) == value
