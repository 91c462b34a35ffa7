"""Reading the configuration file and the credentials: what comes out, and what a person is told."""

import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest

from realtrading.config import Credentials, load, load_credentials
from realtrading.domain.limits import RealTradingConfig
from realtrading.domain.settings import Durability, Listen, Mode, Settings, StrategySettings, VenueUrls
from realtrading.errors import BadInput

D = Decimal
LEAST = '[engine]\nsymbols = ["BTCUSDT"]\n'
SECTIONS = "[engine], [limits], [venue], [credentials], [strategy], [metrics], [journal]"
ABOVE_0 = "(allowed: a plain number above 0)"
ADDRESS = '(allowed: "127.0.0.1:17880", or "" for no metrics)'
SIMULATED = """\
[engine]
mode = "simulated"
symbols = ["BTCUSDT", "ETHUSDT"]
[venue]
rest_url = "http://127.0.0.1:17881"
ws_api_url = "ws://127.0.0.1:17881/ws-api/v3"
stream_url = "ws://127.0.0.1:17881/stream"
"""


@pytest.fixture(autouse=True)
def _no_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the configuration is."""
    return tmp_path / "house.toml"


def read(file: Path, content: str | bytes) -> Settings:
    """The settings in a file of this content."""
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return load(file)


def told(file: Path, content: str | bytes | None = None) -> list[str]:
    """What a person is told about the file, without the file's name; the exit code is always 4."""
    with pytest.raises(BadInput) as caught:
        load(file) if content is None else read(file, content)
    assert caught.value.exit_code == 4
    lines = str(caught.value).split("\n")
    assert all(line.startswith(f"{file}: ") for line in lines), lines
    return [line.removeprefix(f"{file}: ") for line in lines]


# -- what comes out -----------------------------------------------------------


def test_the_least_file_is_a_testnet_engine(file: Path) -> None:
    """All else has a default; state and journal lie beside the file."""
    settings = read(file, LEAST)
    folder = file.parent
    assert settings == Settings(symbols=("BTCUSDT",), state_dir=folder / "state")
    assert str(settings.journal_path) == f"{folder}/state/journal-testnet.db"


def test_every_key_arrives(file: Path) -> None:
    """The whole file, every section and key, with amounts exact and relative paths from the file's folder."""
    settings = read(
        file,
        SIMULATED.replace(
            "[venue]", 'reporting_asset = "BTC"\nprefix = "my"\nstate_dir = "var"\nconfirm_account = 7\n[venue]'
        )
        + """
[limits]
max_position_size_usdt = 0.1
max_total_exposure_usdt = "0.30000004"
max_daily_loss_usdt = 2
max_positions = 4
risk_per_trade_percent = 12.5
circuit_breaker_errors = 6
circuit_breaker_cooldown_secs = 7
reconciliation_interval_secs = 8
stale_order_timeout_secs = 90
default_slippage_percent = 0.25
order_timeout_secs = 11
max_order_value_usdt = 1e-3
quote_age_max_secs = 12
[credentials]
key_file = "secrets/key"
secret_file = "/etc/secret"
[strategy.a1]
use = "mine.py:Pacer"
symbols = ["ETHUSDT"]
[strategy.a1.config]
spread = 0.001
levels = [1, 2]
[strategy.b]
use = "package.module:Other"
[metrics]
listen = "[::1]:0"
[journal]
path = "j/house.db"
durability = "process"
""",
    )
    folder = file.parent
    assert settings == Settings(
        mode=Mode.SIMULATED,
        symbols=("BTCUSDT", "ETHUSDT"),
        reporting_asset="BTC",
        prefix="my",
        state_dir=folder / "var",
        confirm_account=7,
        limits=RealTradingConfig(
            max_position_size_usdt=D("0.1"),
            max_total_exposure_usdt=D("0.30000004"),
            max_daily_loss_usdt=D(2),
            max_positions=4,
            risk_per_trade_percent=D("12.5"),
            circuit_breaker_errors=6,
            circuit_breaker_cooldown_secs=7,
            reconciliation_interval_secs=8,
            stale_order_timeout_secs=90,
            default_slippage_percent=D("0.25"),
            order_timeout_secs=11,
            max_order_value_usdt=D("0.001"),
            quote_age_max_secs=12,
        ),
        venue=VenueUrls(
            rest_url="http://127.0.0.1:17881",
            ws_api_url="ws://127.0.0.1:17881/ws-api/v3",
            stream_url="ws://127.0.0.1:17881/stream",
        ),
        key_file=folder / "secrets/key",
        secret_file="/etc/secret",
        strategies=(
            StrategySettings(
                name="a1",
                use=f"{folder}/mine.py:Pacer",
                symbols=("ETHUSDT",),
                config={"spread": D("0.001"), "levels": [1, 2]},
            ),
            StrategySettings(name="b", use="package.module:Other", symbols=("BTCUSDT", "ETHUSDT")),
        ),
        metrics_listen=Listen(host="::1", port=0),
        journal_path=folder / "j/house.db",
        durability=Durability.PROCESS,
    )


def test_no_listen_address_means_no_metrics(file: Path) -> None:
    """Said by an empty text, so that leaving it out keeps the default."""
    assert read(file, LEAST + '[metrics]\nlisten = ""\n').metrics_listen is None
    assert read(file, LEAST).metrics_listen == Listen(host="127.0.0.1", port=17880)


def test_the_service_managers_state_folder_is_used(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """systemd names it in $STATE_DIRECTORY (the first of several); the file's own word wins."""
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/realtrading:/var/lib/other")
    assert str(read(file, LEAST).state_dir) == "/var/lib/realtrading"
    assert str(read(file, LEAST + 'state_dir = "/mine"\n').state_dir) == "/mine"


def test_windows_line_ends_and_a_byte_order_mark_are_no_mistake(file: Path) -> None:
    """An editor put them there, not a person."""
    assert read(file, b"\xef\xbb\xbf" + LEAST.replace("\n", "\r\n").encode()) == read(file, LEAST)


def test_a_path_beside_the_working_folder_is_made_whole(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The daemon may be started from anywhere."""
    monkeypatch.chdir(file.parent)
    file.write_text(LEAST)
    assert load(file.name).state_dir == load(file).state_dir
    assert load(file).state_dir.is_absolute()


# -- files that are none ------------------------------------------------------


def test_a_missing_file_is_named(file: Path) -> None:
    """One sentence."""
    assert told(file) == ["cannot be read: no such file or directory"]


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    """Nor is a path through a file."""
    assert told(tmp_path) == ["is a folder (allowed: a TOML file)"]
    (tmp_path / "file").write_text(LEAST)
    assert told(tmp_path / "file" / "deeper") == ["cannot be read: not a directory"]


def test_a_name_no_file_can_have(file: Path) -> None:
    """A NUL byte in the path."""
    with pytest.raises(BadInput) as caught:
        load("a\0b")
    assert (str(caught.value), caught.value.exit_code) == ("'a\\x00b': is not a file's name", 4)


@pytest.mark.parametrize("content", [b"", b"\n \r\n", b"\xef\xbb\xbf"])
def test_an_empty_file_says_what_is_needed(file: Path, content: bytes) -> None:
    """Also when only a mark or blanks are in it."""
    assert told(file, content) == ["is empty (needed at least: [engine] symbols)"]


def test_a_binary_file_is_no_text(file: Path) -> None:
    """The first byte that is none is named."""
    assert told(file, b"[eng\xff\xfe") == ["is not UTF-8 text (byte 4)"]
    assert told(file, LEAST.encode("utf-16"))[0].startswith("is not UTF-8 text")


def test_an_endless_file_is_not_read_to_the_end(file: Path) -> None:
    """A megabyte of settings is no settings."""
    assert told(file, b"#" * (1 << 20) + b"#") == ["is longer than 1048576 bytes (allowed: a TOML file)"]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("[engine\n", "line 1"),
        ("engine = {a = 1, a = 2}\n", "line 1"),
        ("[engine]\n[engine]\n", "line 2"),
        ("\0\n", "line 1"),
        ("a = " + "[" * 50_000, "nested too deeply"),
        ("a = " + "9" * 10_000, "Exceeds the limit"),
        ("[limits]\nmax_positions = 0x" + "f" * 10_000, "Exceeds the limit"),
        ("a = 1e99999999999999999999\n", ""),
    ],
)
def test_what_is_not_toml_says_where(file: Path, content: str, what: str) -> None:
    """Syntax, repeated keys, NUL, nesting and numbers no machine holds."""
    lines = told(file, content)
    assert what in lines[0]
    assert len(lines) == 1


# -- wrong values -------------------------------------------------------------


LIMITS, JOURNAL, METRICS, STRATEGY = (f"{LEAST}[{name}]\n" for name in ("limits", "journal", "metrics", "strategy.a"))
ONE_MISTAKE = {
    "[limits]\n": '[engine] symbols: missing or empty (allowed: a list such as ["BTCUSDT"])',
    LEAST + 'mode = "tesnet"': (
        "[engine] mode: 'tesnet', did you mean 'testnet'? (allowed: simulated, testnet, binance-demo, observe, live)"
    ),
    '[strategy.a]\nuse = "a:B"': '[engine] symbols: missing or empty (allowed: a list such as ["BTCUSDT"])',
    '[engine]\nsymbols = ["btc"]\n[strategy.a]\nuse = "a:B"': (
        "[engine] symbols: 'btc' (allowed: capitals such as \"BTCUSDT\")"
    ),
    '[engine]\nsymbols = 5\n[strategy.a]\nuse = "a:B"': '[engine] symbols: 5 (allowed: a list such as ["BTCUSDT"])',
    "[engine]\nsymbols = 5": '[engine] symbols: 5 (allowed: a list such as ["BTCUSDT"])',
    "[engine]\nsymbols = [5]": '[engine] symbols: [5] (allowed: a list such as ["BTCUSDT"])',
    LEAST + "prefix = true": "[engine] prefix: True (allowed: text in quotes)",
    LEAST + 'state_dir = " "': "[engine] state_dir: ' ' (allowed: a path in quotes)",
    LEAST + 'state_dir = "a\\u0000"': "[engine] state_dir: 'a\\x00' (allowed: a path in quotes)",
    LEAST + 'confirm_account = "7"': "[engine] confirm_account: '7' (allowed: the account's uid, a whole number)",
    LIMITS + "max_positions = true": "[limits] max_positions: True (allowed: a whole number from 1 to 10000)",
    LIMITS + "max_daily_loss_usdt = nan": f"[limits] max_daily_loss_usdt: NaN {ABOVE_0}",
    LIMITS + "max_daily_loss_usdt = -inf": f"[limits] max_daily_loss_usdt: -Infinity {ABOVE_0}",
    LIMITS + "max_daily_loss_usdt = 1e400": f"[limits] max_daily_loss_usdt: 1E+400 {ABOVE_0}",
    LIMITS + "max_daily_loss_usdt = -5": f"[limits] max_daily_loss_usdt: -5 {ABOVE_0}",
    "limits = 5\n" + LEAST: "[limits]: 5 (allowed: a section [limits])",
    "symbols = []\n" + LEAST: f"symbols: stands outside of every section ({SECTIONS})",
    JOURNAL + 'durability = "Power"': (
        "[journal] durability: 'Power', did you mean 'power'? (allowed: power, process)"
    ),
    JOURNAL + "sync = 1": "[journal] sync: unknown (allowed: path, durability)",
    METRICS + 'listen = "17880"': f"[metrics] listen: '17880' {ADDRESS}",
    METRICS + 'listen = "localhost:http"': f"[metrics] listen: 'localhost:http' {ADDRESS}",
    METRICS + "listen = 17880": f"[metrics] listen: 17880 {ADDRESS}",
    LEAST + '[strategy]\nuse = "a:B"': "[strategy] use: 'a:B' (allowed: sections [strategy.NAME])",
    "strategy = 1\n" + LEAST: "strategy: 1 (allowed: sections [strategy.NAME])",
    STRATEGY: '[strategy.a] use: missing (allowed: "module:Class" or "path.py:Class")',
    STRATEGY + "use = 5": '[strategy.a] use: 5 (allowed: "module:Class" or "path.py:Class")',
    STRATEGY + 'use = "a:B"\nconfig = 1': "[strategy.a] config: 1 (allowed: a section [strategy.a.config])",
    STRATEGY + 'use = "a:B"\nsymbols = ["ETHUSDT"]': "[strategy.a] symbols: 'ETHUSDT' is not one of [engine] symbols",
    LEAST + '[credentials]\nkey_file = "k"': (
        "[credentials] secret_file: missing (allowed: both files, or no section at all)"
    ),
    LEAST + '["a\\nb"]': f"'[a\\nb]': unknown section (allowed: {SECTIONS})",
}


@pytest.mark.parametrize(("content", "line"), ONE_MISTAKE.items())
def test_one_mistake_is_one_line(file: Path, content: str, line: str) -> None:
    """The place, what is there, and what would be allowed; nothing else is complained about in its wake."""
    assert told(file, content) == [line]


def test_an_unknown_limit_lists_the_known_ones(file: Path) -> None:
    """And guesses which was meant."""
    (line,) = told(file, LEAST + "[limits]\nmax_daily_loss = 5\n")
    assert line.startswith("[limits] max_daily_loss: unknown, did you mean 'max_daily_loss_usdt'? (allowed: max_")
    for field in attrs.fields(RealTradingConfig):
        assert field.name in line


def test_the_simulated_venue_needs_all_three_addresses(file: Path) -> None:
    """No section, half a section, another machine."""
    (line,) = told(file, SIMULATED.partition("[venue]")[0])
    assert line.startswith("[venue]: missing (mode simulated needs rest_url, ws_api_url, stream_url")
    half = told(file, SIMULATED.replace("ws_api_url", "ws_url"))
    assert [line.partition(":")[0] for line in half] == ["[venue] ws_url", "[venue] ws_api_url"]
    (line,) = told(file, SIMULATED.replace("http://127.0.0.1", "http://10.1.2.3"))
    assert line.startswith("[venue] rest_url: 'http://10.1.2.3:17881' (allowed: a loopback address")


def test_a_real_venue_takes_no_addresses(file: Path) -> None:
    """A key must never be sent where a config says."""
    (line,) = told(file, SIMULATED.replace("simulated", "testnet"))
    assert line.startswith("[venue]: not allowed in mode testnet")


def test_real_money_needs_the_accounts_uid(file: Path) -> None:
    """And a uid that cannot be read is one mistake, not two."""
    (line,) = told(file, LEAST + 'mode = "live"\n')
    assert line.startswith("[engine] confirm_account: missing")
    (line,) = told(file, LEAST + 'mode = "live"\nconfirm_account = "x"\n')
    assert line.startswith("[engine] confirm_account: 'x'")
    assert read(file, LEAST + 'mode = "live"\nconfirm_account = 9\n').confirm_account == 9


def test_every_mistake_is_told_at_once_in_the_files_order(file: Path) -> None:
    """Seven mistakes in six sections: seven lines."""
    lines = told(
        file,
        """
[engine]
mode = "simulator"
symbols = "BTCUSDT"
[limits]
max_positions = 0
[credentials]
key_file = "k"
[strategy.Bad]
use = "x:Y"
symbols = ["XRPUSDT"]
[metrics]
listen = "0.0.0.0:17880"
[journal]
durability = 1
""",
    )
    assert [line.partition(":")[0] for line in lines] == [
        "[engine] mode",
        "[engine] symbols",
        "[limits] max_positions",
        "[credentials] secret_file",
        "[strategy.Bad]",
        "[metrics] listen",
        "[journal] durability",
    ]


# -- credentials --------------------------------------------------------------


def house(
    folder: Path, key: bytes | None = b"the-key\n", secret: bytes | None = b"the-secret", mode: int = 0o600
) -> Settings:
    """Settings whose credentials are two files of this content in `folder`."""
    for name, content in (("api_key", key), ("api_secret", secret)):
        if content is not None:
            (folder / name).write_bytes(content)
            (folder / name).chmod(mode)
    return Settings(symbols=["BTCUSDT"], key_file=folder / "api_key", secret_file=folder / "api_secret")


def refused(settings: Settings) -> list[str]:
    """What a person is told about the credentials; exit code 5, and never a word of what is in them."""
    with pytest.raises(BadInput) as caught:
        load_credentials(settings)
    assert caught.value.exit_code == 5
    assert "the-" not in str(caught.value)
    return str(caught.value).split("\n")


def test_key_and_secret_come_from_the_named_files(tmp_path: Path) -> None:
    """Blanks and line ends around the word do not belong to it, nor does a byte order mark."""
    assert load_credentials(house(tmp_path)) == Credentials(key="the-key", secret="the-secret")
    marked = house(tmp_path, b"\xef\xbb\xbf the-key\r\n")
    assert load_credentials(marked).key == "the-key"


def test_relative_files_of_hand_made_settings_start_from_a_folder(tmp_path: Path) -> None:
    """A program that makes its settings itself has no config file to start from."""
    house(tmp_path)
    settings = Settings(symbols=["BTCUSDT"], key_file="api_key", secret_file="api_secret")
    assert load_credentials(settings, tmp_path).key == "the-key"


def test_without_named_files_the_service_managers_folder_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """systemd shows the service's own access as a group's: that is no leak there, others' access is."""
    house(tmp_path, mode=0o440)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert load_credentials(Settings(symbols=["BTCUSDT"])) == Credentials(key="the-key", secret="the-secret")
    (tmp_path / "api_key").chmod(0o444)
    (line,) = refused(Settings(symbols=["BTCUSDT"]))
    assert line == f"{tmp_path}/api_key: is open to other users (mode 444; allowed: 600 or 400)"


def test_credentials_that_are_nowhere() -> None:
    """Neither files nor a service manager."""
    (line,) = refused(Settings(symbols=["BTCUSDT"]))
    assert line.startswith("no credentials: neither [credentials] key_file and secret_file nor $CREDENTIALS_DIRECTORY")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_file_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    """Both files are named, with their modes."""
    lines = refused(house(tmp_path, mode=mode))
    assert lines == [
        f"{tmp_path}/{name}: is open to other users (mode {mode:o}; allowed: 600 or 400)"
        for name in ("api_key", "api_secret")
    ]


@pytest.mark.parametrize(
    ("secret", "what"),
    [
        (None, "no such file"),
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"the- secret", "holds more than one word (allowed: one word on one line)"),
        (b"the-\nsecret", "holds more than one word (allowed: one word on one line)"),
        (b"the-\0secret", "holds more than one word (allowed: one word on one line)"),
        (b"the-" + b"x" * 5000, "holds more than one word (allowed: one word on one line)"),
        (b"the-\xff", "is not plain text (allowed: one word)"),
        ("the-sécret".encode(), "is not plain text (allowed: one word)"),
    ],
)
def test_a_file_that_holds_no_secret_is_refused(tmp_path: Path, secret: bytes | None, what: str) -> None:
    """Missing, empty, several words, binary: named, without its content."""
    assert refused(house(tmp_path, secret=secret)) == [f"{tmp_path}/api_secret: {what}"]


def test_what_is_no_file_is_refused_and_waits_for_nobody(tmp_path: Path) -> None:
    """A folder, and a pipe that nobody writes into."""
    settings = house(tmp_path, secret=None)
    (tmp_path / "api_secret").mkdir()
    assert refused(settings) == [f"{tmp_path}/api_secret: is not a file"]
    (tmp_path / "api_secret").rmdir()
    os.mkfifo(tmp_path / "api_secret", 0o600)
    assert refused(settings) == [f"{tmp_path}/api_secret: is not a file"]


def test_a_path_through_a_file_does_not_exist(tmp_path: Path) -> None:
    """Said as what it is for a person: there is no such file; a loop of links cannot be read."""
    house(tmp_path)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    settings = Settings(symbols=["BTCUSDT"], key_file=tmp_path / "api_key" / "x", secret_file=tmp_path / "loop")
    first, second = refused(settings)
    assert first == f"{tmp_path}/api_key/x: no such file"
    assert second.startswith(f"{tmp_path}/loop: cannot be read: ")


def test_credentials_are_never_shown() -> None:
    """Not by repr, str or format."""
    both: Any = Credentials(key="the-key", secret="the-secret")
    assert f"{both!r} {both!s} {both}".count("the-") == 0
