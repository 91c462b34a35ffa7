"""`realtrading replay-events`: what a recorded user stream makes of its orders."""

from __future__ import annotations

import decimal
import json
from pathlib import Path

import click

EXIT_PARTLY = 12


@click.command("replay-events")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
def replay_events(file: Path, as_json: bool) -> int:
    """Merge the user stream events in FILE as the engine would, and tell what became of each order.

    FILE holds JSON documents, one per line, one after another or in an array: events of the user stream, in their
    envelope {"subscriptionId": …, "event": {…}} or bare. Events may be repeated, out of order or missing.

    Exit codes: 0 everything was read, 2 the file cannot be read or is empty, 12 something in it was quarantined.
    """
    from realtrading.domain.values import EXACT
    from realtrading.doors.replay_events import read, replay
    from realtrading.doors.replay_pages import as_object, as_text

    found = replay(read(file))
    with decimal.localcontext(EXACT):
        text = json.dumps(as_object(found, str(file))) if as_json else as_text(found)
    click.echo(text.encode("utf-8", "replace").decode())
    return EXIT_PARTLY if found.quarantined else 0
