"""The table of mistakes that a person can make at the command line, for tests/doors/test_bad_input.py."""

import gzip
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import attrs

from realtrading.journal.store import Binding, Journal

USAGE, CONFIG, CREDENTIALS, VERDICT, DAMAGED, UNAVAILABLE = 2, 4, 5, 11, 65, 75
ENGINE = '[engine]\nmode = "simulated"\nsymbols = ["BTCUSDT"]\n'
TESTNET = '[engine]\nsymbols = ["BTCUSDT"]\n'
SECRETS = '[credentials]\nkey_file = "key"\nsecret_file = "secret"\n'
METRICS = '[metrics]\nlisten = ""\n'


def venue(port: str) -> str:
    """The section of a simulated exchange at this port."""
    at = f"127.0.0.1:{port}"
    return f'[venue]\nrest_url = "http://{at}/api"\nws_api_url = "ws://{at}/ws-api/v3"\nstream_url = "ws://{at}/"\n'


GOOD = ENGINE + venue("@CLOSED@") + SECRETS + METRICS
"""Nothing is wrong with it but that nobody listens there."""

REACHED = ENGINE + venue("@SIM@") + SECRETS + METRICS
"""Nothing is wrong with it."""

Content = bytes | str | tuple[bytes, int] | Callable[[Path], None] | None
"""A file's content, with its mode where 600 is not meant, or who makes it; None is a folder."""


def journal_of(path: Path, mode: str, runs: int = 1) -> None:
    """A journal of this mode, with some runs in it."""
    for _ in range(runs):
        journal = _journal(path, mode)
        journal.begin_run()
        journal.close()


def _journal(path: Path, mode: str) -> Journal:
    return Journal.open(
        path,
        binding=Binding(mode=mode),
        durability="process",
        code_version="0.0.1",
        config_digest="",
        utc=lambda: datetime(2026, 1, 1, tzinfo=UTC),
    )


def rewritten_journal(path: Path) -> None:
    """A journal of which somebody rewrote a record."""
    journal_of(path, "simulated", runs=2)
    path.write_bytes(path.read_bytes().replace(b'"run":1}', b'"run":3}'))


def damaged_journal(path: Path) -> None:
    """A journal in which somebody changed a digit."""
    journal_of(path, "simulated")
    path.write_bytes(path.read_bytes().replace(b"0.0.1", b"0.0.2"))


@attrs.frozen(kw_only=True)
class Case:
    """One mistake: what is typed, what lies in the folder, and what is said about it (one pattern per line)."""

    name: str
    typed: str
    code: int
    told: tuple[str, ...]
    files: Mapping[str, Content] = attrs.field(factory=dict)


def config(name: str, content: Content, *told: str, code: int = CONFIG, **files: Content) -> Case:
    """`realtrading run` with a file of this content, beside good secrets and `files` (`_` in a name stands for a dot)."""
    beside = {path.replace("_", "."): held for path, held in files.items()}
    whole = {"house.toml": content, "key": b"k" * 20, "secret": b"s" * 20, **beside}
    return Case(name=name, typed="run --config house.toml", code=code, told=told, files=whole)


def strategy(name: str, use: str, *told: str, own: str | None = None, section: str = "") -> Case:
    """`realtrading run` with one strategy, whose author wrote `own` into own.py."""
    beside = {} if own is None else {"own_py": own}
    return config(name, f'{GOOD}[strategy.mine]\nuse = "{use}"\n{section}', *told, **beside)


def serve(name: str, options: str, told: str, **files: Content) -> Case:
    """`realtrading sim serve` with these options."""
    beside = {path.replace("_", "."): held for path, held in files.items()}
    return Case(name=name, typed=f"sim serve --listen 127.0.0.1:0 {options}", code=USAGE, told=(told,), files=beside)


def archiving(name: str, typed: str, told: str, code: int, **files: Content) -> Case:
    """`realtrading journal archive` typed so."""
    beside = {path.replace("_", "."): held for path, held in files.items()}
    return Case(name=name, typed=f"journal archive {typed}", code=code, told=(told,), files=beside)


def rebasing(name: str, options: str, told: str, code: int, content: str = "", **files: Content) -> Case:
    """`realtrading journal rebase` typed so, with this configuration (else a good one) that keeps its journal in j.db."""
    beside = {path.replace("_", "."): held for path, held in files.items()}
    whole = {"house.toml": (content or GOOD) + '[journal]\npath = "j.db"\n', **beside}
    return Case(name=name, typed=f"journal rebase --config house.toml {options}", code=code, told=(told,), files=whole)


def demo(name: str, options: str, told: str, **files: Content) -> Case:
    """`realtrading demo` with these options."""
    beside = {path.replace("_", "."): held for path, held in files.items()}
    return Case(name=name, typed=f"demo {options}", code=USAGE, told=(told,), files=beside)


def tape(*rows: tuple[str, str, int], still: int = 0) -> bytes:
    """A trades file: (price, quantity, time) per line, or so many trades at one price and a second apart."""
    lines = rows or tuple(("100.00", "1.000", 1_600_000_000_000 + 1000 * number) for number in range(still))
    return "".join(f"{n},{p},{q},1,{t},True,True\n" for n, (p, q, t) in enumerate(lines, 1)).encode()


STRATEGY_HEAD = "from realtrading import Strategy\n"
ZIP_OF_NOTHING = b"PK\x05\x06" + bytes(18)

TABLE: dict[str, tuple[Case, ...]] = {
    "config": (
        Case(
            name="no file",
            typed="run --config house.toml",
            code=CONFIG,
            told=(r"house\.toml: cannot be read: no such file",),
        ),
        config("a folder", None, r"house\.toml: is a folder"),
        config("empty", b"", r"house\.toml: is empty .*\[engine\] symbols"),
        config("blank", b" \r\n\n", r"house\.toml: is empty"),
        config("binary", bytes(range(256)), r"house\.toml: is not UTF-8 text \(byte 128\)"),
        config("zeros", bytes(100), r"house\.toml: is not TOML: .*line 1"),
        config("no TOML", "[engine\nsymbols", r"house\.toml: is not TOML: .*line 1"),
        config(
            "three mistakes at once",
            GOOD.replace("[venue]", "simbols = 1\n[venue]")
            + '[limits]\nmax_positions = 0\n[journal]\ndurability = "none"\n',
            r"\[engine\] simbols: unknown, did you mean 'symbols'\?",
            r"\[limits\] max_positions: 0 \(allowed: a whole number from 1",
            r"\[journal\] durability: 'none' \(allowed: power, process\)",
        ),
        config("unknown section", GOOD + "[limit]\n", r"\[limit\]: unknown section, did you mean 'limits'\?"),
        config("nan limit", GOOD + "[limits]\nmax_daily_loss_usdt = nan\n", r"\[limits\] max_daily_loss_usdt: NaN"),
        config(
            "endless limit",
            GOOD + "[limits]\nmax_daily_loss_usdt = 1e400\n",
            r"\[limits\] max_daily_loss_usdt: 1E\+400",
        ),
        config(
            "negative limit", GOOD + "[limits]\nmax_daily_loss_usdt = -5\n", r"\[limits\] max_daily_loss_usdt: -5"
        ),
        config(
            "limit as text",
            GOOD + '[limits]\nmax_order_value_usdt = "1_000"\n',
            r"\[limits\] max_order_value_usdt: '1_000'",
        ),
        config(
            "limits that contradict each other",
            GOOD + "[limits]\nmax_total_exposure_usdt = 10\n",
            r"\[limits\] max_total_exposure_usdt: 10 is below max_position_size_usdt 100",
        ),
        config(
            "unknown mode",
            GOOD.replace("simulated", "papr"),
            r"\[engine\] mode: 'papr' \(allowed: simulated, testnet",
        ),
        config("no symbols", GOOD.replace('"BTCUSDT"', ""), r"\[engine\] symbols: missing or empty"),
        config(
            "small letters", GOOD.replace("BTCUSDT", "btcusdt"), r"\[engine\] symbols: 'btcusdt' \(allowed: capitals"
        ),
        config("no venue", ENGINE + SECRETS, r"\[venue\]: missing \(mode simulated needs rest_url"),
        config(
            "a venue that is far away",
            GOOD.replace("http://127.0.0.1", "http://10.0.0.1"),
            r"\[venue\] rest_url: .*loopback",
        ),
        config("a venue in mode testnet", TESTNET + venue("1"), r"\[venue\]: not allowed in mode testnet"),
        config(
            "real money without a uid",
            TESTNET.replace("[engine]", '[engine]\nmode = "live"'),
            r"\[engine\] confirm_account: missing",
        ),
        config(
            "metrics for everybody",
            GOOD.replace('listen = ""', 'listen = "0.0.0.0:1"'),
            r"\[metrics\] listen: '0\.0\.0\.0:1' .*loopback",
        ),
        config("metrics nowhere", GOOD.replace('listen = ""', 'listen = "here"'), r"\[metrics\] listen: 'here'"),
        config(
            "a state folder that is a file",
            GOOD.replace("[venue]", 'state_dir = "key"\n[venue]'),
            "no folder for the socket: .*/key",
        ),
        config("a journal that is a folder", GOOD + '[journal]\npath = "state"\n', r"/state", state=None),
        config("a journal that is none", GOOD + '[journal]\npath = "key"\n', r"/key"),
        config(
            "a symbol nobody has", REACHED.replace("BTCUSDT", "ABCXYZ"), r"the exchange refused: .*(symbol|-1121)"
        ),
    ),
    "fine": (
        config("Windows line ends", GOOD.replace("\n", "\r\n"), "the exchange is not reachable", code=UNAVAILABLE),
        config(
            "byte order marks",
            b"\xef\xbb\xbf" + GOOD.encode(),
            "the exchange is not reachable",
            code=UNAVAILABLE,
            secret=b"\xef\xbb\xbfsssss\r\n",
        ),
    ),
    "credentials": (
        config("none named", GOOD.replace(SECRETS, ""), "no credentials: neither", code=CREDENTIALS),
        config(
            "both missing",
            GOOD.replace('"key"', '"kee"').replace('"secret"', '"sekret"'),
            "/kee: no such file",
            "/sekret: no such file",
            code=CREDENTIALS,
        ),
        config(
            "open to the world",
            GOOD,
            r"/secret: is open to other users \(mode 644",
            code=CREDENTIALS,
            secret=(b"s", 0o644),
        ),
        config(
            "open to the group", GOOD, r"/key: is open to other users \(mode 640", code=CREDENTIALS, key=(b"s", 0o640)
        ),
        config("empty secret", GOOD, "/secret: is empty", code=CREDENTIALS, secret=b""),
        config("binary secret", GOOD, "/secret: is not plain text", code=CREDENTIALS, secret=bytes(range(256))),
        config("two words", GOOD, "/secret: holds more than one word", code=CREDENTIALS, secret=b"my secret"),
        config("a folder as secret", GOOD, "/secret: is not a file", code=CREDENTIALS, secret=None),
        config(
            "a key the exchange does not know", REACHED, "the exchange refused: ", code=CREDENTIALS, key=b"x" * 20
        ),
        config("a secret that does not fit", REACHED, "the exchange refused: ", code=CREDENTIALS, secret=b"x" * 20),
        config(
            "another account",
            REACHED.replace("[venue]", "confirm_account = 7\n[venue]"),
            r"\b1001\b.*\b7\b|\b7\b.*\b1001\b",
            code=CREDENTIALS,
        ),
        config(
            "a journal of another mode",
            REACHED + '[journal]\npath = "testnet.db"\n',
            "testnet",
            code=CREDENTIALS,
            testnet_db=partial(journal_of, mode="testnet"),
        ),
    ),
    "rebase": (
        rebasing("no reason", "", "Missing option '--reason'", USAGE),
        rebasing("an empty reason", "--reason=", "--reason must be one line of 1 to 200 characters", USAGE),
        rebasing("a reason without an end", f"--reason {'x' * 500}", "--reason must be one line of 1 to 200", USAGE),
        rebasing("no journal", "--reason reset", r"there is no journal \S*j\.db", CONFIG),
        rebasing("a journal that is none", "--reason reset", r"journal \S*j\.db is not a journal", CONFIG, j_db=b"x" * 4096),
        rebasing("a damaged journal", "--reason reset", r"journal \S*j\.db is damaged", VERDICT, j_db=damaged_journal),
        rebasing(
            "another mode's journal",
            "--reason reset",
            r"journal \S*j\.db belongs to mode testnet, not to mode simulated",
            CREDENTIALS,
            j_db=partial(journal_of, mode="testnet"),
        ),
        rebasing(
            "another account",
            "--reason reset --account 9",
            "--account 9: the journal belongs to no account yet",
            CREDENTIALS,
            j_db=partial(journal_of, mode="simulated"),
        ),
        rebasing("no number", "--reason reset --account mine", "'mine' is not a valid integer", USAGE),
        rebasing(
            "mode live and no account",
            "--reason reset",
            "mode live: type the account's uid too: --account UID",
            USAGE,
            content=TESTNET.replace("[engine]", '[engine]\nmode = "live"\nconfirm_account = 7') + SECRETS,
            j_db=partial(journal_of, mode="live"),
        ),
        rebasing(
            "mode live and another account",
            "--reason reset --account 8",
            "--account 8: the journal belongs to account 7",
            CREDENTIALS,
            content=TESTNET.replace("[engine]", '[engine]\nmode = "live"\nconfirm_account = 7') + SECRETS,
            j_db=partial(journal_of, mode="live"),
        ),
    ),
    "strategy": (
        strategy(
            "no such class",
            "own.py:Mien",
            r"own\.py has no class Mien \(strategies in it: Mine\)",
            own=STRATEGY_HEAD + "class Mine(Strategy):\n    '''Mine.'''\n",
        ),
        strategy("no such file", "own.py:Mine", r"\[strategy\.mine\] no file .*own\.py"),
        strategy("no such module", "nobody.has.it:Mine", r"\[strategy\.mine\] no module 'nobody\.has\.it'"),
        strategy("no strategy", "pathlib:Path", r"\[strategy\.mine\] Path in pathlib is not a subclass"),
        strategy("no class named", "own.py", r"\[strategy\.mine\] use: 'own\.py'"),
        strategy(
            "the author's mistake",
            "own.py:Mine",
            r"own\.py line 3: ZeroDivisionError: division by zero",
            own=STRATEGY_HEAD + "class Mine(Strategy):\n    budget = 1 / 0\n",
        ),
        strategy(
            "the author's syntax",
            "own.py:Mine",
            r"own\.py line 2: SyntaxError",
            own=STRATEGY_HEAD + "class Mine(Strategy:\n",
        ),
        strategy("binary", "own.py:Mine", r"\[strategy\.mine\] cannot be loaded: \S*/own\.py", own="\0\1\2"),
        strategy(
            "settings it does not have",
            "realtrading.strategies:Pacer",
            r"\[strategy\.mine\.config\] bujet: .*budget",
            section="[strategy.mine.config]\nbujet = 1\n",
        ),
        strategy(
            "a name too long",
            "own.py:Mine",
            r"\[strategy\.averyveryverylongname\]",
            section='[strategy.averyveryverylongname]\nuse = "a:B"\n',
        ),
    ),
    "tape": (
        serve("no file", "--tape t.csv --symbol BTCUSDT", r"t\.csv: no such file"),
        serve("a folder", "--tape t.csv --symbol BTCUSDT", r"t\.csv: is a directory", t_csv=None),
        serve("empty", "--tape t.csv --symbol BTCUSDT", r"t\.csv: holds no trades", t_csv=b""),
        serve(
            "only a header",
            "--tape t.csv --symbol BTCUSDT",
            r"t\.csv: holds no trades",
            t_csv=b"id,price,qty,quote_qty,time,maker\n",
        ),
        serve("binary", "--tape t.csv --symbol BTCUSDT", r"t\.csv: line 1: ", t_csv=bytes(range(128)) * 9),
        serve(
            "not unpackable",
            "--tape t.csv --symbol BTCUSDT",
            r"t\.csv: cannot be unpacked",
            t_csv=gzip.compress(tape(still=99))[:40],
        ),
        serve("an archive of nothing", "--tape t.csv --symbol BTCUSDT", r"t\.csv: ", t_csv=ZIP_OF_NOTHING),
        serve("few columns", "--tape t.csv --symbol BTCUSDT", r"t\.csv: line 1: 3 columns", t_csv=b"1,2,3\n"),
        serve(
            "no number",
            "--tape t.csv --symbol BTCUSDT",
            r"t\.csv: line 2: price 'nan'",
            t_csv=tape(("1", "1", 1_600_000_000_000), ("nan", "1", 1_600_000_000_001)),
        ),
        serve(
            "seconds",
            "--tape t.csv --symbol BTCUSDT",
            r"t\.csv: line 1: time '1600000000'",
            t_csv=tape(("1", "1", 1_600_000_000)),
        ),
        serve("symbol of unknown assets", "--tape t.csv --symbol ABCXYZ", "--base", t_csv=tape(still=99)),
    ),
    "filters": (
        serve("no file", "--filters f.json", r"f\.json: "),
        serve("a folder", "--filters f.json", r"f\.json: ", f_json=None),
        serve("empty", "--filters f.json", r"f\.json: ", f_json=b""),
        serve("binary", "--filters f.json", r"f\.json: ", f_json=bytes(range(256))),
        serve("another form", "--filters f.json", r"f\.json: ", f_json=b'{"symbols": 3}'),
    ),
    "serve": (
        serve("listen nowhere", "--listen here", "--listen must be host:port .*'here'"),
        serve("listen for everybody", "--listen 0.0.0.0:17881", "--listen must be a loopback address"),
        serve("a port too high", "--listen 127.0.0.1:70000", "--listen must be host:port"),
        serve("half a key", "--key k", "--key and --secret belong together"),
        serve("a balance of nothing", "--balance USDT", "--balance must be ASSET=AMOUNT"),
        serve("an endless balance", "--balance USDT=inf", "--balance must be a plain decimal number"),
        serve("too fast", "--speed 1e300", "--speed must be a number above 0"),
        serve("two speeds", "--speed 1 --step", "--speed, --duration and --step exclude each other"),
        serve("unknown option", "--tapes t.csv", "--tapes"),
        Case(
            name="port taken",
            typed="sim serve --listen 127.0.0.1:@TAKEN@",
            code=UNAVAILABLE,
            told=("cannot listen on 127.0.0.1:@TAKEN@",),
        ),
    ),
    "run": (
        config("nobody listens", GOOD, "the exchange is not reachable", code=UNAVAILABLE),
        config(
            "metrics port taken",
            GOOD.replace('listen = ""', 'listen = "127.0.0.1:@TAKEN@"'),
            "127.0.0.1:@TAKEN@",
            code=UNAVAILABLE,
        ),
        Case(name="no config", typed="run", code=USAGE, told=("Missing option '--config'",)),
        Case(
            name="config without a name", typed="run --config", code=USAGE, told=("'--config' requires an argument",)
        ),
        attrs.evolve(
            config("no fault", GOOD, "--fault 'crash': not actor:NAME:KIND@SECONDS", code=USAGE),
            typed="run --config house.toml --fault crash",
        ),
        attrs.evolve(
            config("no kind of fault", GOOD, "--fault 'actor:orders:boredom@1'", code=USAGE),
            typed="run --config house.toml --fault actor:orders:boredom@1",
        ),
        attrs.evolve(
            config("a fault for real", TESTNET, "--fault is for mode simulated only", code=USAGE),
            typed="run --config house.toml --fault actor:orders:exception@1",
        ),
    ),
    "archive": (
        archiving("no day", "j.db", "Missing option '--before'", USAGE, j_db=partial(journal_of, mode="simulated")),
        archiving("no such day", "j.db --before 2026-02-30", "'2026-02-30' is no day; write it as 2026-11-30", USAGE),
        archiving("a moment", "j.db --before 2026-02-03T10:00", "--before: '2026-02-03T10:00' is no day", USAGE),
        archiving("an endless word", f"j.db --before {'9' * 500}", f"--before: '{'9' * 39} is no day", USAGE),
        archiving("no journal", "j.db --before 2026-02-03", r"journal \S*/j\.db cannot be opened: No such file", CONFIG),
        archiving("a folder", "j.db --before 2026-02-03", r"journal \S*/j\.db is a folder", CONFIG, j_db=None),
        archiving("empty", "j.db --before 2026-02-03", r"journal \S*/j\.db is an empty file", CONFIG, j_db=b""),
        archiving("binary", "j.db --before 2026-02-03", r"journal \S*/j\.db is not a journal", CONFIG, j_db=bytes(999)),
        archiving(
            "in the way",
            "j.db --before 2027-01-01",
            r"/j\.db\.1-1\.archive is in the way: it is not the archive of records 1 to 1",
            6,
            j_db=partial(journal_of, mode="simulated", runs=2),
            **{"j_db_1-1_archive": b"mine"},
        ),
        archiving("damaged", "j.db --before 2027-01-01", "was altered", 11, j_db=rewritten_journal),
    ),
    "arguments": (
        Case(name="none", typed="", code=USAGE, told=("Usage: realtrading",)),
        Case(name="unknown command", typed="trade", code=USAGE, told=("No such command 'trade'",)),
        Case(name="unknown option", typed="--live", code=USAGE, told=("No such option '--live'",)),
        Case(name="half a command", typed="sim", code=USAGE, told=("Usage: realtrading sim",)),
        Case(name="too much", typed="demo now", code=USAGE, told=("unexpected extra argument",)),
    ),
    "demo": (
        demo("no time", "--seconds 0", "--seconds"),
        demo("no number", "--seconds nan", "--seconds"),
        demo("unknown fault", "--fault meteor", "meteor"),
        demo("no lie", "--lie-account BTC", "--lie-account"),
        demo("no tape", "--tape t.csv --symbol BTCUSDT --json", r"t\.csv: no such file"),
        demo("an empty tape", "--tape t.csv --symbol BTCUSDT", r"t\.csv: holds no trades", t_csv=b""),
        demo("a folder as tape", "--tape t.csv --symbol BTCUSDT", r"t\.csv: is a directory", t_csv=None),
        demo("a binary tape", "--tape t.csv --symbol BTCUSDT", r"t\.csv: line 1: ", t_csv=bytes(range(128)) * 9),
        demo("a tape too short", "--tape t.csv --symbol BTCUSDT", r"3 trades .*2 s", t_csv=tape(still=3)),
        demo("a tape too still", "--tape t.csv --symbol BTCUSDT", r"200 trades .*199 s", t_csv=tape(still=200)),
        demo("a symbol of no known assets", "--tape t.csv --symbol ABCXYZ", "ABCXYZ.*--base", t_csv=tape(still=200)),
    ),
}
