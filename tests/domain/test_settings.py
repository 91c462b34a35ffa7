"""Limits and settings as values: what they refuse, that they name every mistake, and what the digest depends on."""

from datetime import date
from decimal import Decimal
from typing import Any

import attrs
import pytest

from realtrading.domain.limits import BadSettings, RealTradingConfig
from realtrading.domain.settings import (
    Durability,
    Listen,
    Mode,
    Settings,
    StrategySettings,
    VenueUrls,
    config_digest,
)

D = Decimal
URLS = VenueUrls(
    rest_url="http://127.0.0.1:17881", ws_api_url="ws://127.0.0.1:17881/ws-api/v3", stream_url="ws://localhost:17881"
)


def mistakes(kind: Any, **given: Any) -> list[tuple[str, str]]:
    """(section, key) of every mistake."""
    with pytest.raises(BadSettings) as caught:
        kind(**given)
    assert caught.value.exit_code == 4
    assert str(caught.value).count("\n") == len(caught.value.mistakes) - 1
    return [(mistake.section, mistake.key) for mistake in caught.value.mistakes]


def settings(**given: Any) -> Settings:
    """Settings of a simulated engine with one symbol."""
    return Settings(**({"mode": "simulated", "symbols": ["BTCUSDT"], "venue": URLS} | given))


# -- limits -------------------------------------------------------------------

AMOUNTS = ["max_position_size_usdt", "max_total_exposure_usdt", "max_daily_loss_usdt", "max_order_value_usdt"]
COUNTS = [
    "max_positions",
    "circuit_breaker_errors",
    "circuit_breaker_cooldown_secs",
    "reconciliation_interval_secs",
    "stale_order_timeout_secs",
    "order_timeout_secs",
    "quote_age_max_secs",
]


@pytest.mark.parametrize("name", AMOUNTS)
@pytest.mark.parametrize(
    "value",
    [
        *(0, -1, 10**20, 0.5, True, None, D("1E+400"), D("1e-21"), D("1e-1000"), D("NaN"), D("-Infinity"), D("-0")),
        *("", "nan", "inf", "1_000", "\uff11", "1e2", "1e400", "ten"),
    ],
)
def test_amounts_are_plain_numbers_above_zero(name: str, value: Any) -> None:
    """Not zero, negative, endless, NaN, a float, a truth, nothing, or anything `Decimal` alone would swallow."""
    assert mistakes(RealTradingConfig, **{name: value}) == [("limits", name)]


def test_amounts_may_be_texts_whole_numbers_or_decimals() -> None:
    """All three are exact."""
    config = RealTradingConfig(max_position_size_usdt="12.5", max_daily_loss_usdt=7, max_order_value_usdt=D("0.1"))
    assert (config.max_position_size_usdt, config.max_daily_loss_usdt) == (D("12.5"), 7)
    assert config.max_order_value_usdt == D("0.1")


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize("value", [0, -5, 1.5, True, "3", None, 10**12, D(3)])
def test_counts_and_seconds_are_whole_numbers_from_one(name: str, value: Any) -> None:
    """And bounded."""
    assert ("limits", name) in mistakes(RealTradingConfig, **{name: value})


@pytest.mark.parametrize(
    ("name", "value", "good"),
    [
        ("risk_per_trade_percent", "0", False),
        ("risk_per_trade_percent", "0.01", True),
        ("risk_per_trade_percent", "100", True),
        ("risk_per_trade_percent", "100.1", False),
        ("risk_per_trade_percent", "nan", False),
        ("default_slippage_percent", "0", True),
        ("default_slippage_percent", "10", True),
        ("default_slippage_percent", "10.1", False),
        ("default_slippage_percent", "-0.1", False),
    ],
)
def test_percentages_have_their_ranges(name: str, value: str, good: bool) -> None:
    """Risk above 0 to 100, slippage 0 to 10."""
    if good:
        assert getattr(RealTradingConfig(**{name: value}), name) == D(value)  # type: ignore[arg-type]
    else:
        assert mistakes(RealTradingConfig, **{name: value}) == [("limits", name)]


def test_every_mistake_is_named_at_once() -> None:
    """Three wrong values and one contradiction between two right ones: four lines."""
    found = mistakes(
        RealTradingConfig,
        max_daily_loss_usdt=-1,
        risk_per_trade_percent="x",
        max_positions=0,
        max_position_size_usdt=600,
    )
    assert found == [
        ("limits", "max_daily_loss_usdt"),
        ("limits", "risk_per_trade_percent"),
        ("limits", "max_positions"),
        ("limits", "max_total_exposure_usdt"),
    ]


def test_a_mistake_says_what_is_there_and_what_is_allowed() -> None:
    """One sentence with the place, the value and the range; however long or odd the value is."""
    with pytest.raises(BadSettings) as caught:
        RealTradingConfig(max_positions="x" * 500, order_timeout_secs=400)  # type: ignore[arg-type]
    first, second = str(caught.value).split("\n")
    assert first == f"[limits] max_positions: '{'x' * 56}... (allowed: a whole number from 1 to 10000)"
    assert second == (
        "[limits] stale_order_timeout_secs: 300 is below order_timeout_secs 400 (allowed: at least that)"
    )


def test_a_number_too_long_to_be_written_is_still_named() -> None:
    """Python itself refuses to write it out."""
    with pytest.raises(BadSettings) as caught:
        RealTradingConfig(max_positions=10**5000, max_daily_loss_usdt=10**5000)
    assert str(caught.value).count("a number too long to be written (allowed: ") == 2


def test_limits_do_not_change() -> None:
    """A config is a value: two engines in one process cannot disturb each other."""
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        RealTradingConfig().max_positions = 9  # type: ignore[misc]


# -- settings -----------------------------------------------------------------


def test_the_least_settings_are_a_testnet_engine_with_a_symbol() -> None:
    """Never real money by default; the journal's name contains the mode."""
    least = Settings(symbols=("BTCUSDT",))
    assert (least.mode, least.reporting_asset, least.prefix) == (Mode.TESTNET, "USDT", "rt")
    assert (str(least.journal_path), least.durability) == ("state/journal-testnet.db", Durability.POWER)
    assert (str(least.metrics_listen), least.limits, least.strategies) == ("127.0.0.1:17880", RealTradingConfig(), ())


def test_one_symbol_is_a_list_of_one() -> None:
    """Not of its letters."""
    assert Settings(symbols="BTCUSDT").symbols == ("BTCUSDT",)


def test_another_mode_never_meets_this_modes_journal() -> None:
    """The default path differs by mode and lies in the state folder."""
    assert str(settings(state_dir="/var/lib/rt").journal_path) == "/var/lib/rt/journal-simulated.db"
    assert str(settings(journal_path="/elsewhere/j.db").journal_path) == "/elsewhere/j.db"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"symbols": []}, [("engine", "symbols")]),
        ({"mode": "paper"}, [("engine", "mode")]),
        ({"mode": None, "durability": "disk"}, [("engine", "mode"), ("journal", "durability")]),
        ({"symbols": ["btcusdt"]}, [("engine", "symbols")]),
        ({"symbols": ["BTC/USDT"]}, [("engine", "symbols")]),
        ({"symbols": ["BTCUSDT", "BTCUSDT"]}, [("engine", "symbols")]),
        ({"reporting_asset": "usdt"}, [("engine", "reporting_asset")]),
        ({"prefix": "RT"}, [("engine", "prefix")]),
        ({"prefix": "realt"}, [("engine", "prefix")]),
        ({"confirm_account": 0}, [("engine", "confirm_account")]),
        ({"key_file": "k"}, [("credentials", "secret_file")]),
        ({"secret_file": "s"}, [("credentials", "key_file")]),
        ({"metrics_listen": Listen(host="0.0.0.0", port=1)}, [("metrics", "listen")]),
        ({"metrics_listen": Listen(host="example.org", port=1)}, [("metrics", "listen")]),
        ({"metrics_listen": Listen(host="::1", port=65536)}, [("metrics", "listen")]),
        ({"venue": None}, [("venue", "")]),
        ({"prefix": "", "symbols": [], "venue": None}, [("engine", "symbols"), ("engine", "prefix"), ("venue", "")]),
    ],
)
def test_wrong_settings_are_named(given: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    """Each with its section and key."""
    assert mistakes(settings, **given) == expected


@pytest.mark.parametrize("mode", [Mode.TESTNET, Mode.BINANCE_DEMO, Mode.OBSERVE, Mode.LIVE])
def test_only_the_simulator_has_an_address_of_its_own(mode: Mode) -> None:
    """A real venue's addresses are fixed: no config can send a key elsewhere."""
    assert ("venue", "") in mistakes(Settings, mode=mode, symbols=["BTCUSDT"], venue=URLS, confirm_account=7)


@pytest.mark.parametrize(
    ("key", "url"),
    [
        ("rest_url", "http://api.example.org"),
        ("rest_url", "https://10.0.0.1:80"),
        ("rest_url", "ws://127.0.0.1:1"),
        ("rest_url", "http://[::1"),
        ("rest_url", "http://127.0.0.1:99999"),
        ("rest_url", "127.0.0.1:17881"),
        ("ws_api_url", "http://127.0.0.1:1"),
        ("stream_url", ""),
        ("stream_url", "ws://localhost.example.org"),
    ],
)
def test_the_simulators_addresses_are_loopback(key: str, url: str) -> None:
    """Wrong scheme, another machine, or no address at all."""
    assert mistakes(settings, venue=attrs.evolve(URLS, **{key: url})) == [("venue", key)]


def test_real_money_needs_the_account_by_name() -> None:
    """Mode live without the account's uid is refused; with it, it is not."""
    assert mistakes(Settings, mode="live", symbols=["BTCUSDT"]) == [("engine", "confirm_account")]
    assert Settings(mode="live", symbols=["BTCUSDT"], confirm_account=354937868).mode is Mode.LIVE


def strategy(**given: Any) -> StrategySettings:
    """A good strategy but for what is given."""
    return StrategySettings(**({"name": "pacer", "use": "mod.sub:Pacer", "symbols": ("BTCUSDT",)} | given))


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ({"name": "Pacer"}, ""),
        ({"name": "much2longname"}, ""),
        ({"use": "mod.Pacer"}, "use"),
        ({"use": ":Pacer"}, "use"),
        ({"use": "mod:2Pacer"}, "use"),
        ({"use": "mod:Pacer()"}, "use"),
        ({"symbols": ()}, "symbols"),
        ({"symbols": ("ETHUSDT",)}, "symbols"),
        ({"symbols": ("ethusdt",)}, "symbols"),
        ({"symbols": ("BTCUSDT", "BTCUSDT")}, "symbols"),
    ],
)
def test_wrong_strategies_are_named(given: dict[str, Any], key: str) -> None:
    """Its name must fit a client id, its symbols must be the engine's."""
    wrong = strategy(**given)
    assert mistakes(settings, strategies=[wrong]) == [(f"strategy.{wrong.name}", key)]


def test_two_strategies_of_one_name_are_one_too_many() -> None:
    """Their client ids could not be told apart."""
    assert mistakes(settings, strategies=[strategy(), strategy()]) == [("strategy.pacer", "")]


def test_a_strategy_may_live_in_a_file() -> None:
    """path.py:Class."""
    assert settings(strategies=[strategy(use="/srv/my strategy.py:Pacer")]).strategies[0].name == "pacer"


def test_an_address_is_written_as_it_is_listened_on() -> None:
    """IPv6 in brackets."""
    assert [str(Listen(host=host, port=1)) for host in ("127.0.0.1", "::1")] == ["127.0.0.1:1", "[::1]:1"]


# -- digest -------------------------------------------------------------------


def test_equal_meaning_has_the_equal_digest() -> None:
    """Spelling of amounts, order of keys and lists or tuples do not matter."""
    one = settings(
        limits=RealTradingConfig(max_daily_loss_usdt="50"),
        strategies=[strategy(config={"spread": D("0.10"), "levels": [1, 2]})],
    )
    two = settings(
        limits=RealTradingConfig(max_daily_loss_usdt="50.00"),
        strategies=[strategy(config={"levels": [1, 2], "spread": D("0.1")})],
    )
    assert config_digest(one) == config_digest(two)
    assert len(config_digest(one)) == 64


CHANGES: dict[str, Any] = {
    "mode": "testnet",
    "symbols": ["BTCUSDT", "ETHUSDT"],
    "reporting_asset": "BTC",
    "prefix": "x",
    "state_dir": "/elsewhere",
    "runtime_dir": "/run/elsewhere",
    "confirm_account": 7,
    "limits": RealTradingConfig(max_positions=4),
    "venue": attrs.evolve(URLS, rest_url="http://127.0.0.1:1"),
    "key_file": "k",
    "secret_file": "s",
    "strategies": [strategy(config={"from": date(2026, 1, 1), "spread": D("Infinity")})],
    "metrics_listen": None,
    "journal_path": "j.db",
    "durability": "process",
}


@pytest.mark.parametrize("name", list(CHANGES))
def test_every_setting_is_part_of_the_digest(name: str) -> None:
    """Any change gives another digest, so that the journal can say under which settings an event came to be."""
    assert set(CHANGES) == {field.name for field in attrs.fields(Settings)}
    given = {name: CHANGES[name]}
    if name in ("key_file", "secret_file"):
        given = {"key_file": "k0", "secret_file": "s0"} | given
    if name == "mode":
        given["venue"] = None
    base = settings(key_file="k0", secret_file="s0") if name.endswith("_file") else settings()
    assert config_digest(settings(**given)) != config_digest(base)
