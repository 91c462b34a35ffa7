"""The rules of the house that a machine can check. A rule is a function from a module to its findings.

Each rule is also shown a villain, a few lines that break it: a rule that finds nothing anywhere might be blind.
"""

import ast
import re
import sys
from collections.abc import Callable, Iterable, Iterator

import pytest

from source_tree import PACKAGE, ROOT, Finding, Module, dotted, modules, parse, tracked_files

Rule = Callable[[Module], Iterable[Finding]]

# --- who may import whom: rooms and arrows are the architecture -------------------------------------------------------

# module or room -> what it may import of ours beside itself; the longest name that fits a module decides
ARROWS: dict[str, tuple[str, ...]] = {
    "": ("engine", "config", "domain", "strategies", "errors"),
    "__main__": ("doors", "sim.cli", "topology", "errors"),
    "errors": (),
    "domain": ("errors",),
    "runtime": ("errors",),
    "sim": (),
    "venue": ("domain", "errors"),
    "journal": ("domain", "errors"),
    "strategies": ("domain", "errors"),
    "strategies.testing": ("domain", "errors", "strategies", "sim"),
    "actors": ("domain", "venue.port", "journal.store", "runtime", "errors"),
    "actors.strategy": ("domain", "strategies", "runtime", "errors"),
    "config": ("domain", "errors"),
    "topology": ("domain", "actors", "runtime", "errors"),
    # somebody must build what the rows are made of: assembly and engine are the only ones that know every room
    "assembly": ("domain", "actors", "runtime", "journal.store", "venue.port", "strategies", "topology", "errors"),
    "tickets": ("domain",),
    "preflight": ("domain", "venue.port", "errors"),
    "clock": ("domain",),
    # makes the two things that the house is built on, so that engine.py is left with life and commands
    "opening": ("__version__", "clock", "config", "domain", "journal", "venue", "errors"),
    # what the scrape reads comes out of every room that has figures
    "state": ("domain", "actors", "assembly", "journal.store", "venue.port", "runtime", "errors"),
    "engine": (
        *("config", "topology", "assembly", "tickets", "preflight", "opening", "clock", "state", "runtime", "domain"),
        *("actors", "journal", "strategies"),
        "errors",
    ),
    # the exposition is made of what everybody counts and keeps; only a door asks for it
    "metrics": ("__version__", "actors.tally", "domain", "engine", "journal.store", "runtime", "venue.port"),
    # a door reads the user's file before there is an engine, names actors' faults, and starts the simulator
    "doors": ("config", "domain", "engine", "journal", "metrics", "runtime", "errors"),
    "doors.cli.sim": ("sim.cli",),
    # the one command that writes into a journal opens it as the engine does
    "doors.journal_rebase": ("domain", "journal", "opening", "errors"),
    # --fault names an actor: a wrong name is told before anything starts
    "doors.cli.timed_fault": ("domain", "errors", "runtime.spec", "topology"),
    "doors.cli.group": ("__version__",),
    # a recorded stream is read by the very code that reads the living one
    "doors.replay_events": ("domain", "errors", "venue.recording", "venue.translate"),
    "doors.cli.kill": ("domain", "engine", "journal", "venue", "errors"),
}

# third-party library -> the rooms or modules it lives in
LIBRARIES: dict[str, tuple[str, ...]] = {
    "pykka": ("runtime",),
    "binance": ("venue",),
    "websockets": ("venue",),
    "requests": ("venue",),
    "prometheus_client": ("runtime.exporter",),
    "sqlite3": ("journal",),
    "aiohttp": ("sim", "venue", "doors"),
    "click": ("doors", "sim.cli", "__main__"),
    "rich": ("doors", "sim.cli"),
    "cattrs": ("config", "journal"),
    "msgspec": ("sim", "venue", "journal", "doors"),
    "structlog": ("runtime", "venue", "journal", "config", "engine", "doors", "__main__"),
    "attrs": ("",),
}


def _within(name: str, allowed: str) -> bool:
    return name == allowed or name.startswith(f"{allowed}.")


def _arrows_of(name: str) -> tuple[str, ...] | None:
    fitting = [row for row in ARROWS if (name == "" if row == "" else _within(name, row))]
    return ARROWS[max(fitting, key=len)] if fitting else None


def imports_follow_the_arrows(module: Module) -> Iterator[Finding]:
    allowed = _arrows_of(module.name)
    if allowed is None:
        yield module.at(1, f"no row of ARROWS says what {module.name} may import")
        return
    for target, line in module.imports():
        head, _, inside = target.partition(".")
        if head != PACKAGE or any(_within(inside, room) for room in (*allowed, module.room) if room):
            continue
        if not (module.name == "" and inside.startswith("__")):
            yield module.at(line, f"{module.name or PACKAGE} must not import {target}")


def libraries_stay_in_their_rooms(module: Module) -> Iterator[Finding]:
    for target, line in module.imports():
        head = target.partition(".")[0]
        if head == PACKAGE or (head in sys.stdlib_module_names and head not in LIBRARIES):
            continue
        if head not in LIBRARIES:
            yield module.at(line, f"library {head} has no room in LIBRARIES")
        elif not any(room == "" or _within(module.name, room) for room in LIBRARIES[head]):
            yield module.at(line, f"library {head} lives in {', '.join(LIBRARIES[head])} only")


# --- what pure rooms must not reach for -------------------------------------------------------------------------------

BANNED_MODULES = {
    "domain": {
        *("asyncio", "concurrent", "io", "logging", "multiprocessing", "os", "pathlib", "queue", "random", "secrets"),
        *("select", "signal", "socket", "subprocess", "tempfile", "threading", "time", "uuid", "structlog"),
    },
    "actors": {"concurrent", "multiprocessing", "queue", "random", "secrets", "threading", "uuid"},
}
LOCKS_AND_NAPS = {"Lock", "RLock", "Condition", "Semaphore", "BoundedSemaphore", "Barrier", "sleep"}
CLOCK_CALLS = re.compile(r"(^|\.)(time\.(time|monotonic|perf_counter)(_ns)?|(datetime|date)\.(now|utcnow|today))$")


def pure_rooms_stay_pure(module: Module) -> Iterator[Finding]:
    if module.room not in BANNED_MODULES:
        return
    for target, line in module.imports():
        # a pure path is a text with rules and reads no disk
        if target.partition(".")[0] in BANNED_MODULES[module.room] and target != "pathlib.PurePath":
            yield module.at(line, f"{module.room}/ must not import {target}")
    for node in module.nodes(ast.Name, ast.Attribute):
        name = dotted(node)
        if name.rpartition(".")[2] in LOCKS_AND_NAPS:
            yield module.at(node, f"{module.room}/ must not use {name}")
        elif CLOCK_CALLS.search(name):
            yield module.at(node, f"{module.room}/ is told the time, it must not ask {name}")
        elif name == "open" and module.room == "domain":
            yield module.at(node, "domain/ must not open files")


# what is named like this is a duration or a reading of the monotonic clock, in seconds: no money, so a float will do
SECONDS = ("_s", "mono")


def domain_counts_in_decimal(module: Module) -> Iterator[Finding]:
    if module.room == "domain":
        for node in _without_seconds(module.tree):
            if isinstance(node, ast.Name) and node.id == "float":
                yield module.at(node, "float: money and quantities are Decimal, seconds are named …_s or …mono")
            elif isinstance(node, ast.Constant) and isinstance(node.value, float):
                yield module.at(node, f"{node.value!r} is a float: money and quantities are Decimal")


def _without_seconds(node: ast.AST) -> Iterator[ast.AST]:
    """The tree without annotations and values of fields, arguments and results that are named as seconds."""
    yield node
    for child in ast.iter_child_nodes(node):
        targets = child.targets if isinstance(child, ast.Assign) else [getattr(child, "target", None)]
        names = [dotted(target) for target in targets if target] or [getattr(child, "arg", None) or ""]
        if not all(name.endswith(SECONDS) for name in names):
            is_result = child is getattr(node, "returns", None) and node.name.endswith(SECONDS)
            if not is_result:
                yield from _without_seconds(child)


PYKKA_ONLY_IN_RUNTIME = {"ActorRef", "ActorRegistry", "ActorProxy", "ThreadingActor", "stop_all"}


def nobody_holds_a_ref(module: Module) -> Iterator[Finding]:
    if module.room == "runtime":
        return
    for node in module.nodes(ast.Name, ast.Attribute):
        name = dotted(node).rpartition(".")[2]
        if name in PYKKA_ONLY_IN_RUNTIME or name == "actor_ref":
            yield module.at(node, f"{name} belongs to runtime/: everybody else puts into mailboxes")
    for call in module.nodes(ast.Call):
        name = dotted(call.func).rpartition(".")
        if name[1] and name[2] in {"ask", "proxy"}:
            yield module.at(call, f".{name[2]}() makes an actor wait for another: send a message instead")


def only_main_exits(module: Module) -> Iterator[Finding]:
    if module.name.endswith("__main__"):
        return
    for node in module.nodes(ast.Name, ast.Attribute):
        if dotted(node) in {"sys.exit", "os._exit", "os.abort", "exit", "quit"}:
            yield module.at(node, f"{dotted(node)}: only a __main__.py ends the process")


# --- what can be read in one sitting ----------------------------------------------------------------------------------

FILE_LINES_MAX = 350
FUNCTION_LINES_MAX = 70
# a longer file needs a reason here
LONG_FILES: dict[str, str] = {}

UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK|NotImplementedError|placeholder|for now)\b", re.IGNORECASE)


def first_line_says_what_it_is_for(module: Module) -> Iterator[Finding]:
    if not (ast.get_docstring(module.tree) or "").strip():
        yield module.at(1, "the first line of a module says what it is for, in a docstring")


def files_fit_one_sitting(module: Module) -> Iterator[Finding]:
    lines = module.text.count("\n")
    if lines > FILE_LINES_MAX and module.path not in LONG_FILES:
        yield module.at(FILE_LINES_MAX, f"{lines} lines, {FILE_LINES_MAX} at most: two ideas in one file?")


def functions_fit_one_screen(module: Module) -> Iterator[Finding]:
    for node in module.nodes(ast.FunctionDef, ast.AsyncFunctionDef):
        lines = node.end_lineno - node.lineno + 1
        if lines > FUNCTION_LINES_MAX:
            yield module.at(node, f"{node.name} has {lines} lines, {FUNCTION_LINES_MAX} at most")


def nothing_is_unfinished(module: Module) -> Iterator[Finding]:
    for number, line in enumerate(module.text.splitlines(), 1):
        if found := UNFINISHED.search(line):
            yield module.at(number, f"unfinished: {found[0]}")


def no_function_is_empty(module: Module) -> Iterator[Finding]:
    """A body of nothing but `...` or `pass`; in a protocol that is how a method is declared."""
    classes = module.nodes(ast.ClassDef)
    protocols = [node for node in classes if any(dotted(base).endswith("Protocol") for base in node.bases)]
    declared = {id(child) for protocol in protocols for child in ast.walk(protocol)}
    for node in module.nodes(ast.FunctionDef, ast.AsyncFunctionDef):
        marks = {dotted(mark).rpartition(".")[2] for mark in node.decorator_list}
        if id(node) in declared or marks & {"abstractmethod", "overload"}:
            continue
        if all(_says_nothing(step) for step in node.body):
            yield module.at(node, f"{node.name} does nothing and says nothing")


def _says_nothing(step: ast.stmt) -> bool:
    value = getattr(step, "value", None)
    return isinstance(step, ast.Pass) or (isinstance(value, ast.Constant) and value.value is ...)


# --- tests ------------------------------------------------------------------------------------------------------------


def each_test_says_what_it_shows(module: Module) -> Iterator[Finding]:
    for test in _tests_of(module):
        if not ast.get_docstring(test):
            yield module.at(test, f"{test.name} has no docstring that states the behaviour")
        if not any(_judges(node) for node in ast.walk(test)):
            yield module.at(test, f"{test.name} asserts nothing")


def _tests_of(module: Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Test functions of the module and of its classes, not functions inside functions."""
    for holder in (module.tree, *module.nodes(ast.ClassDef)):
        for node in holder.body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test_"):
                yield node


def _judges(node: ast.AST) -> bool:
    if isinstance(node, ast.Assert):
        return not isinstance(node.test, ast.Constant)
    name = dotted(node.func) if isinstance(node, ast.Call) else ""
    own = name.rpartition(".")[2].lstrip("_").startswith(("assert_", "expect_"))
    return own or name in {"pytest.raises", "pytest.fail", "pytest.warns"}


def no_test_sleeps(module: Module) -> Iterator[Finding]:
    for call in module.nodes(ast.Call):
        name = dotted(call.func)
        yields_only = bool(call.args) and isinstance(call.args[0], ast.Constant) and call.args[0].value == 0
        if name in {"time.sleep", "sleep", "asyncio.sleep"} and not (yields_only and name != "time.sleep"):
            yield module.at(call, f"{name}(): wait for a condition with a deadline (waiting.wait_until)")


# --- the rules, applied -----------------------------------------------------------------------------------------------

HOUSE_RULES: dict[Rule, tuple[str, str]] = {
    imports_follow_the_arrows: ("domain/a.py", "from realtrading.venue.port import Port"),
    libraries_stay_in_their_rooms: ("actors/a.py", "import pykka"),
    pure_rooms_stay_pure: ("actors/a.py", "import asyncio\nasync def f(): await asyncio.sleep(1)"),
    domain_counts_in_decimal: ("domain/a.py", "def f(price: float): ..."),
    nobody_holds_a_ref: ("doors/a.py", "def f(keeper): return keeper.ask('how are you')"),
    only_main_exits: ("doors/a.py", "import sys\nsys.exit(1)"),
    first_line_says_what_it_is_for: ("a.py", "import os"),
    files_fit_one_sitting: ("a.py", "x = 1\n" * (FILE_LINES_MAX + 1)),
    functions_fit_one_screen: ("a.py", "def f():\n" + "    x = 1\n" * FUNCTION_LINES_MAX),
    nothing_is_unfinished: ("a.py", "x = 1  # TO" + "DO: two"),
    no_function_is_empty: ("a.py", "def f():\n    pass"),
}
TEST_RULES: dict[Rule, tuple[str, str]] = {
    first_line_says_what_it_is_for: ("test_a.py", "import os"),
    each_test_says_what_it_shows: ("test_a.py", "def test_a():\n    '''It works.'''\n    assert True"),
    no_test_sleeps: ("test_a.py", "import time\ntime.sleep(0)"),
}


def expect_none(findings: Iterable[Finding]) -> None:
    listed = sorted(set(map(str, findings)))
    assert not listed, f"{len(listed)} finding(s)\n" + "\n".join(listed)


def _name(value: object) -> str | None:
    return getattr(value, "__name__", None)


@pytest.mark.parametrize("rule", HOUSE_RULES, ids=_name)
def test_the_house_keeps(rule: Rule) -> None:
    """Every module of the package keeps the rule."""
    expect_none(finding for module in modules(PACKAGE) for finding in rule(module))


@pytest.mark.parametrize("rule", TEST_RULES, ids=_name)
def test_the_tests_keep(rule: Rule) -> None:
    """Every file of the tests keeps the rule."""
    expect_none(finding for module in modules("tests") for finding in rule(module))


@pytest.mark.parametrize(("rule", "villain"), [*HOUSE_RULES.items(), *TEST_RULES.items()], ids=_name)
def test_the_rule_bites(rule: Rule, villain: tuple[str, str]) -> None:
    """A few lines that break the rule are found."""
    path, text = villain
    folder = "tests" if path.startswith("test_") else PACKAGE

    assert list(rule(parse(f"{folder}/{path}", text)))


def _named_modules(module: Module) -> Iterator[str]:
    """Modules that a table names as text, to be imported when they are needed."""
    for node in module.nodes(ast.Constant):
        if isinstance(node.value, str) and node.value.startswith(f"{PACKAGE}."):
            yield node.value


def test_no_module_is_dead() -> None:
    """Every module is imported by another one, or is where somebody comes in from outside."""
    house = modules(PACKAGE)
    wanted = {target for module in house for target, _ in module.imports()}
    wanted |= {name for module in house for name in _named_modules(module)}
    doorways = ("strategies.examples", "strategies.testing")

    def alive(module: Module) -> bool:
        full = f"{PACKAGE}.{module.name}"
        if module.is_package or module.name.endswith("__main__"):
            return True
        return any(_within(module.name, door) for door in doorways) or any(_within(target, full) for target in wanted)

    expect_none(module.at(1, "nobody imports this module") for module in house if not alive(module))


def test_long_files_are_still_long() -> None:
    """A file that is excepted from the limit still exists and still needs it."""
    lines = {module.path: module.text.count("\n") for module in modules(PACKAGE)}

    assert [] == [path for path in LONG_FILES if lines.get(path, 0) <= FILE_LINES_MAX]


# the words are put together here, so that this file may hold them
_MACHINE = re.compile(r"(?<![\w.:/-])/(?:work|root|opt/pypi|opt/wheels|(?:home|Users)/\w+)(?![\w-])")
_REGISTRIES = ("pypi" + ".org", "python" + "hosted.org", "npm" + "js.org", "deb." + "debian.org", "/opt/" + "pypi")


def test_no_file_names_a_machine_or_a_registry() -> None:
    """No file of the project holds a path of one machine or the host of a package registry."""
    findings = []
    for name in tracked_files():
        data = (ROOT / name).read_bytes()
        if b"\0" in data or name == "tests/test_tidy.py":
            continue
        for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
            found = _MACHINE.search(line) or next((host for host in _REGISTRIES if host in line), None)
            if found:
                findings.append(Finding(f"{name}:{number}", f"names a machine or a registry: {line.strip()[:80]}"))
    expect_none(findings)
