"""Cancelling over real sockets: only a readable yes is certain."""

from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web

from realtrading.domain.reports import (
    CancelAnswered,
)
from venue.loopback import CANCEL, drop, full_answer, run, stage


async def _dropped(request: web.Request) -> web.StreamResponse:
    return drop(request)


def test_a_cancel_goes_by_exchange_id_and_reports_the_order_by_ours() -> None:
    """The order's own id comes back although the venue now shows the cancel's."""

    async def scenario() -> None:
        async with stage() as on:
            answer = full_answer(
                status="CANCELED", origClientOrderId="rt_1_demo_n1", clientOrderId="rt_1_demo_c1", executedQty="0.004"
            )
            on.exchange.answer("DELETE", "order", answer)
            cancelled = await on.venue.cancel(CANCEL)
            assert cancelled.certain
            assert cancelled.report is not None
            assert (cancelled.report.client_id, cancelled.report.status) == ("rt_1_demo_n1", "CANCELED")
            assert cancelled.report.executed_quantity == Decimal("0.004")
            got = on.exchange.asked[-1].params
            assert (got["orderId"], got["newClientOrderId"], got["recvWindow"]) == ("28", "rt_1_demo_c1", "3000")
            assert "origClientOrderId" not in got

    run(scenario())


def test_a_cancel_answer_that_shows_only_the_cancels_id_is_still_about_our_order() -> None:
    """Symbol and exchange id identify the order; the report carries the id we know it by."""

    async def scenario() -> None:
        async with stage() as on:
            on.exchange.answer("DELETE", "order", full_answer(status="CANCELED", clientOrderId="rt_1_demo_c1"))
            cancelled = await on.venue.cancel(CANCEL)
            assert cancelled.report is not None
            assert cancelled.report.client_id == "rt_1_demo_n1"

    run(scenario())


@pytest.mark.parametrize(
    "how",
    [
        (400, {"code": -2011, "msg": "Unknown order sent."}),
        (503, "<html>"),
        (200, "<html>"),
        (200, full_answer(orderId=29)),
        _dropped,
    ],
    ids=lambda how: how.__name__ if callable(how) else f"{how[0]} {str(how[1])[:30]}",
)
def test_a_cancel_without_a_readable_yes_is_uncertain(how: Any) -> None:
    """-2011 above all is no proof that the order is gone: it may have been filled. And no cancel is silently sent twice."""

    async def scenario() -> None:
        async with stage() as on:
            if callable(how):
                on.exchange.do("DELETE", "order", how)
            else:
                on.exchange.answer("DELETE", "order", how[1], how[0])
            answer = await on.venue.cancel(CANCEL)
            assert isinstance(answer, CancelAnswered)
            assert (answer.certain, answer.report) == (False, None)
            assert on.exchange.count("DELETE", "order") == 1

    run(scenario())
