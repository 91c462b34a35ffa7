"""`realtrading demo` as a stranger runs it: clean on any market, loud when it is lied to, nothing left behind."""

import gzip
import json
import random
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from processes import Processes, Running
from waiting import wait_until

Demo = Callable[..., Running]
ALL_FAULTS = ["stream_drop", "submit_timeout_accepted", "throttled", "actor_crash"]
END_S = 90.0


@pytest.fixture
def demo(processes: Processes, tmp_path: Path) -> Iterator[Demo]:
    """Starts `realtrading demo …`; whatever it keeps in temporary folders is kept below the test's own."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()

    def start(*arguments: str) -> Running:
        return processes.python("-m", "realtrading", "demo", *arguments, env={"TMPDIR": str(scratch), "COLUMNS": "120"})

    yield start
    assert not living(scratch), "the demo left a process behind"


def living(scratch: Path) -> list[int]:
    """Processes that were started with this folder for temporary files."""
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"TMPDIR={scratch}".encode() in environ.read_bytes().split(b"\0"):
                found.append(int(environ.parent.name))
        except OSError:  # ended meanwhile, or not ours to look at
            continue
    return found


def verdict_of(running: Running, code: int) -> dict[str, Any]:
    """The object on the last line of stdout, once the demo has ended with this exit code."""
    assert running.wait(END_S) == code, str(running)
    assert not any("Traceback" in line for line in [*running.out, *running.err]), str(running)
    told: dict[str, Any] = json.loads(running.out[-1])
    return told


def expect_clean(told: dict[str, Any]) -> None:
    """Equal books in which enough has happened."""
    assert (told["verdict"], told["unexplained"]) == ("clean", [])
    assert told["engine"] == told["exchange"]
    assert told["buys"] >= 5
    assert told["sells"] >= 5
    assert told["fills"] >= 10
    assert min(told["partial_fills"], told["resting_limit_fills"], told["cancels"]) >= 1
    assert told["round_trips"] >= 2
    assert len(told["commission_assets"]) >= 2
    assert not any("E" in amount or (amount + "0").endswith(".00") for amount in told["engine"].values())


def expect_all_faults(told: dict[str, Any]) -> None:
    """Each fault came once and was survived; the order whose answer was lost was sent once."""
    assert [fault["name"] for fault in told["faults"]] == ALL_FAULTS
    assert all("trading again" in fault["outcome"] for fault in told["faults"])
    assert told["faults"][1]["requests_seen_by_exchange"] == 1
    assert told["restarts"] >= 1


@pytest.mark.slow
def test_a_generated_market_with_all_faults(demo: Demo, tmp_path: Path) -> None:
    """Clean within 20 s of trading, every fault told, and no file left."""
    told = verdict_of(demo("--seconds", "20", "--json"), 0)
    expect_clean(told)
    expect_all_faults(told)
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.slow
def test_the_recorded_tape(demo: Demo, shared_dir: Path) -> None:
    """Clean on real trades."""
    tape = shared_dir / "tapes" / "BTCUSDT-trades-2021-01-08.csv"
    told = verdict_of(demo("--tape", str(tape), "--symbol", "BTCUSDT", "--seconds", "20", "--json"), 0)
    expect_clean(told)
    expect_all_faults(told)
    assert (told["tape_trades"], told["tape_span_s"]) == (2001, 46.077)


def test_no_faults(demo: Demo) -> None:
    """Without faults nothing restarts; for people the verdict is a page on stdout, and stderr stays empty."""
    running = demo("--seconds", "15", "--fault", "none")
    assert running.wait(END_S) == 0, str(running)
    page = "\n".join(running.out)
    assert page.startswith("verdict: clean   BTCUSDT")
    assert "restarts 0" in page
    assert page.count("equal") == 2
    assert running.err == []


# -- other markets ------------------------------------------------------------


def write_tape(path: Path, trades: int, price: float, places: int, size: Callable[[random.Random], str], gap: int,
               start: int = 1_700_000_000_000, noise: float = 0.0006) -> Path:  # fmt: skip
    """A tape whose price wanders around `price`, with `places` decimals and gaps of about `gap` units of time."""
    rng, now, at = random.Random(7), price, start
    lines = []
    for index in range(trades):
        now += 0.02 * (price - now) + rng.gauss(0, noise * price)
        at += int(rng.uniform(0.1, 1.9) * gap)
        lines.append(f"{index},{now:.{places}f},{size(rng)},0,{at},{rng.random() < 0.5},True\n")
    opener: Any = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wt") as file:
        file.writelines(lines)
    return path


def whole_and_tiny(folder: Path) -> Path:
    """A coin of eight decimals, quoted in euros, traded in whole quantities."""
    return write_tape(folder / "SHIBEUR-trades.csv", 3000, 2.105e-5, 8, lambda rng: str(rng.randint(100_000, 9_000_000)), 20)


def quoted_in_bitcoin(folder: Path) -> Path:
    """Price times quantity has nine decimals, one more than the exchange keeps."""
    return write_tape(folder / "ETHBTC-trades.csv", 3000, 0.05213, 5, lambda rng: f"{rng.uniform(0.001, 3):.4f}", 20)


def long_and_fast(folder: Path) -> Path:
    """12,000 trades over two and a half days."""
    size = lambda rng: f"{rng.expovariate(30) + 0.00001:.5f}"  # noqa: E731
    return write_tape(folder / "BTCUSDT-trades.csv", 12_000, 37_000, 2, size, 18_000, noise=0.002)


def microseconds(folder: Path) -> Path:
    """Times in microseconds, compressed, prices of eight decimals and broken quantities."""
    size = lambda rng: f"{rng.expovariate(1 / 300) + 1:.1f}"  # noqa: E731
    return write_tape(folder / "DOGEFDUSD-trades.csv.gz", 2500, 0.38912345, 8, size, 20_000, start=1_700_000_000_000_000)


@pytest.mark.slow
@pytest.mark.parametrize("tape", [whole_and_tiny, quoted_in_bitcoin, long_and_fast, microseconds], ids=lambda f: f.__name__)
def test_any_other_tape(demo: Demo, tmp_path: Path, tape: Callable[[Path], Path]) -> None:
    """Whatever the quote asset, the decimals and the span: clean, with all faults."""
    path, seconds = tape(tmp_path), "20" if tape is long_and_fast else "15"
    # a relative path counts from where the demo was started
    told = verdict_of(demo("--tape", path.name, "--seconds", seconds, "--json"), 0)
    expect_clean(told)
    expect_all_faults(told)


# -- it can fail --------------------------------------------------------------


def test_a_lie_about_the_account_is_drift(demo: Demo) -> None:
    """One grain too much in the account answer: the engine itself says drift and names the asset; the books agree."""
    running = demo("--seconds", "10", "--fault", "none", "--lie-account", "USDT=0.00000001", "--json")
    told = verdict_of(running, 11)
    assert told["verdict"] == "drift"
    assert told["engine"] == told["exchange"]
    assert any("the engine reported drift of asset:USDT" in line for line in told["unexplained"])
    assert any("verdict: drift" in line for line in running.err)


def test_a_hidden_fill_is_a_mismatch(demo: Demo, tmp_path: Path) -> None:
    """A fill that the exchange tells nowhere: exit 11, a table that shows both sides, and the journal kept to look at."""
    running = demo("--seconds", "10", "--fault", "none", "--hide-fill", "--json")
    told = verdict_of(running, 11)
    assert told["verdict"] == "mismatch"
    assert told["engine"] != told["exchange"]
    assert any("engine has none" in line for line in told["unexplained"])
    assert sum("differ" in line for line in running.err) >= 1
    kept = next(line for line in running.err if "kept in" in line).rpartition(" ")[2]
    assert Path(kept).parent == tmp_path / "scratch"
    assert list(Path(kept).glob("state/journal*"))


# -- what a person may do wrong -----------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--seconds", "3"), "--seconds 3: allowed are 10 to 86400"),
        (("--fault", "rain"), "--fault rain: no such fault"),
        (("--lie-account", "USDT"), "not ASSET=AMOUNT"),
        (("--tape", "short.csv", "--symbol", "BTCUSDT"), "short.csv: too short or too still to trade: 9 trades over "),
        (("--tape", "missing.csv", "--symbol", "BTCUSDT"), "missing.csv"),
        (("--tape", "broken.csv", "--symbol", "BTCUSDT"), "broken.csv"),
        (("--symbol", "QQQQQQ"), "cannot tell base and quote of QQQQQQ"),
        (("--base", "BTC"), "--base and --quote belong together"),
        (("--unheard",), "No such option"),
    ],
    ids=" ".join,
)
def test_bad_input(demo: Demo, tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    """Exit code 2 and one line that says what is wrong; nothing on stdout, no traceback, no file."""
    write_tape(tmp_path / "short.csv", 9, 37_000, 2, lambda rng: "0.5", 500)
    (tmp_path / "broken.csv").write_bytes(b"\x00\x01\x02 no tape \xff")
    running = demo(*arguments, "--json")
    assert running.wait(END_S) == 2, str(running)
    assert running.out == []
    assert len(running.err) == 1
    assert words in running.err[0]
    assert list((tmp_path / "scratch").iterdir()) == []


# -- an end before the end ----------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_interrupted(demo: Demo, tmp_path: Path, number: signal.Signals) -> None:
    """Interrupted while it trades, it ends in order with exit code 130: no process, no file, no traceback."""
    scratch = tmp_path / "scratch"
    running = demo("--seconds", "60")
    wait_until(lambda: list(scratch.glob("realtrading-demo-*/state/journal*")), 30, "the engine's journal")
    assert len(living(scratch)) == 2
    running.send(number)
    assert running.wait(20) == 130, str(running)
    assert list(scratch.iterdir()) == []
    assert not any("Traceback" in line for line in running.err), str(running)
