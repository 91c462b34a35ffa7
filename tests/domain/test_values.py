"""Amounts: what is one, and what is refused with a reason before it can reach a limit, a journal or an exchange."""

from decimal import Decimal

import pytest

from realtrading.domain.values import BadAmount, amount, checked

GOOD = ["0", "-1", "1.5", "0.00000000000000000001", "99999999999999999999.99999999999999999999", "1.0", "007"]


@pytest.mark.parametrize("text", GOOD)
def test_a_plain_decimal_is_an_amount(text: str) -> None:
    """As text and as a Decimal alike, exactly."""
    assert amount(text) == checked(Decimal(text)) == Decimal(text)


def test_zeros_at_the_end_are_no_digits() -> None:
    """A Decimal may carry any number of them and is still the same amount."""
    assert checked(Decimal("1." + "0" * 59)) == 1
    assert checked(Decimal("0E-30")) == 0
    assert checked(Decimal("1E+3")) == 1000


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (Decimal("NaN"), "not a finite number"),
        (Decimal("-Infinity"), "not a finite number"),
        (Decimal("1e400"), "more than 20 digits before the point"),
        (Decimal("1" + "0" * 20), "more than 20 digits before the point"),
        (Decimal("0." + "1" * 60), "more than 20 digits after the point"),
        (Decimal(1) / Decimal(3), "more than 20 digits after the point"),
        (Decimal("1e-21"), "more than 20 digits after the point"),
        ("0." + "1" * 60, "not a plain decimal number"),
        ("1e5", "not a plain decimal number"),
        ("NaN", "not a plain decimal number"),
        ("1_000", "not a plain decimal number"),
        ("\uff11", "not a plain decimal number"),
        (0.5, "not an amount"),
        (True, "not an amount"),
        (None, "not an amount"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_anything_else_is_refused_with_a_short_reason(value: object, why: str) -> None:
    """One sentence that names what is wrong, however long the number is."""
    with pytest.raises(BadAmount, match=why) as refused:
        amount(value)
    assert len(str(refused.value)) < 140
