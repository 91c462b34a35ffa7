"""The one place where requests leave.

Which client of which generation, whether anything may be sent now, and what is told about it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime
from typing import Any, NoReturn, TypeVar

from websockets.exceptions import InvalidStatus

from realtrading.domain.reports import ClockMeasured
from realtrading.errors import VenueRefused, VenueThrottled, VenueUnknown

from .answers import Answer, Failure, from_body, redacted
from .client import GatewayClient
from .clock import ServerClock
from .fields import to_ms
from .held import Held
from .limits import Limits
from .lookups import Lookups, ReadFailed
from .outcomes import Outcome, failure_of, judge
from .port import RequestSeen, StreamReport, VenueGauges
from .streams import UserStream
from .urls import VenueUrls
from .ws_api import GatewayWsApi

T = TypeVar("T")

CLOCK_QUESTIONS = 5
CLOCK_CODE = -1021
_SUBSCRIBE = "userDataStream.subscribe.signature"

_log = logging.getLogger("realtrading.venue")


async def _opened(stream: UserStream) -> Answer:
    """Open the stream; whatever the handshake raised becomes an answer."""
    try:
        return await stream.open()
    except InvalidStatus as refused:
        return from_body(refused.response.status_code, refused.response.headers, b"")
    except Exception as error:
        return Answer(status=0, failure=Failure.NEVER_REACHED, message=redacted(f"{type(error).__name__}: {error}"))


class Wire:
    """Owns the client of the present generation, the clock and the limits.

    Requests end in an `Answer`, never in an exception.
    """

    def __init__(
        self,
        urls: VenueUrls,
        key: str,
        secret: str,
        *,
        gauges: VenueGauges,
        utc: Callable[[], datetime],
        mono: Callable[[], float],
        on_request: Callable[[RequestSeen], None],
    ) -> None:
        self.generation = -1
        self.closed = False
        self.clock = ServerClock(utc, mono)
        self.limits = Limits(gauges, utc, mono)
        self._urls = urls
        self._key = key
        self._secret = secret
        self._gauges = gauges
        self._mono = mono
        self._on_request = on_request
        self._held: Held | None = None
        self._retired: set[Held] = set()
        self._stream: UserStream | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._measuring: asyncio.Task[ClockMeasured] | None = None

    @property
    def alive(self) -> bool:
        """True while a generation is connected and subscribed, on the loop that runs here."""
        return self._stream is not None and self._held is not None and self._held.is_ours and self._stream.alive

    def client(self) -> GatewayClient:
        """The present client; made when there is none yet, so that the account can be asked before any stream."""
        return self._present().client

    def _present(self) -> Held:
        if self._held is not None and not self._held.is_ours:
            self._retire("its event loop was replaced")
        if self._held is None:
            api = GatewayWsApi(self._urls.ws_api, limits=self.limits, on_oddity=self.odd)
            client = GatewayClient(
                self._urls,
                self._key,
                self._secret,
                stamp_offset_ms=self.clock.stamp_offset_ms,
                on_headers=self.limits.note_headers,
                ws_api=api,
            )
            self._held = Held(client)
            self._spawn(self._life(self._held))
        return self._held

    def _beside(self) -> Held:
        """A fresh client while the present one, if there is any, goes on."""
        standing, self._held = self._held, None
        fresh = self._present()
        self._held = standing if standing is not None else fresh
        return fresh

    async def _life(self, held: Held) -> None:
        try:
            await held.live()
        finally:
            self._retired.discard(held)

    def odd(self, kind: str) -> None:
        """Count something the venue sent that nobody asked for or can read."""
        # a new dict each time: the scrape walks over it from another thread
        counted = self._gauges.oddities
        self._gauges.oddities = {**counted, kind: counted.get(kind, 0) + 1}

    # -- requests -----------------------------------------------------------------

    async def send(self, method: str, path: str, params: Mapping[str, str | int], *, signed: bool = True) -> Answer:
        """Send one request once."""
        if self.closed:
            return Answer(status=0, failure=Failure.CLOSED)
        silent_until = self.limits.silent_until()
        if silent_until is not None:
            return Answer(status=0, failure=Failure.SILENCED, message=f"until {silent_until:%Y-%m-%d %H:%M:%S} UTC")
        held, began = self._present(), self._mono()
        ticket: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        held.in_flight.add(ticket)
        try:
            answer = await held.client.call(method, path, params, signed=signed)
        except Exception as error:
            answer = Answer(status=0, failure=failure_of(error), message=self.redact(f"{type(error).__name__}: {error}"))
        finally:
            held.in_flight.discard(ticket)
            if not ticket.done():
                ticket.set_result(None)
        self.limits.note_answer(answer)
        self._tell(path if path.startswith("/") else f"/api/v3/{path}", method.upper(), answer, began)
        return answer

    async def get(self, path: str, params: Mapping[str, str | int], *, signed: bool) -> Answer:
        """Send a GET, whatever weight is left: for the clock, and for the fate of one order."""
        return await self.send_again_on_time("get", path, params, signed=signed)

    async def get_in_turn(self, path: str, params: Mapping[str, str | int], *, signed: bool) -> Answer:
        """Send a GET only within the share of the weight that routine reads may have."""
        if self.limits.reads_are_over():
            return Answer(status=0, failure=Failure.SILENCED, message="this minute's weight for routine reads is used up")
        return await self.get(path, params, signed=signed)

    async def send_again_on_time(
        self, method: str, path: str, params: Mapping[str, str | int], *, signed: bool = True
    ) -> Answer:
        """Send; when the venue refused the timestamp (so nothing was done), measure the clock and send once more.

        Never for placements: their refusal is a report.
        """
        answer = await self.send(method, path, params, signed=signed)
        if answer.failure is None and answer.code == CLOCK_CODE and judge(answer).outcome is Outcome.REFUSED:
            await asyncio.wait([self.measure_soon()])
            answer = await self.send(method, path, params, signed=signed)
        return answer

    def redact(self, words: str) -> str:
        """`words` without our key and secret, short and on one line."""
        return redacted(words, (self._key, self._secret))

    def _tell(self, endpoint: str, method: str, answer: Answer, began: float) -> None:
        status = f"{answer.status // 100}xx" if answer.status else "none"
        seconds = self._mono() - began
        try:
            self._on_request(RequestSeen(endpoint=endpoint, method=method, status=status, code=answer.code, seconds=seconds))
        except Exception:  # an answer about money is worth more than a metric
            _log.exception("the metrics did not take a request")

    # -- clock ----------------------------------------------------------------------

    async def measure(self) -> ClockMeasured:
        """Measure the server's clock and sign by it from now on. Raises `ReadFailed`."""
        measured = await self.clock.measure(Lookups(self.get).time_ms, CLOCK_QUESTIONS)
        self._gauges.clock_offset_s = measured.offset_s
        return measured

    def measure_soon(self) -> asyncio.Task[ClockMeasured]:
        """Measure in the background; while a measurement runs, everybody gets the same one."""
        running = asyncio.get_running_loop()
        if self._measuring is None or self._measuring.done() or self._measuring.get_loop() is not running:
            self._measuring = self._spawn(self.measure())
        return self._measuring

    def _spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _log.info("in the background: %s", self.redact(str(task.exception())))

    # -- generations ------------------------------------------------------------------

    async def connect(
        self, generation: int, deliver: Callable[[StreamReport], None], *, beside: bool = False
    ) -> None:
        """Replace client and stream by fresh ones, `beside`: only once these are subscribed.

        Raises `VenueRefused`, `VenueThrottled` or `VenueUnknown`; then the present ones stay only if they were beside.
        """
        beside = beside and self.alive
        if not beside:
            self._retire("given up for another generation")
        if self.closed:
            raise VenueRefused("This venue is closed.")
        silent_until = self.limits.silent_until()
        if silent_until is not None:
            raise VenueThrottled(
                f"Binance asked for silence until {silent_until:%H:%M:%S} UTC.", retry_at_ms=to_ms(silent_until)
            )
        if not beside:
            self.generation = generation
        held = self._beside()
        standing = self._held
        stream = UserStream(held.client, generation, deliver, self.odd)
        began, opened = self._mono(), False
        try:
            answer = await _opened(stream)
            # while we waited somebody may have closed the venue or begun another generation
            opened = answer.ok and self._held is standing
        finally:
            if not opened and standing is not held:
                self._drop(held)
            elif not opened and self._held is held:
                self._retire("not connected")
        self.limits.note_answer(answer)
        self._tell(_SUBSCRIBE, "WS", answer, began)
        if answer.code == CLOCK_CODE:
            # whoever connects next must find a clock that is right
            await asyncio.wait([self.measure_soon()])
        if not opened:
            self.refuse("connect to the user stream", answer)
        if standing is not held:
            self._hand_over(held)
        self.generation, self._stream = generation, stream

    def _hand_over(self, to: Held) -> None:
        """The generation that was connected beside the present one takes its place, without a gap between them."""
        before, self._held, stream, self._stream = self._held, to, self._stream, None
        if stream is not None and stream.alive:  # one that ended meanwhile has told it
            stream.hand_over()
        if before is not None:
            self._drop(before)

    def _drop(self, held: Held) -> None:
        """Have a client closed when its last answer is in."""
        if held.is_ours:
            self._retired.add(held)
        held.retire()

    async def check_stream(self) -> None:
        """Have the user stream's subscription looked at; nothing is asked during a silence."""
        if self._stream is None or not self.alive or self.limits.silent_until() is not None:
            return
        began = self._mono()
        answer = await self._stream.check()
        if answer is not None:
            self.limits.note_answer(answer)
            self._tell("session.subscriptions", "WS", answer, began)

    def refuse(self, what: str, why: Answer | ReadFailed) -> NoReturn:
        """Raise the error that names the culprit, in one sentence."""
        answer = why if isinstance(why, Answer) else why.answer
        outcome = judge(answer).outcome
        sentence = self.redact(f"Binance did not {what}: {why}.")
        if outcome is Outcome.REFUSED:
            raise VenueRefused(sentence, code=answer.code)
        if outcome is Outcome.THROTTLED:
            until = self.limits.silent_until()
            raise VenueThrottled(sentence, retry_at_ms=None if until is None else to_ms(until)) from None
        raise VenueUnknown(sentence) from None

    def _retire(self, detail: str) -> None:
        """Give the present client up: its stream at once, its REST session when the last answer is in."""
        held, self._held, stream, self._stream = self._held, None, self._stream, None
        if held is None:
            return
        if held.is_ours and stream is not None:
            stream.end(detail)
        self._drop(held)

    async def close(self) -> None:
        """End everything; requests still on their way end as unknown. Idempotent; leaves no task and no socket."""
        self.closed = True
        self._retire("closed by us")
        running = asyncio.get_running_loop()
        if self._measuring is not None and self._measuring.get_loop() is running:
            self._measuring.cancel()
        # retirements run to their end, which is now: they wait for nobody any more
        for held in list(self._retired):
            held.wait_no_longer()
        while tasks := [task for task in self._tasks if task.get_loop() is running and not task.done()]:
            await asyncio.wait(tasks)
