"""Everything the seed names about orders and positions exists under its name: states, fields, methods, tests."""
from __future__ import annotations

import ast
import inspect
from pathlib import Path

import attrs
import pytest

from realtrading.domain.orders import OrderFill, OrderState, RealOrder
from realtrading.domain.positions import RealPosition

STATES = {
    "PENDING": "Pending",
    "NEW": "New",
    "PARTIALLY_FILLED": "PartiallyFilled",
    "FILLED": "Filled",
    "CANCELLED": "Cancelled",
    "REJECTED": "Rejected",
    "EXPIRED": "Expired",
}

FIELDS = {
    RealOrder: (
        "id exchange_order_id symbol side order_type original_quantity executed_quantity remaining_quantity price "
        "stop_price average_fill_price state created_at updated_at fills"
    ),
    OrderFill: "trade_id price quantity commission commission_asset timestamp",
    RealPosition: (
        "id symbol side quantity entry_price current_price unrealized_pnl realized_pnl stop_loss take_profit "
        "stop_loss_order_id take_profit_order_id entry_order_ids created_at updated_at"
    ),
}

METHODS = {
    (RealOrder, "new"): None,
    (RealOrder, "update_from_execution_report"): ["report", "now_utc"],
    (RealOrder, "is_active"): [],
    (RealOrder, "is_terminal"): [],
    (RealPosition, "new"): None,
    (RealPosition, "add_fill"): ["price", "quantity"],
    (RealPosition, "partial_close"): ["price", "quantity"],
    (RealPosition, "update_price"): ["price"],
    (RealPosition, "calculate_pnl"): [],
}

TESTS = {
    "test_orders.py": "test_order_new_to_filled test_order_new_to_cancelled test_order_partial_fill_accumulation",
    "test_positions.py": (
        "test_position_average_entry_price test_position_unrealized_pnl_long test_position_unrealized_pnl_short "
        "test_position_partial_close_realized_pnl"
    ),
}


@pytest.mark.parametrize(("name", "text"), STATES.items())
def test_every_state_of_the_seed_exists(name: str, text: str) -> None:
    """The seed's seven states, compared by value (S-10 … S-17)."""
    assert OrderState[name] == OrderState(text) == text


@pytest.mark.parametrize(
    ("kind", "field"), [(kind, field) for kind, fields in FIELDS.items() for field in fields.split()]
)
def test_every_field_of_the_seed_can_be_read(kind: type, field: str) -> None:
    """A field is stored, or computed as a property of the same name (S-18 … S-32, S-37 … S-56)."""
    stored = {each.name for each in attrs.fields(kind)}
    assert field in stored or isinstance(inspect.getattr_static(kind, field), property)


@pytest.mark.parametrize(("kind", "name"), METHODS)
def test_every_method_of_the_seed_takes_what_it_says(kind: type, name: str) -> None:
    """The seed's methods; where it names parameters, ours have the same names (S-33 … S-36, S-57 … S-61)."""
    expected = METHODS[kind, name]
    parameters = [each for each in inspect.signature(getattr(kind, name)).parameters if each != "self"]
    assert parameters == expected if expected is not None else "id" in parameters


@pytest.mark.parametrize(("file", "names"), TESTS.items())
def test_every_test_the_seed_names_is_written(file: str, names: str) -> None:
    """The seed's tests of orders and positions exist, and each asserts something (S-94 … S-100)."""
    tree = ast.parse((Path(__file__).parent / file).read_text(encoding="utf-8"))
    asserting = {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and any(isinstance(each, ast.Assert) for each in ast.walk(node))
    }
    assert set(names.split()) <= asserting
