"""All families of one moment, in the catalogue's order."""
from __future__ import annotations

import decimal

from realtrading.domain.values import EXACT
from realtrading.runtime.metrics import Family

from .machine import actors, edges, engine, journal, reconcile
from .money import money, risk
from .outside import exchange, streams
from .trading import fills, orders
from .view import View

GROUPS = (engine, orders, fills, money, risk, exchange, streams, actors, reconcile, journal, edges)


def families(view: View) -> list[Family]:
    """What a scrape shows. Before the start there is only the engine group to show."""
    groups = (engine,) if view.phase in ("new", "starting") else GROUPS
    with decimal.localcontext(EXACT):
        return [family for group in groups for family in group(view)]
