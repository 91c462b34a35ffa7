"""What a person sees: progress while the demo runs, and the verdict on one screen."""
from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import IO, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from realtrading.domain.values import ZERO, plain

from .scenario import Progress, position_of
from .sizing import GRAIN
from .verdict import CLEAN, Verdict

REFRESH_PER_S = 5
SHOWN_UNEXPLAINED = 20
PAGE_COLUMNS = 120


class Screen:
    """The progress on stderr, when a person is looking; else it shows nothing. A context manager."""

    def __init__(self, console: Console, *, quiet: bool) -> None:
        self._live = None if quiet or not console.is_terminal else Live(console=console, refresh_per_second=REFRESH_PER_S)

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.update(Text())
            self._live.stop()

    @property
    def show(self) -> Callable[[Progress], None]:
        """What the scenario calls."""
        live = self._live
        if live is None:
            return lambda progress: None
        return lambda progress: live.update(progress_view(progress))


def page(file: IO[str]) -> Console:
    """Where the verdict is written; wider than rich's guess where nobody can say how wide."""
    return Console(file=file, width=None if file.isatty() else PAGE_COLUMNS)


def progress_view(progress: Progress) -> RenderableType:
    """A bar, the counts, and the faults so far."""
    witness, engine = progress.stage.witness, progress.stage.engine
    done = min(progress.elapsed_s, progress.seconds)
    head = Table.grid(padding=(0, 2))
    head.add_row(
        f"[bold]{escape(progress.phase)}[/]",
        ProgressBar(total=progress.seconds, completed=done, width=30),
        f"{done:.0f} s of {progress.seconds:.0f} s",
    )
    orders = witness.all_orders()
    pnl = sum((book.realized_total for book in list(witness.books.values())), ZERO)
    door = "[green]open[/]" if engine.is_ready else f"[red]shut[/]: {escape(engine.why_not_ready())}"
    counts = Text.from_markup(
        f"orders {len(orders)} · trades {sum(len(order.fills) for order in orders)} · "
        f"position {plain(position_of(progress.stage))} · result {plain(pnl.quantize(GRAIN))} · restarts {witness.restarts} · "
        f"reconciliations {witness.rounds} · door for new orders: {door}"
    )
    faults = Text()
    for fault in progress.script.injected:
        over = fault.over_after_s
        faults.append(f"  {fault.name}: {'being survived' if over is None else f'survived in {over:.2f} s'}\n")
    return Group(head, counts, faults)


def show_verdict(console: Console, verdict: Verdict) -> None:
    """The verdict on one screen: both ledgers, the counts, the faults, and what nobody can explain."""
    about, colour = verdict.about, "green" if verdict.word == CLEAN else "red"
    console.print(Text.assemble(("verdict: ", "bold"), (verdict.word, f"bold {colour}"),
                                f"   {about.symbol}, {about.duration_s:g} s"))
    console.print(f"market: {about.tape}, {about.tape_trades} trades over {about.tape_span_s:g} s at speed {about.speed:g}",
                  markup=False, highlight=False)
    console.print(_ledger(verdict))
    console.print(_counts(verdict), highlight=False)
    if verdict.faults:
        console.print(_faults(verdict))
    for line in verdict.unexplained[:SHOWN_UNEXPLAINED]:
        console.print(Text(f"unexplained: {line}", style="red"))
    if len(verdict.unexplained) > SHOWN_UNEXPLAINED:
        console.print(Text(f"… and {len(verdict.unexplained) - SHOWN_UNEXPLAINED} more", style="red"))


def _ledger(verdict: Verdict) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("asset")
    table.add_column("engine's journal", justify="right")
    table.add_column("exchange's ledger", justify="right")
    table.add_column("")
    for asset, ours in verdict.engine.items():
        theirs = verdict.exchange[asset]
        table.add_row(asset, ours, theirs, "[green]equal[/]" if ours == theirs else "[red]differ[/]")
    return table


def _counts(verdict: Verdict) -> str:
    parts = []
    for name, value in verdict.counts.items():
        shown = ", ".join(value) if isinstance(value, list) else str(value)
        parts.append(f"{name.replace('_', ' ')} {shown}")
    return " · ".join(parts)


def _faults(verdict: Verdict) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("fault")
    table.add_column("at")
    table.add_column("requests", justify="right")
    table.add_column("outcome", overflow="fold")
    for fault in verdict.faults:
        shown = Text(fault.failed or fault.outcome, style="red" if fault.failed else "")
        table.add_row(fault.name, fault.injected_at[11:], str(fault.requests_seen_by_exchange), shown)
    return table
