"""A fixed sample of the crash points and of the power losses; `make crash-points` plays them all."""

import json
import random
from pathlib import Path

import pytest

from crash_points.judging import Promises, intents, monotone_wrong, promises_wrong, requests_wrong
from crash_points.points import Point
from crash_points.power import Disk, Step, images_wrong
from crash_points.tracing import Trace, strace
from house.kit import Judge
from journal.samples import client_id, fill, filled, intent, opened
from matrix.evidence import judged
from processes import Processes
from realtrading.domain.values import Side

TESTS = Path(__file__).resolve().parents[1]
SAMPLE, DEEP, IMAGES = 40, 3, 180


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.matrix("B1", invariants="G1 G2 G3 G4 G5 G6 G7 G8")
@pytest.mark.matrix("B2", invariants="G1 G2")
@pytest.mark.matrix("B3", invariants="G1 G3")
@pytest.mark.matrix("B4", invariants="G7")
@pytest.mark.matrix("B5", invariants="G2 G8")
def test_a_sample_of_the_crash_points_owes_the_exchange_no_explanation(processes: Processes) -> None:
    """Killed before writes, syncs, sends and reads of every scenario, five deep in recovery, and cut off from power: no order
    twice, none without a record, no fill lost, nothing that was acknowledged gone.
    """
    if strace() is None:
        pytest.skip("no strace on PATH nor in .tools (`make tools`)")
    sizes = ("--sample", str(SAMPLE), "--deep", str(DEEP), "--images", str(IMAGES))
    running = processes.python("-m", "crash_points", *sizes, "--json", cwd=TESTS)
    with judged("G1", "G2", "G3", "G4", "G5", "G6", "G7", "G8"):  # in crash_points.judging, after every kill
        assert running.wait(200) == 0, running
        result = json.loads(running.out[-1])
        assert result["violations"] == 0
    assert result["points"] >= SAMPLE
    assert result["order_carrying_socket_writes"] >= 2
    assert result["power_loss_images"] >= IMAGES
    assert sum(row["calls"] for row in result["rows"]) > 500
    assert set(result["recoveries_killed"]) <= {"3", "4", "5"}, "recovery was not killed deeply"


class Seen(Judge):
    """A judge that has seen these requests: client id -> (place requests, orders created)."""

    def __init__(self, **seen: tuple[int, int]) -> None:
        self.seen = seen

    def places(self) -> dict[str, dict[str, int]]:
        return {name: {"place_requests": asked, "orders_created": made} for name, (asked, made) in self.seen.items()}


@pytest.mark.parametrize(
    ("seen", "recorded", "never_sent", "told"),
    [
        ({"cp_1_user_n1": (1, 1), "by_hand": (3, 3)}, {"cp_1_user_n1"}, set(), []),
        ({"cp_1_user_n1": (1, 1)}, set(), set(), ["cp_1_user_n1 was sent without a record"]),
        ({"cp_1_user_n1": (1, 1)}, {"cp_1_user_n1"}, {"cp_1_user_n1"}, ["cp_1_user_n1 was sent by a later life"]),
        (
            {"cp_1_user_n1": (2, 1)},
            {"cp_1_user_n1"},
            set(),
            ["cp_1_user_n1: {'place_requests': 2, 'orders_created': 1}"],
        ),
    ],
)
def test_the_judge_of_requests_bites(
    seen: dict[str, tuple[int, int]], recorded: set[str], never_sent: set[str], told: list[str]
) -> None:
    """One request per id, recorded before, in its own life; orders by hand are not ours."""
    assert list(requests_wrong(Seen(**seen), recorded, never_sent)) == told


def test_the_judge_of_promises_bites(tmp_path: Path) -> None:
    """An id that was acknowledged must be on disk, an end that was told must be the end; executed quantity never falls."""
    path = tmp_path / "journal.db"
    part, whole = fill(1, "0.2", "100", "0", "BTC"), fill(2, "0.3", "100", "0", "BTC")
    with opened(path) as journal:
        journal.begin_run()
        journal.append([intent(1), filled(1, Side.BUY, part, whole), filled(1, Side.BUY, part)])
    promises = Promises()
    promises.hear({"recorded": client_id(1)})
    promises.hear({"recorded": client_id(2)})
    promises.hear({"final": client_id(1), "state": "Filled", "executed": "0.5"})
    wrong = list(promises_wrong(path, promises, intents(path)))
    assert wrong[0] == f"{client_id(2)} was acknowledged and is not on disk"
    assert wrong[1].startswith(f"{client_id(1)}: the caller heard Filled 0.5, the journal says")
    assert list(monotone_wrong(path)) == [f"{client_id(1)}: executed fell from 0.5 to 0.2"]


def test_a_disk_that_syncs_too_late_is_found() -> None:
    """The order went on the wire before its record was on the platter: some disk after a power loss does not hold it."""
    images, wrong = images_wrong([Step(kind="sent", name="cp_1_user_n1")], 20, seed=1)
    assert images == 20
    assert set(wrong) == {"power lost before step 1: cp_1_user_n1 was promised, and there is no journal"}


def test_a_point_reads_as_it_prints() -> None:
    """What a violation prints is what `--point` takes."""
    point = Point("market", (("journal", "pwrite64", 3), ("wire", "sendto", 1)))
    assert str(point) == "market journal:pwrite64:3 wire:sendto:1"
    assert Point.parse(str(point)) == point


def test_a_disk_after_a_power_loss_has_what_was_synced() -> None:
    """Synced bytes are always there, others sometimes; a name is there after its folder was synced."""
    disk = Disk()
    for step in (
        Step(kind="make", name="journal.db"), Step(kind="write", name="journal.db", data=b"sure"),
        Step(kind="sync", name="journal.db"),
    ):  # fmt: skip
        disk.do(step)
    assert {len(disk.lost(random.Random(seed))) for seed in range(20)} == {0, 1}
    disk.do(Step(kind="sync", name=""))
    disk.do(Step(kind="write", name="journal.db", offset=4, data=b"maybe"))
    found = {disk.lost(random.Random(seed))["journal.db"] for seed in range(20)}
    assert found == {b"sure", b"suremaybe"}


def test_a_trace_tells_which_sends_carry_orders() -> None:
    """Numbers count per call; a query is no order."""
    trace = Trace((
        'sendto(9, "GET /api/v3/order?symbol", 24, 0, NULL, 0) = 24',
        'recvfrom(9, "HTTP/1.1 200 OK", 4096, 0, NULL, NULL) = 15',
        'sendto(9, "POST /api/v3/order HTTP/1.1", 27, 0, NULL, 0) = 27',
        'sendto(9, "DELETE /api/v3/order?symbol", 27, 0, NULL, 0 <unfinished ...>',
        "+++ killed by SIGKILL +++",
    ))  # fmt: skip
    assert trace.order_carrying() == {("sendto", 2), ("sendto", 3)}
    assert trace.fatal.startswith("sendto(9")
    assert trace.counts() == {"sendto": 3, "recvfrom": 1}
