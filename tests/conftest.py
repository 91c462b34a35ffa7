"""What every test may count on: no network, no skip where all is required, and the shared fixtures."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from hypothesis.configuration import set_hypothesis_home_dir

import netguard
import ports
import purity
from matrix.collector import pytest_runtest_call, pytest_runtest_setup  # noqa: F401 (hooks: pytest finds them by name)
from processes import Processes

ROOT = Path(__file__).resolve().parent.parent
REQUIRE_ALL = os.environ.get("REALTRADING_REQUIRE_ALL") == "1"
PURE_FOLDERS = (ROOT / "tests" / "domain", ROOT / "tests" / "actors")

# a proxy of the machine would stand between a test and its own loopback server
for _name in [name for name in os.environ if name.lower().endswith("_proxy")]:
    del os.environ[_name]
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost,::1"

netguard.install()

# the same examples every time, nothing remembered between runs: a red test stays red and a green one green
hypothesis.settings.register_profile(
    "realtrading",
    database=None,
    derandomize=True,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("realtrading")
HYPOTHESIS_HOME = ROOT / ".hypothesis"
set_hypothesis_home_dir(HYPOTHESIS_HOME)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Under REALTRADING_REQUIRE_ALL=1 a skipped test is a failed one."""
    report = yield
    _forbid_skip(report, item.nodeid)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    """Under REALTRADING_REQUIRE_ALL=1 a skipped file is a failed one."""
    report = yield
    _forbid_skip(report, collector.nodeid)
    return report


def _forbid_skip(report: pytest.TestReport | pytest.CollectReport, node: str) -> None:
    if REQUIRE_ALL and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{node} was skipped, and REALTRADING_REQUIRE_ALL=1 forbids that: {reason}"


@pytest.fixture(autouse=True)
def _loopback_only() -> Iterator[None]:
    netguard.touched.clear()
    yield
    assert not netguard.touched, f"{netguard.MARK}: {'; '.join(netguard.touched)}"


@pytest.fixture(autouse=True)
def _pure(request: pytest.FixtureRequest) -> Iterator[None]:
    """Tests of the domain and of the actors start no thread, never sleep, open no socket and write no file."""
    if not any(folder in request.path.parents for folder in PURE_FOLDERS):
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        attempts = purity.forbid(patch, tool_cache=HYPOTHESIS_HOME)
        yield
    assert not attempts, f"pure code under test did this: {'; '.join(attempts)}"


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder beside the checkout that holds tapes and the exchange's official payloads."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("no folder ../shared beside the checkout")
    return folder


@pytest.fixture(scope="session")
def prometheus_tools() -> dict[str, str]:
    """Paths of `promtool` and `prometheus`, from `make tools` or from PATH."""
    unpacked = ROOT / ".tools" / "prometheus" / "usr" / "bin"
    path = f"{unpacked}{os.pathsep}{os.environ['PATH']}"
    found = {name: shutil.which(name, path=path) for name in ("promtool", "prometheus")}
    missing = [name for name, place in found.items() if place is None]
    if missing:
        pytest.skip(f"{' and '.join(missing)} neither in .tools (`make tools`) nor on PATH")
    return {name: place for name, place in found.items() if place is not None}


@pytest.fixture
def free_port() -> int:
    """A free port of 127.0.0.1; tests that need several call `ports.free_port()`."""
    return ports.free_port()


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """Starts programs for the test; whatever still runs at its end is ended, and must end well."""
    started = Processes(tmp_path)
    yield started
    problems = started.end_all()
    assert not problems, "\n".join(problems)
