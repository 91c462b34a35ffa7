"""The README tells the truth: its programs run, its map is the map, its commands exist."""

import json
import re
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs

from processes import Processes
from realtrading import Credentials, RealTradingEngine, StrategySettings
from realtrading.config import load
from realtrading.doors.cli.group import cli
from realtrading.topology import the_map
from serving import start_simulator
from source_tree import ROOT, tracked_files
from waiting import wait_until

README = (ROOT / "README.md").read_text(encoding="utf-8")
LINES_MAX = 200


def blocks(language: str) -> list[str]:
    """The README's code blocks of this language, without the indent of a list."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```$", README, re.MULTILINE | re.DOTALL)
    return ["".join(line.removeprefix(indent) for line in text.splitlines(keepends=True)) for indent, text in found]


def only(language: str, what: str) -> str:
    """The one code block of this language in which `what` stands."""
    (found,) = [text for text in blocks(language) if what in text]
    return found


def strategy_file(folder: Path) -> Path:
    """The README's strategy, saved under the name that the README gives it."""
    assert "as `swing.py`" in README
    file = folder / "swing.py"
    file.write_text(only("python", "(Strategy)"))
    return file


def test_it_can_be_read_in_one_sitting() -> None:
    """Two hundred lines at most, and a warning about money among the first ones."""
    lines = README.splitlines()

    assert len(lines) <= LINES_MAX
    assert any("**Money.**" in line for line in lines[:12])


def test_the_map_is_the_map() -> None:
    """What stands between the marks is what `python -m realtrading --map` prints."""
    (shown,) = re.findall(r"<!-- map -->\n```text\n(.*?)\n```\n<!-- /map -->", README, re.DOTALL)
    printed = subprocess.run(
        [sys.executable, "-m", "realtrading", "--map"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )

    assert the_map() == shown
    assert f"{shown}\n" == printed.stdout


def test_the_test_line_is_what_ci_runs() -> None:
    """The two lines end in `make demo` and `make test`; the CI script calls the same `make test`, and both targets exist."""
    told = [line.rpartition(" && ")[2] for line in "".join(blocks("bash")).splitlines() if line.startswith("sudo ")]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")

    assert ["make demo", "make test"] == told
    assert "make test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert all(re.search(rf"^{line.split()[1]}:", makefile, re.MULTILINE) for line in told)


def test_every_command_that_is_named_exists() -> None:
    """Each `realtrading …` in the README is a command of the command line, with options that it has."""
    named = {tuple(words.split()) for words in re.findall(r"`realtrading ([a-z][^`\n]*)`", README)}
    assert {"run", "sim"} <= {words[0] for words in named}
    for words in named:
        command: Any = cli
        for word in words:
            if word.startswith(("-", ">")):
                break
            command = command.get_command(None, word)
            assert command is not None, words
        options = {name for parameter in command.params for name in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options, words


def test_every_link_and_file_that_is_named_exists() -> None:
    """Links inside the project, and files of it that the text names, are there."""
    tracked = set(tracked_files())
    links = {target for target in re.findall(r"\]\(([^)]+)\)", README) if "://" not in target}
    files = set(re.findall(r"`((?:[a-z_]+/)*[a-z_]+\.py|[a-z_]+/)`", README)) - {"swing.py", "trade.py", "state/"}

    assert links
    assert links <= tracked
    assert len(files) > 4
    for name in files:
        inside = [path for path in tracked if path.startswith((name, f"realtrading/{name}"))]
        assert inside, f"README names {name}"


def test_the_output_that_is_shown_is_of_these_commands() -> None:
    """The demo's page is a clean verdict, and no run of tests that is shown has a failure."""
    demo, *others = blocks("text")

    assert demo.startswith("verdict: clean ")
    for fault in ("stream_drop", "submit_timeout_accepted", "throttled", "actor_crash"):
        assert fault in demo
    assert not any(re.search(r"\b(failed|errors?) in |\b\d+ failed\b", text) for text in others)


def test_the_library_program_trades(processes: Processes, tmp_path: Path) -> None:
    """The README's program, as it stands there, run against the simulator's own ready line."""
    assert "saved as `trade.py`" in README
    assert "python trade.py sim.json" in README
    (tmp_path / "trade.py").write_text(only("python", "RealTradingEngine.simulated"))
    (tmp_path / "sim.json").write_text(json.dumps(start_simulator(processes)))

    running = processes.python("trade.py", "sim.json")

    assert 0 == running.wait(60), running
    filled, refused, held = running.out
    assert "Rejected RISK_ORDER_VALUE_MAX: order value 5000 USDT is above the limit 60 USDT" == refused
    state, quantity, value = filled.split()
    assert "Filled" == state
    assert Decimal(48) < Decimal(value) <= Decimal(50)
    (position,) = re.fullmatch(r"\{'user/BTCUSDT': '([0-9.]+)'\}", held).groups()
    assert Decimal(position) == Decimal(quantity) * Decimal("0.999")
    assert [] == running.err


def test_the_library_program_has_about_ten_lines() -> None:
    """So has the strategy: what is more would not be read."""
    for what in ("RealTradingEngine.simulated", "(Strategy)"):
        code = [line for line in only("python", what).splitlines() if line.strip() and '"""' not in line]
        assert len(code) <= 12, what


def test_the_strategy_trades_both_ways(processes: Processes, tmp_path: Path) -> None:
    """The README's strategy is found by the loader, buys and sells, and its position is what its fills make it."""
    file = strategy_file(tmp_path)
    ready = start_simulator(processes, "--speed", "60")
    bare = RealTradingEngine.simulated(ready, state_dir=tmp_path).settings
    strategy = StrategySettings(name="swing", use=f"{file}:Swing", symbols=bare.symbols)
    credentials = Credentials(key=ready["key"], secret=ready["secret"])
    with RealTradingEngine(attrs.evolve(bare, strategies=[strategy]), credentials) as engine:

        def traded() -> set[str]:
            return {str(order.side) for order in engine.orders.values() if order.executed_quantity > 0}

        wait_until(lambda: traded() == {"BUY", "SELL"}, 60, "a buy and a sell of the strategy")
        engine.stop_strategies()
        assert engine.settled(10)
        assert {"swing"} == {order.strategy for order in engine.orders.values()}
        found = engine.reconcile(15)
        assert found is not None
        assert found.clean


def test_the_five_steps_lead_to_a_running_daemon(processes: Processes, tmp_path: Path, free_port: int) -> None:
    """The steps as they stand there, in mode simulated: files of mode 600, a config that loads, `ready`, an orderly end."""
    strategy_file(tmp_path)
    ready = start_simulator(processes)
    make_folder, *installs = only("bash", "install -m 600").splitlines()
    subprocess.run(make_folder.split(), cwd=tmp_path, check=True, timeout=20)
    for line, word in zip(installs, (ready["key"], ready["secret"]), strict=True):
        subprocess.run(line.split(), cwd=tmp_path, input=f"{word}\n", text=True, check=True, timeout=20)
    assert {0o600} == {path.stat().st_mode & 0o777 for path in (tmp_path / "secrets").iterdir()}
    text = only("toml", "[strategy.swing]")
    config = tmp_path / "realtrading.toml"
    config.write_text(text)
    assert "testnet" == load(config).mode
    addresses = "".join(f'{name} = "{ready[name]}"\n' for name in ("rest_url", "ws_api_url", "stream_url"))
    more = f'[venue]\n{addresses}[metrics]\nlisten = "127.0.0.1:{free_port}"\n'
    config.write_text(text.replace('"testnet"', '"simulated"') + more)

    running = processes.python("-m", "realtrading", "run", "--config", "realtrading.toml", cwd=tmp_path)
    running.wait_for_line(r"\bready\b", 60)
    running.send(signal.SIGINT)

    assert 0 == running.wait(30)
    assert (tmp_path / "state" / "journal-simulated.db").exists()


def test_no_exit_code_is_forgotten() -> None:
    """The codes in the README are the ones that the package's modules name."""
    (told,) = re.findall(r"\*\*Exit codes\*\*: (.*?)\n\n", README, re.DOTALL)
    named = {
        int(code)
        for name in tracked_files()
        if name.startswith("realtrading/") and name.endswith(".py")
        for code in re.findall(r"^_?EXIT_[A-Z_]+(?:: Final)? = (\d+)$", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE)
    }

    assert named
    assert named | {0} == {int(code) for code in re.findall(r"(?:^|[ ,\n])(\d+) ", told)}
