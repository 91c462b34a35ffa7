"""The seed's words of configuration and breaker, by the seed's own names (S-62…S-69, S-86, S-93, S-101, S-102)."""

from decimal import Decimal

import attrs

from pictures import at, order
from realtrading.domain import breaker
from realtrading.domain.breaker import Blocked, BreakerBook, CircuitBreakerState, Pass
from realtrading.domain.limits import RealTradingConfig

SEED_CONFIG = (
    "max_position_size_usdt",
    "max_total_exposure_usdt",
    "max_daily_loss_usdt",
    "max_positions",
    "risk_per_trade_percent",
    "circuit_breaker_errors",
    "circuit_breaker_cooldown_secs",
    "reconciliation_interval_secs",
    "stale_order_timeout_secs",
    "default_slippage_percent",
    "order_timeout_secs",
)


def test_circuit_breaker_opens_on_errors() -> None:
    """S-101: at the third consecutive error the breaker is open, says since when and why, and blocks entries."""
    book = BreakerBook()
    for number in (1, 2, 3):
        assert not book.state.is_open
        book = breaker.error_seen(book, f"timeout {number}", at(number), RealTradingConfig())
    assert book.state.is_open
    assert book.state.error_count == 3
    assert book.state.opened_at == at(3).utc
    assert book.state.last_error == "timeout 3"
    assert isinstance(breaker.may_pass(book, order(), reduces=False), Blocked)


def test_circuit_breaker_closes_after_cooldown() -> None:
    """S-102: 300 s after it opened, one order may try; when the venue takes it, the breaker is closed."""
    config, book = RealTradingConfig(), BreakerBook()
    for _ in range(3):
        book = breaker.error_seen(book, "timeout", at(0), config)
    book = breaker.tick(book, at(299), config)
    assert isinstance(breaker.may_pass(book, order(), reduces=False), Blocked)
    book = breaker.tick(book, at(300), config)
    answer = breaker.may_pass(book, order("probe"), reduces=False)
    assert isinstance(answer, Pass)
    assert answer.probe
    book = breaker.probe_sent(book, "probe", at(300))
    book = breaker.success_seen(book, "probe", at(301))
    assert not book.state.is_open
    assert book.state.error_count == 0
    assert book.state.opened_at is None
    assert breaker.may_pass(book, order(), reduces=False) == Pass(gate=book.gate)


def test_circuit_breaker_state_has_the_seeds_fields() -> None:
    """S-86: is_open, error_count, opened_at, last_error; closed and empty at first."""
    state = CircuitBreakerState()
    assert (state.is_open, state.error_count, state.opened_at, state.last_error) == (False, 0, None, None)


def test_config_has_the_seeds_eleven_fields_and_three_defaults() -> None:
    """S-62…S-69: every name of the seed, and the defaults it gives."""
    config = RealTradingConfig()
    assert set(SEED_CONFIG) <= set(attrs.asdict(config))
    assert config.circuit_breaker_errors == 3
    assert config.circuit_breaker_cooldown_secs == 300
    assert config.reconciliation_interval_secs == 300


def test_config_defaults_are_sane_for_testnet() -> None:
    """S-93, M-8: a fraction of a testnet account of 10,000 USDT, and consistent among themselves."""
    config, account = RealTradingConfig(), Decimal(10_000)
    assert config.max_position_size_usdt == Decimal(100) == account / 100
    assert config.max_total_exposure_usdt == Decimal(500) == config.max_position_size_usdt * config.max_positions
    assert config.max_daily_loss_usdt == Decimal(50) == config.max_total_exposure_usdt / 10
    # an entry of full position size is possible, and far above the smallest order the venue takes
    assert config.max_order_value_usdt <= account * config.risk_per_trade_percent / 100
    assert config.max_order_value_usdt >= 10 * Decimal(10)
    assert config.order_timeout_secs <= config.stale_order_timeout_secs
    assert Decimal(0) < config.default_slippage_percent < 1
