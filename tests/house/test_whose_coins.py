"""A position is what the house bought; what lay in the wallet before is somebody else's."""

from collections.abc import Iterator
from decimal import Decimal

import pytest

from house.conftest import Engines
from house.kit import SYMBOL, Judge, quiet, violations
from processes import Processes
from realtrading.domain.reasons import Reason


@pytest.fixture
def rich(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    """An account that holds two coins before anybody trades."""
    started = Processes(tmp_path_factory.mktemp("rich"))
    try:
        yield Judge(started, balances=("USDT=1000", "BTC=2"))
    finally:
        problems = started.end_all()
    assert not problems, "\n".join(problems)


def test_only_what_was_bought_can_be_sold(engines: Engines, rich: Judge) -> None:
    """0.01 bought is a position of 0.01 less its fee; 0.02 cannot be sold though the wallet holds 2.01; 2 are unmanaged."""
    engine = engines(at=rich).start()
    assert engine.unmanaged == {"BTC": Decimal(2), "USDT": Decimal(1000)}
    bought = engine.buy(SYMBOL, quantity="0.01").wait(10)
    quiet(engine)
    assert bought is not None
    fees = sum((fill.commission for fill in bought.fills), Decimal(0))
    assert fees == Decimal("0.00001")
    assert {key: position.quantity for key, position in engine.positions.items()} == {f"user/{SYMBOL}": Decimal("0.01") - fees}
    assert engine.unmanaged["BTC"] == 2
    assert engine.balances["BTC"] == Decimal("2.01") - fees
    refused = engine.sell(SYMBOL, quantity="0.02")
    order = refused.wait(10)
    assert order is not None
    assert (order.state, order.reason) == ("Rejected", Reason.RISK_POSITION_INSUFFICIENT)
    assert refused.detail.startswith("RISK_POSITION_INSUFFICIENT")
    assert refused.id not in rich.places()
    sold = engine.sell(SYMBOL, quantity="0.00999").wait(10)
    assert sold is not None
    assert sold.state == "Filled"
    quiet(engine)
    assert engine.unmanaged["BTC"] == 2
    assert engine.positions == {}
    assert violations(rich, engine) == []


def test_what_others_move_is_theirs(engines: Engines, rich: Judge) -> None:
    """A deposit and a trade by hand on the account change what is unmanaged, never the position."""
    engine = engines(at=rich).start()
    engine.buy(SYMBOL, quantity="0.01").wait(10)
    quiet(engine)
    before = engine.position_books
    rich.call("deposit", asset="BTC", amount="0.5")
    rich.call("orders", symbol=SYMBOL, side="SELL", type="MARKET", quantity="0.1")
    done = [engine.reconcile(20) for _ in range(2)]
    assert done[-1] is not None
    assert done[-1].clean, done[-1].unresolved
    quiet(engine)
    assert engine.position_books == before
    assert engine.unmanaged["BTC"] == Decimal("2.4")
    assert {asset: engine.balances[asset] for asset in rich.totals()} == rich.totals()
