"""Power loss: what a disk may hold at any moment of a recorded run, when only what was synced is sure to be there."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import attrs

from crash_points.judging import intents
from crash_points.points import Ground
from crash_points.scenarios import BY_NAME, Player, Scenario
from crash_points.stage import Child
from crash_points.tracing import await_attached, environment, strace
from house.kit import Judge
from journal.samples import opened
from realtrading.errors import RealTradingError
from realtrading.sim.server import SimServer

SECTOR = 512
CALLS = "openat,pwrite64,write,ftruncate,fdatasync,fsync,rename,unlink,sendto,sendmsg"
NAME = "journal.db"
_LINE = re.compile(r"^(\d+) +(\w+)\((.*)$")
_RESUMED = re.compile(r"^(\d+) +<\.\.\. (\w+) resumed>")
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_PATH = re.compile(r"^\d+<((?:\\x[0-9a-f]{2})*)>")
_SENT = re.compile(rb"POST /api/v3/order\b.*?newClientOrderId=([A-Za-z0-9_-]+)", re.DOTALL)
_TOLD = re.compile(rb'\{"recorded": "([^"]+)"\}')


@attrs.frozen(kw_only=True)
class Step:
    """One thing that happened: `write`, `cut`, `sync` (of a file, or of the folder: name ""), `make`, `move`, `drop`, `sent` or
    `told` (an order's id went to the exchange, or to its caller)."""

    kind: str
    name: str = ""
    offset: int = 0
    data: bytes = b""
    to: str = ""


# -- recording --------------------------------------------------------------------------------------------------------


def recorded_life(scenario: Scenario, judge: Judge, folder: Path) -> Callable[[Child], None]:
    """A life that is looked at from its first to its last breath."""

    def live(child: Child) -> None:
        child.say(tid=0)
        child.await_go()
        player = Player(scenario.new_engine(judge, folder).start(), judge, child)
        if not scenario.from_start:
            scenario.prepare(player)
        scenario.play(player)
        child.say(done=True)
        child.await_go()

    return live


def record(ground: Ground, scenario: Scenario) -> list[Step]:
    """Play the scenario once; everything that its process did to the journal's folder and said to the outside."""
    log = ground.folder / "power.txt"
    child = Child(recorded_life(scenario, ground.judge, ground.folder), ground.log)
    assert child.next() is not None
    command = [strace() or "", "-f", "-y", "-xx", "-s", "70000", "-e", f"trace={CALLS}", "-o", str(log), "-p", str(child.pid)]
    tracer = subprocess.Popen(command, env=environment(), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    await_attached(tracer)
    child.go()
    assert ground.hear(child), ground.words
    ground.end(child)
    tracer.wait(20)
    assert tracer.stderr is not None
    tracer.stderr.close()
    return list(steps(log.read_text().splitlines(), ground.folder))


def steps(lines: Iterable[str], folder: Path, there: Iterable[str] = ()) -> Iterable[Step]:
    """The steps in a trace of several threads. A write counts from its beginning, a sync from its end. `there`: the files
    that were there before."""
    syncing: dict[str, str] = {}
    names = set(there)
    for line in lines:
        if resumed := _RESUMED.match(line):
            if resumed.group(1) in syncing:
                yield Step(kind="sync", name=syncing.pop(resumed.group(1)))
            continue
        found = _LINE.match(line)
        if found is None or " = -1 " in line:
            continue
        pid, call, rest = found.groups()
        texts = [_decoded(text) for text in _TEXT.findall(rest)]
        at = _PATH.match(rest)
        name = _name(_decoded(at.group(1)).decode(), folder) if at else None
        if call in ("fdatasync", "fsync") and name is not None:
            if "unfinished" in rest:
                syncing[pid] = name
            else:
                yield Step(kind="sync", name=name)
        elif call == "pwrite64" and name:
            yield Step(kind="write", name=name, offset=int(rest.split(", ")[-1].split(")")[0].split(" ")[0]), data=texts[0])
        elif call == "ftruncate" and name:
            yield Step(kind="cut", name=name, offset=int(rest.split(", ")[1].split(")")[0].split(" ")[0]))
        elif call == "openat" and "O_CREAT" in rest and (name := _name(texts[0].decode(), folder)) and name not in names:
            names.add(name)
            yield Step(kind="make", name=name)
        elif call == "rename" and (name := _name(texts[0].decode(), folder)):
            to = _name(texts[1].decode(), folder) or ""
            names = names - {name} | {to}
            yield Step(kind="move", name=name, to=to)
        elif call == "unlink" and (name := _name(texts[0].decode(), folder)):
            names.discard(name)
            yield Step(kind="drop", name=name)
        elif texts and call in ("sendto", "sendmsg", "write"):
            sent, told = _SENT.search(b"".join(texts)), _TOLD.match(texts[0])
            if sent or told:
                yield Step(kind="sent" if sent else "told", name=(sent or told).group(1).decode())  # type: ignore[union-attr]


def _decoded(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


def _name(path: str, folder: Path) -> str | None:
    """The file's name when it is the journal's, "" for its folder, None for everything else. The index is never synced."""
    if Path(path) == folder:
        return ""
    name = Path(path).name
    ours = Path(path).parent == folder and name.startswith(NAME) and not name.endswith(("-shm", ".lock"))
    return name if ours else None


# -- what a disk may hold ---------------------------------------------------------------------------------------------


@attrs.define
class File:
    """What was synced, and what was not, in order."""

    synced: bytearray = attrs.field(factory=bytearray)
    pending: list[Step] = attrs.field(factory=list)

    def sync(self) -> None:
        """Everything is on the platter."""
        for step in self.pending:
            _put(self.synced, step.offset, step.data, cut=step.kind == "cut")
        self.pending = []

    def lost(self, dice: random.Random) -> bytes:
        """What may be left: all that was synced, and of the rest none, all, or some, in any order, some torn."""
        found = bytearray(self.synced)
        share = dice.choice([0.0, 1.0, 0.5, 0.9])
        kept = [step for step in self.pending if dice.random() < share]
        if dice.random() < 0.5:
            dice.shuffle(kept)
        torn = dice.random() < 0.5
        for step in kept:
            if step.kind == "cut" or not torn:
                _put(found, step.offset, step.data, cut=step.kind == "cut")
                continue
            for start in range(0, len(step.data), SECTOR):
                if dice.random() < 0.7:
                    _put(found, step.offset + start, step.data[start : start + SECTOR])
        return bytes(found)


def _put(content: bytearray, offset: int, data: bytes, cut: bool = False) -> None:
    if cut:
        del content[offset:]
    end = offset + len(data)
    content.extend(bytes(max(0, end - len(content))))
    content[offset:end] = data


class Disk:
    """A folder between memory and platter."""

    def __init__(self) -> None:
        self.live: dict[str, File] = {}
        self.durable: dict[str, File] = {}
        self.pending: list[Step] = []

    def do(self, step: Step) -> None:
        """One step of the process."""
        if step.kind in ("make", "move", "drop"):
            file = File() if step.kind == "make" else self.live[step.name]
            self.pending.append(step)
            _rename(self.live, step, file)
        elif step.kind == "sync" and not step.name:
            self.durable, self.pending = dict(self.live), []
        elif step.kind == "sync":
            self.live[step.name].sync()
        elif step.kind in ("write", "cut"):
            self.live[step.name].pending.append(step)

    def lost(self, dice: random.Random) -> dict[str, bytes]:
        """Files that may be there after the power came back: changes of names go in order, those of contents as they like."""
        names = dict(self.durable)
        for step in self.pending[: dice.randint(0, len(self.pending))]:
            file = self.live.get(step.to or step.name) or names.get(step.name) or File()
            _rename(names, step, file)
        return {name: file.lost(dice) for name, file in names.items()}


def _rename(names: dict[str, File], step: Step, file: File) -> None:
    if step.kind == "make":
        names[step.name] = file
    else:
        names.pop(step.name, None)
    if step.kind == "move":
        names[step.to] = file


# -- judging ----------------------------------------------------------------------------------------------------------


def images_wrong(recording: Sequence[Step], how_many: int, seed: int) -> tuple[int, list[str]]:
    """(images, violations): the power fails before steps drawn by seed, and the journal is opened on what is left."""
    dice = random.Random(seed)
    moments = sorted(dice.choices(range(len(recording) + 1), k=how_many))
    disk, promised, done, wrong = Disk(), set[str](), 0, []
    with tempfile.TemporaryDirectory(prefix="power-loss-") as folder:
        for moment in moments:
            for step in recording[done:moment]:
                disk.do(step)
                if step.kind in ("sent", "told"):
                    promised.add(step.name)
            done = moment
            place = lay_out(disk.lost(dice), Path(folder) / "state")
            wrong += [f"power lost before step {moment}: {text}" for text in image_wrong(place, promised)]
    return len(moments), wrong


def lay_out(image: dict[str, bytes], folder: Path) -> Path:
    """Put an image's files into an empty folder; the journal's path."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, content in image.items():
        (folder / name).write_bytes(content)
    return folder / NAME


def image_wrong(journal: Path, promised: set[str]) -> Iterable[str]:
    """G2, G7, G8: it opens, it is whole, and whatever went on the wire or to a caller is in it."""
    if not journal.exists():
        yield from (f"{name} was promised, and there is no journal" for name in promised)
        return
    try:
        with opened(journal, durability="power") as opening:
            report = opening.verify()
        if not report.ok:
            yield f"not whole: {report.problem}"
        yield from (f"{name} was promised and is lost" for name in sorted(promised - intents(journal)))
    except RealTradingError as refusal:
        yield f"does not open: {refusal}"


def play_power_loss(server: SimServer, scenario: str, how_many: int, seed: int) -> tuple[int, list[str]]:
    """Record one scenario, lose the power at so many moments, and once at its end with the whole house started again."""
    folder = Path(tempfile.mkdtemp(prefix="power-"))
    ground = Ground(server, folder)
    try:
        recording = record(ground, BY_NAME[scenario])
        count, wrong = images_wrong(recording, how_many, seed)
        disk = Disk()
        for step in recording:
            disk.do(step)
        for file in folder.glob(f"{NAME}*"):
            file.unlink()
        for name, content in disk.lost(random.Random(seed)).items():
            (folder / name).write_bytes(content)
        wrong += ground.settle()
    finally:
        ground.close()
    if not wrong:
        shutil.rmtree(folder)
    return count + 1, [f"{scenario}: {text} (kept in {folder})" for text in wrong]
