"""The stream hand and its generations: the next one beside the last, a verdict that it is mute, and what nobody could read."""

import pytest

from house.test_hands import Stage, connected, hands
from order_factories import SYMBOL, a_report
from realtrading.actors import streams
from realtrading.domain.commands import EndGeneration, ListOpenOrders
from realtrading.domain.reports import (
    EventUnreadable,
    ExecutionReported,
    OpenOrdersListed,
    StreamConnected,
    StreamLost,
)
from realtrading.errors import VenueUnknown
from realtrading.venue.port import StreamEnding, StreamReport
from waiting import wait_until


def told(stage: Stage, generation: int, report: StreamReport) -> None:
    """The venue tells it on this generation."""
    stage.venue.on_loop(lambda: stage.venue.generations[generation](report))


def losses(stage: Stage) -> list[int]:
    """The generations whose loss was told."""
    return [lost.generation for lost in stage.of(StreamLost)]


def test_an_end_that_is_foreseen_brings_the_next_generation_beside_it() -> None:
    """No loss is told; the old one is heard until the new one is there, and its late words end nothing."""
    with hands("user_stream") as stage:
        connected(stage, 1)
        told(stage, 1, StreamEnding(generation=1, detail="old"))
        told(stage, 1, ExecutionReported(report=a_report("NEW"), generation=1))
        connected(stage, 2)
        told(stage, 1, StreamLost(generation=1, detail="late"))
        told(stage, 2, ExecutionReported(report=a_report("NEW"), generation=2))
        wait_until(lambda: len(stage.of(ExecutionReported)) == 2, 5, "both are heard")
        assert stage.venue.beside == [(1, False), (2, True)]
        assert losses(stage) == []


def test_a_next_generation_that_cannot_be_had_is_tried_again_while_the_last_one_goes_on() -> None:
    """Refused twice, then there: nothing was lost in between."""
    with hands("user_stream") as stage:
        connected(stage, 1)
        stage.venue.refusals = [VenueUnknown("not now"), VenueUnknown("nor now")]
        told(stage, 1, StreamEnding(generation=1, detail="old"))
        connected(stage, 4)
        assert stage.venue.beside == [(1, False), (2, True), (3, True), (4, True)]
        assert losses(stage) == []


def test_a_last_generation_that_ends_before_the_next_is_there_is_lost() -> None:
    """Then there is a gap, told once; the attempt after that is beside nothing."""
    with hands("user_stream") as stage:
        connected(stage, 1)
        stage.venue.refusals = [VenueUnknown("not now")]
        told(stage, 1, StreamEnding(generation=1, detail="old"))
        wait_until(lambda: len(stage.venue.beside) == 2, 5, "refused")
        told(stage, 1, StreamLost(generation=1, detail="gone"))
        wait_until(lambda: any(each.generation > 1 for each in stage.of(StreamConnected)), 5, "the next")
        assert losses(stage) == [1]
        assert stage.venue.beside[2] == (3, False)


def test_a_generation_that_is_judged_mute_is_given_up() -> None:
    """Lost with the evidence as the reason; a verdict about another generation, or a second one, ends nothing."""
    with hands("user_stream") as stage:
        connected(stage, 1)
        stage.house.post(EndGeneration(generation=7, detail="not yet"), sender="orders")
        for _ in range(2):
            stage.house.post(EndGeneration(generation=1, detail="it told nothing"), sender="orders")
        connected(stage, 2)
        assert [(lost.generation, lost.detail) for lost in stage.of(StreamLost)] == [(1, "it told nothing")]
        assert stage.venue.beside == [(1, False), (2, False)]


def test_generations_that_are_mute_in_a_row_are_begun_ever_more_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each verdict soon after a connection lengthens the pause before the next; an old one's verdict starts anew."""
    monkeypatch.setattr(streams, "PAUSES_S", (0.0, 0.001, 0.002, 0.003))
    waited: list[float] = []
    pause = streams.UserStreamActor.pause

    async def noted(self: streams.UserStreamActor, seconds: float) -> None:
        waited.append(seconds)
        await pause(self, seconds)

    monkeypatch.setattr(streams.UserStreamActor, "pause", noted)
    with hands("user_stream") as stage:
        for number in range(1, 6):
            connected(stage, number)
            stage.house.post(EndGeneration(generation=number, detail="mute"), sender="orders")
        connected(stage, 6)
        assert waited == [0.001, 0.002, 0.003, 0.003, 0.003]
        monkeypatch.setattr(streams, "TRUSTED_AFTER_S", 0.0)
        stage.house.post(EndGeneration(generation=6, detail="mute"), sender="orders")
        connected(stage, 7)
        assert waited[-1] == 0.0


def test_the_subscription_is_looked_at_at_every_tick() -> None:
    """Only while a generation is connected."""
    with hands("user_stream") as stage:
        connected(stage, 1)
        assert wait_until(lambda: stage.venue.checks >= 2, 5, "looked at twice")


def test_what_nobody_can_read_is_passed_on() -> None:
    """To orders, which asks; it is no event that was heard."""
    with hands("user_stream") as stage:
        connected(stage, 1)
        event = EventUnreadable(what="frame", detail="torn", client_ids=("x",), exchange_order_ids=(), generation=1)
        told(stage, 1, event)
        assert stage.one(EventUnreadable) == event
        assert stage.venue.gauges.heard == {}


def test_the_lookup_hand_lists_open_orders() -> None:
    """One question per symbol under way, the answer is told."""
    with hands("lookup") as stage:
        stage.house.post(ListOpenOrders(symbol=SYMBOL), sender="orders")
        assert stage.one(OpenOrdersListed).symbol == SYMBOL
        assert stage.venue.asked == [f"open orders {SYMBOL}"]
