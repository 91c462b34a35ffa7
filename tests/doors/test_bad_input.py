"""Every mistake a person can make: the real command, its exact exit code, the place named, and never a traceback."""

import re
import signal
import socket
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import attrs
import pytest

import netguard
import ports
from mistakes import REACHED, STRATEGY_HEAD, TABLE, Case
from processes import Processes
from serving import start_simulator

POOL = 3


@pytest.fixture(scope="module")
def ports_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What the marks in the table stand for: a port nobody listens on, one that is taken, a simulated exchange's."""
    started = Processes(tmp_path_factory.mktemp("exchange"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ready = start_simulator(started, "--key", "k" * 20, "--secret", "s" * 20)
        yield {
            "@CLOSED@": str(ports.free_port()),
            "@TAKEN@": str(taken.getsockname()[1]),
            "@SIM@": ready["listen"].rpartition(":")[2],
        }
    problems = started.end_all()
    assert not problems, "\n".join(problems)


def filled_in(text: str, marks: Mapping[str, str]) -> str:
    """The text with the marks' ports in it."""
    for mark, port in marks.items():
        text = text.replace(mark, port)
    return text


def lay_out(case: Case, folder: Path, marks: Mapping[str, str]) -> None:
    """Make the case's files."""
    folder.mkdir()
    for name, held in case.files.items():
        content, mode = held if isinstance(held, tuple) else (held, 0o600)
        if content is None:
            (folder / name).mkdir()
            continue
        if callable(content):
            content(folder / name)
            continue
        data = content.encode() if isinstance(content, str) else content
        for mark, port in marks.items():
            data = data.replace(mark.encode(), port.encode())
        (folder / name).write_bytes(data)
        (folder / name).chmod(mode)


def findings(case: Case, folder: Path, marks: Mapping[str, str], processes: Processes) -> list[str]:
    """Run the command; what is not as the table says."""
    lay_out(case, folder, marks)
    environment = {"CREDENTIALS_DIRECTORY": "", "STATE_DIRECTORY": "", "NO_COLOR": "1"}
    typed = filled_in(case.typed, marks).split()
    running = processes.python("-m", "realtrading", *typed, env=environment, cwd=folder)
    code = running.wait(60)
    wrong = [] if code == case.code else [f"exit {code} and not {case.code}"]
    for pattern in case.told:
        if not any(re.search(filled_in(pattern, marks), line) for line in running.err):
            wrong.append(f"no line on stderr like {pattern!r}")
    everything = "\n".join([*running.out, *running.err])
    wrong += [f"{word!r} is printed" for word in ("Traceback", netguard.MARK, "s" * 20) if word in everything]
    return [f"{case.name}: {'; '.join(wrong)}\n{running}"] if wrong else []


@pytest.mark.parametrize("group", TABLE)
def test_a_mistake_is_named_and_ends_with_its_code(
    group: str, ports_of: dict[str, str], processes: Processes, tmp_path: Path
) -> None:
    """Each case of the group: exit code exactly, the place named on stderr, no traceback, no secret."""
    with ThreadPoolExecutor(POOL) as pool:
        runs = [
            pool.submit(findings, case, tmp_path / f"case{number}", ports_of, processes)
            for number, case in enumerate(TABLE[group])
        ]
        wrong: list[Any] = [line for run in runs for line in run.result()]

    assert [] == wrong, "\n".join(wrong)


def test_a_strategys_mistake_while_it_runs_names_its_line(
    ports_of: dict[str, str], processes: Processes, tmp_path: Path
) -> None:
    """What an author's callback raises is told with file, line and message; the house ends in order all the same."""
    (tmp_path / "own.py").write_text(
        f"{STRATEGY_HEAD}class Mine(Strategy):\n    def on_start(self, ctx):\n        int('four')\n"
    )
    (tmp_path / "house.toml").write_text(filled_in(REACHED, ports_of) + '[strategy.mine]\nuse = "own.py:Mine"\n')
    for name in ("key", "secret"):
        (tmp_path / name).write_bytes(name[:1].encode() * 20)
        (tmp_path / name).chmod(0o600)
    running = processes.python("-m", "realtrading", "run", "--config", "house.toml", cwd=tmp_path)

    running.wait_for_line(r"strategy mine: \S*/own\.py line 4: ValueError: invalid literal .* 'four'", 30)
    running.send(signal.SIGTERM)

    assert 0 == running.wait(30)
    assert [] == [line for line in running.err if "Traceback" in line]


def test_a_journal_in_use_is_refused(ports_of: dict[str, str], processes: Processes, tmp_path: Path) -> None:
    """A second daemon on a journal that another one holds ends with 75 and names the file; the first one goes on."""
    (case,) = [case for case in TABLE["run"] if case.name == "nobody listens"]
    lay_out(attrs.evolve(case, files={**case.files, "house.toml": REACHED}), tmp_path / "house", ports_of)
    command = ("-m", "realtrading", "run", "--config", "house.toml")
    first = processes.python(*command, cwd=tmp_path / "house")
    first.wait_for_line(r"\bready\b", 30)

    second = processes.python(*command, cwd=tmp_path / "house")

    assert 75 == second.wait(30)
    assert any("journal-simulated.db" in line and "in use" in line for line in second.err), second
    first.send(signal.SIGTERM)
    assert 0 == first.wait(30)


def test_the_table_is_long_enough() -> None:
    """Names are unique in a group, and there are more cases than a reader would ask for."""
    for group, cases in TABLE.items():
        assert len({case.name for case in cases}) == len(cases), group
    assert sum(map(len, TABLE.values())) >= 25
