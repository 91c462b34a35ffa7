"""`realtrading replay-events`: recorded streams told once, twice, backwards, with gaps and with rubbish among them."""

import copy
import itertools
import json
import random
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtrading.__main__ import call
from realtrading.doors.replay_events import replay
from realtrading.doors.replay_pages import as_object
from realtrading.venue.fields import DOCUMENT_MAX
from realtrading.venue.recording import documents

Event = dict[str, Any]
T0 = 1_700_000_000_000

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """Runs `realtrading replay-events …`: exit code, stdout, stderr."""

    def run(*typed: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = call(["replay-events", *map(str, typed)])
        told = capsys.readouterr()
        assert "Traceback" not in told.out + told.err
        return code, told.out, told.err

    return run


def event(at: int, status: str, kind: str = "NEW", **changed: Any) -> Event:
    """One executionReport of order 77 in the venue's field names, `at` seconds after the start."""
    plain = {
        "e": "executionReport", "E": T0 + at, "s": "BTCUSDT", "c": "web_abc", "S": "BUY", "o": "LIMIT", "f": "GTC",
        "q": "0.00500000", "p": "60000.00000000", "P": "0.00000000", "F": "0.00000000", "g": -1, "C": "", "x": kind,
        "X": status, "r": "NONE", "i": 77, "l": "0.00000000", "z": "0.00000000", "L": "0.00000000", "n": "0", "N": None,
        "T": T0 + at, "t": -1, "I": 900 + at, "w": True, "m": False, "M": False, "O": T0, "Z": "0.00000000",
        "Y": "0.00000000", "Q": "0.00000000", "W": T0, "V": "NONE",
    }  # fmt: skip
    return {**plain, **changed}


def trade(at: int, status: str, number: int, last: str, done: str, price: str, fee: str, asset: str, **changed: Any) -> Event:
    """A report of a trade: `last` units, `done` in all; every trade of the order before it had the same price."""
    quote = {name: f"{Decimal(units) * Decimal(price):.8f}" for name, units in (("Y", last), ("Z", done))}
    given_ = {"t": number, "l": last, "z": done, "L": price, "n": fee, "N": asset, **quote, **changed}
    return event(at, status, "TRADE", **given_)


LIMIT_FILLED = [
    event(0, "NEW"),
    trade(1, "PARTIALLY_FILLED", 11, "0.00200000", "0.00200000", "60000", "0.00000200", "BTC", m=True),
    trade(5, "FILLED", 12, "0.00300000", "0.00500000", "60000", "0.00000300", "BTC", m=True),
]
MARKET = {"o": "MARKET", "p": "0.00000000", "c": "x-1"}
MARKET_IN_PARTS = [
    event(0, "NEW", **MARKET),
    trade(0, "PARTIALLY_FILLED", 21, "0.00100000", "0.00100000", "60000.01", "0.00007", "BNB", **MARKET),
    trade(0, "PARTIALLY_FILLED", 22, "0.00150000", "0.00250000", "60000.01", "0.00000150", "BTC", **MARKET),
    trade(0, "FILLED", 23, "0.00250000", "0.00500000", "60000.01", "0.00000250", "BTC", **MARKET),
]
STOP = {"o": "STOP_LOSS_LIMIT", "S": "SELL", "p": "57900.00000000", "P": "58000.00000000"}
STOP_LIMIT = [
    event(0, "NEW", **STOP, w=False),
    event(60_000, "NEW", **STOP, W=T0 + 60_000),
    trade(60_001, "PARTIALLY_FILLED", 31, "0.00400000", "0.00400000", "57950", "0.23180000", "USDT", **STOP),
    trade(60_002, "FILLED", 32, "0.00100000", "0.00500000", "57950", "0.05795000", "USDT", **STOP),
]
FOK_EXPIRED = [
    event(0, "NEW", f="FOK"),
    event(0, "EXPIRED", "EXPIRED", f="FOK", eR="UNFILLED_FOK_ORDER_EXPIRED", w=False),
]
HALF_THEN_CANCELLED = [
    event(0, "NEW"),
    trade(1, "PARTIALLY_FILLED", 41, "0.00200000", "0.00200000", "60000", "0.00000200", "BTC"),
    event(9, "CANCELED", "CANCELED", c="hand", C="web_abc", z="0.00200000", Z="120.00000000", w=False),
]

SMALLER = {"q": "0.00300000", "c": "web_abc2"}
AMENDED = [
    event(0, "NEW"),
    event(3, "NEW", "REPLACED", **{**SMALLER, "C": "web_abc"}),
    trade(5, "PARTIALLY_FILLED", 51, "0.00100000", "0.00100000", "60000", "0.00000500", "BNB", **SMALLER),
    trade(7, "FILLED", 52, "0.00200000", "0.00300000", "60000", "0.00001000", "BNB", **SMALLER),
]
PREVENTED = {"V": "DECREMENT", "v": 4, "A": "0.00200000", "B": "0.00200000", "u": -1, "U": 38, "Cs": "BTCUSDT",
             "pl": "0.00200000", "pL": "60000.00000000", "pY": "120.00000000"}  # fmt: skip
LESS_BY_PREVENTION = [
    event(0, "NEW", V="DECREMENT"),
    event(2, "NEW", "TRADE_PREVENTION", **PREVENTED),
    trade(4, "PARTIALLY_FILLED", 61, "0.00100000", "0.00100000", "60000", "0.06000000", "USDT", **PREVENTED),
    event(6, "EXPIRED_IN_MATCH", "TRADE_PREVENTION", **{**PREVENTED, "A": "0.00400000", "v": 5}, z="0.00100000",
          Z="60.00000000", w=False),
]  # fmt: skip
LESS_BY_PREVENTION = [each | {"S": "SELL"} for each in LESS_BY_PREVENTION]
BY_AMOUNT = {"o": "MARKET", "p": "0.00000000", "q": "0.00333300", "Q": "200.00000000", "f": "GTC"}
MARKET_BY_AMOUNT = [
    event(0, "NEW", **BY_AMOUNT),
    trade(0, "PARTIALLY_FILLED", 71, "0.00100000", "0.00100000", "60000.01", "0.00000076", "BNB", **BY_AMOUNT),
    trade(0, "FILLED", 72, "0.00233300", "0.00333300", "60000.01", "0.00000175", "BNB", **BY_AMOUNT),
]

# events, state, Σ quantity, Σ quote, average, fees
SEQUENCES: dict[str, tuple[list[Event], str, str, str, str, dict[str, str]]] = {
    "limit filled": (LIMIT_FILLED, "Filled", "0.005", "300", "60000", {"BTC": "0.000005"}),
    "market in parts": (
        MARKET_IN_PARTS, "Filled", "0.005", "300.00005", "60000.01", {"BNB": "0.00007", "BTC": "0.000004"},
    ),
    "stop-limit": (STOP_LIMIT, "Filled", "0.005", "289.75", "57950", {"USDT": "0.28975"}),
    "fok expired": (FOK_EXPIRED, "Expired", "0", "0", "0", {}),
    "cancelled by hand": (HALF_THEN_CANCELLED, "Cancelled", "0.002", "120", "60000", {"BTC": "0.000002"}),
    "amended": (AMENDED, "Filled", "0.003", "180", "60000", {"BNB": "0.000015"}),
    "less by prevention": (LESS_BY_PREVENTION, "Expired", "0.001", "60", "60000", {"USDT": "0.06"}),
    "market by amount": (
        MARKET_BY_AMOUNT, "Filled", "0.003333", "199.98003333", "60000.01", {"BNB": "0.00000251"},
    ),
}  # fmt: skip


def wrapped(events: list[Event]) -> list[Any]:
    return [{"subscriptionId": 3, "event": each} for each in events]


def lines(events: list[Any]) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in events)


def told(data: bytes) -> dict[str, Any]:
    """What the command prints as JSON."""
    return as_object(replay(data), "file")


def one_order(data: bytes) -> dict[str, Any]:
    found = told(data)
    assert found["quarantined"] == 0
    (order,) = found["orders"]
    return dict(order)


@pytest.mark.parametrize("name", SEQUENCES)
def test_an_order_ends_where_it_ended(name: str) -> None:
    """State, sums, average and fees to the last digit; nothing is missing."""
    events, state, quantity, quote, average, fees = SEQUENCES[name]
    order = one_order(lines(wrapped(events)))
    assert (order["state"], order["quantity"], order["quote"]) == (state, quantity, quote)
    assert (order["average"], order["fees"], order["gaps"], order["doubts"]) == (average, fees, [], [])
    assert order["fills_quantity"] == quantity
    assert order["id"] in ("web_abc", "x-1")


@pytest.mark.parametrize("name", SEQUENCES)
def test_repetition_and_order_do_not_matter(name: str) -> None:
    """Twice over, each twice, reversed, and in every permutation: word for word the same answer."""
    events = SEQUENCES[name][0]
    truth = one_order(lines(wrapped(events)))
    assert one_order(lines(wrapped(events * 2))) == truth
    assert one_order(lines(wrapped([each for each in events for _ in range(2)]))) == truth
    for shuffled in itertools.permutations(events):
        assert one_order(lines(wrapped(list(shuffled)))) == truth


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("name", SEQUENCES)
def test_a_missing_event_changes_nothing_or_is_named(name: str, backwards: bool) -> None:
    """Where the venue's cumulative words still tell it, state and sums are the same; what is lost is a named gap."""
    events = SEQUENCES[name][0]
    truth = one_order(lines(wrapped(events)))
    for lost in range(len(events)):
        rest = events[:lost] + events[lost + 1 :]
        order = one_order(lines(wrapped(rest[::-1] if backwards else rest)))
        if lost == len(events) - 1:
            assert "end" in {gap["kind"] for gap in order["gaps"]}
            continue
        assert [order[name_] for name_ in ("id", "state", "quantity", "quote", "average", "reason")] == [
            truth[name_] for name_ in ("id", "state", "quantity", "quote", "average", "reason")
        ]
        gaps = [(gap["kind"], gap["from"], gap["to"], gap["quote"]) for gap in order["gaps"]]
        gone = events[lost]
        if gone["x"] == "TRADE":
            start = Decimal(gone["z"]) - Decimal(gone["l"])
            ((kind, *place),) = gaps
            assert kind == "fill"
            assert list(map(Decimal, place)) == [start, Decimal(gone["z"]), Decimal(gone["Y"])]
            assert len(order["fills"]) == len(truth["fills"]) - 1
        else:
            assert gaps == []
            assert order == truth


OTHERS: list[Event] = [
    {"e": "outboundAccountPosition", "E": T0, "u": T0, "B": [{"a": "USDT", "f": "10000.00000000", "l": "300.00000000"}]},
    {"e": "balanceUpdate", "E": T0, "a": "BNB", "d": "-0.00007000", "T": T0},
    {"e": "listStatus", "E": T0, "s": "BTCUSDT", "g": 2, "c": "OCO", "l": "EXEC_STARTED", "L": "EXECUTING", "r": "NONE",
     "C": "list", "T": T0, "O": [{"s": "BTCUSDT", "i": 17, "c": "a"}, {"s": "BTCUSDT", "i": 18, "c": "b"}]},
    {"e": "externalLockUpdate", "E": T0, "a": "NEO", "d": "10.00000000", "T": T0},
]  # fmt: skip


def woven() -> tuple[list[Event], dict[int, dict[str, Any]]]:
    """Every sequence as an order of its own, one event of each in turn, with other kinds of events among them; and what
    each of these orders comes to alone."""
    orders = []
    for number, (events, *_) in enumerate(SEQUENCES.values()):
        moved = {"i": 1000 + number, "somethingNew": {"a": [1]}}
        orders.append([each | moved | ({"t": each["t"] + 1000 * number} if each["t"] > 0 else {}) for each in events])
    alone = {orders[n][0]["i"]: one_order(lines(wrapped(orders[n]))) for n in range(len(orders))}
    turns = [each for turn in itertools.zip_longest(*orders) for each in turn if each is not None]
    return [event for n, each in enumerate(turns) for event in (each, OTHERS[n % len(OTHERS)])], alone


def test_orders_that_are_told_among_each_other_do_not_mix() -> None:
    """All at once with account events between them: in order, twice, backwards, and with any one event missing."""
    events, alone = woven()
    for told_ in (events, events * 2, events[::-1]):
        found = told(lines(wrapped(told_)))
        assert {order["exchange_order_id"]: order for order in found["orders"]} == alone
        assert (found["quarantined"], sum(found["other_events"].values())) == (0, len(told_) // 2)
    for lost, gone in enumerate(events):
        found = told(lines(wrapped(events[:lost] + events[lost + 1 :])))
        others = {order["exchange_order_id"]: order for order in found["orders"]}
        about = gone.get("i")
        assert {key: order for key, order in others.items() if key != about} == {
            key: order for key, order in alone.items() if key != about
        }
        if about is not None and gone["x"] == "TRADE":
            assert others[about]["gaps"], "a missing fill, or a missing end"


def test_the_official_sequence(shared_dir: Path) -> None:
    """The exchange's own five events, as an array of bare events: partly filled, then expired, fees in BNB."""
    data = (shared_dir / "binance/user_stream/sequence_market_expired.json").read_bytes()
    found = told(data)
    (order,) = found["orders"]
    assert (order["state"], order["quantity"], order["quote"], order["fees"]) == ("Expired", "4", "4", {"BNB": "0.002"})
    assert (found["documents"], found["execution_reports"], found["other_events"]) == (5, 4, {"outboundAccountPosition": 1})
    events = json.loads(data)
    for shuffled in itertools.permutations(events):
        assert told(lines(wrapped(list(shuffled))))["orders"] == [order]


def test_every_official_event_is_read(shared_dir: Path) -> None:
    """No payload of the documents is quarantined, whatever its kind and however it is laid out."""
    folder = shared_dir / "binance/user_stream"
    files = sorted(folder.rglob("*.json"))
    assert len(files) > 25
    for file in files:
        found = told(file.read_bytes())
        assert (found["quarantined"], found["execution_reports"] + sum(found["other_events"].values())) == (
            0,
            found["documents"],
        ), file.name


LAYOUTS = {
    "lines": lines,
    "one after another": lambda events: "".join(map(json.dumps, events)).encode(),
    "an array": lambda events: json.dumps(events).encode(),
    "a laid out array": lambda events: json.dumps(events, indent=1).encode(),
    "laid out": lambda events: "\n".join(json.dumps(each, indent=4) for each in events).encode(),
    "windows": lambda events: b"\xef\xbb\xbf" + "\r\n".join(map(json.dumps, events)).encode(),
    "a sequence": lambda events: "".join(f"\x1e{json.dumps(each)}\n" for each in events).encode(),
    "an array per line": lambda events: "\n".join(json.dumps([each]) for each in events).encode(),
}


@pytest.mark.parametrize("bare", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_layout_says_the_same(layout: str, bare: bool) -> None:
    """Lines, concatenated, arrays, pretty-printed, with a byte order mark; in envelopes or bare."""
    events = LIMIT_FILLED if bare else wrapped(LIMIT_FILLED)
    assert one_order(LAYOUTS[layout](events)) == one_order(lines(wrapped(LIMIT_FILLED)))


def broken(**changed: Any) -> bytes:
    """A line with a trade in which some fields are not what they should be, as they stand in the file."""
    text = json.dumps({"subscriptionId": 0, "event": MARKET_IN_PARTS[1] | {"i": 78}})
    for name, raw in changed.items():
        value = json.dumps((MARKET_IN_PARTS[1] | {"i": 78})[name])
        assert f'"{name}": {value}' in text
        text = text.replace(f'"{name}": {value}', f'"{name}": {raw}')
    return text.encode("latin-1")


RUBBISH: dict[str, bytes] = {
    "no JSON": b"hello",
    "a number": b"1e400",
    "not a number": b"NaN",
    "a list": b"[1, 2, 3]x",
    "an empty object": b"{}",
    "an empty envelope": b'{"subscriptionId": 0, "event": {}}',
    "an event that is none": b'{"subscriptionId": 0, "event": [1]}',
    "null": b'{"subscriptionId": 0, "event": null}',
    "an answer": b'{"id": "1", "status": 200, "result": {"subscriptionId": 0}}',
    "an unknown kind": b'{"subscriptionId": 0, "event": {"e": "newsReport"}}',
    "cut off": broken()[:150],
    "cut off in a text": broken()[:43],
    "a brace too few": broken()[:-1],
    "a comma too many": broken().replace(b", ", b",, ", 1),
    "NaN quantity": broken(l="NaN"),
    "NaN as text": broken(l='"NaN"'),
    "endless": broken(z="Infinity"),
    "endless as text": broken(z='"Infinity"'),
    "1e400": broken(l="1e400"),
    "1e400 as text": broken(l='"1e400"'),
    "a price with an exponent": broken(L='"6e4"'),
    "a negative quantity": broken(l='"-1"'),
    "too many digits": broken(q='"' + "9" * 30 + '"'),
    "a number of ten thousand digits": broken(i="9" * 10_000),
    "an id beyond 64 bits": broken(i="9" * 25),
    "an id as text": broken(i='"78"'),
    "a fraction as id": broken(i="78.5"),
    "a name twice": broken(l='"0.001", "l": "0.005"'),
    "not UTF-8": broken(s='"BTC\xff"'),
    "half a surrogate": broken(s='"\\ud800"'),
    "a control character": broken(s='"BTC\\u0000USDT"'),
    "a very long text": broken(c='"' + "x" * 5000 + '"'),
    "larger than any event": broken(c='"' + "x" * (DOCUMENT_MAX + 1) + '"'),
    "deeply nested": broken(V="[" * 100_000 + "]" * 100_000),
    "deeply nested objects": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "deeply nested and cut off": b'{"a":' * 50_000,
    "brackets alone": b"[" * 10_000 + b"x",
    "an unknown status": broken(X='"SUSPENDED"'),
    "an unknown execution type": broken(x='"TRADE_BUST"'),
    "an execution type that is a list": broken(x="[]"),
    "an unknown side": broken(S='"HOLD"'),
    "a side that is an object": broken(S="{}"),
    "a fee in nothing": broken(N="null"),
    "a trade without a number": broken(t="-1"),
    "a time before all time": broken(T="0"),
    "a time in microseconds": broken(T="1700000000000000"),
    "a flag that is a number": broken(m="1"),
}


@pytest.mark.parametrize("name", RUBBISH)
def test_rubbish_costs_only_itself(name: str) -> None:
    """Counted and named with its line and byte; the events before and behind it make the same order as ever."""
    good = [line + b"\n" for line in lines(wrapped(LIMIT_FILLED)).splitlines()]
    before = good[0] + good[1]
    found = told(before + RUBBISH[name] + b"\n" + good[2])
    assert found["orders"] == [one_order(lines(wrapped(LIMIT_FILLED)))]
    assert found["quarantined"] >= 1
    first = found["quarantine"][0]
    assert first["line"] == 3
    assert len(before) <= first["offset"] < len(before) + len(RUBBISH[name])
    assert first["problem"]
    assert len(first["problem"]) < 200
    assert found["execution_reports"] == 3


def test_what_was_told_differently_before_is_not_booked() -> None:
    """A trade id with other amounts, and an order with the other side, are quarantined; the first telling stands."""
    other = LIMIT_FILLED[1] | {"l": "0.00100000", "Y": "60.00000000"}
    found = told(lines(wrapped([*LIMIT_FILLED, other, LIMIT_FILLED[0] | {"S": "SELL"}])))
    assert found["orders"] == [one_order(lines(wrapped(LIMIT_FILLED)))]
    assert [one["problem"] for one in found["quarantine"]] == [
        "executionReport: trade 11 was told differently before",
        "executionReport: order 77 was told with another side before",
    ]


def test_the_same_id_is_another_order_on_another_symbol() -> None:
    """Order and trade ids are unique per symbol only, and a client id may be used again."""
    other = [each | {"s": "ETHUSDT"} for each in LIMIT_FILLED]
    again = [each | {"i": 79, "t": each["t"] + 100 if each["t"] > 0 else -1} for each in LIMIT_FILLED]
    found = told(lines(wrapped([each for three in zip(LIMIT_FILLED, other, again, strict=True) for each in three])))
    assert [(one["symbol"], one["exchange_order_id"], one["state"], one["quantity"]) for one in found["orders"]] == [
        ("BTCUSDT", 77, "Filled", "0.005"),
        ("BTCUSDT", 79, "Filled", "0.005"),
        ("ETHUSDT", 77, "Filled", "0.005"),
    ]


def test_two_missing_fills_in_a_row_are_one_gap() -> None:
    """What lies between two known trades is named as one stretch with its exact quote amount."""
    order = one_order(lines(wrapped([MARKET_IN_PARTS[0], MARKET_IN_PARTS[3]])))
    assert order["state"] == "Filled"
    assert order["quote"] == "300.00005"
    (gap,) = order["gaps"]
    assert gap == {
        "kind": "fill", "from": "0", "to": "0.0025", "quantity": "0.0025", "quote": "150.000025",
        "text": "fill missing: 0.0025 executed (from 0 to 0.0025) for 150.000025, trade and fee unknown",
    }  # fmt: skip


@given(st.integers(0, 2**32), st.binary(max_size=30))
def test_no_damage_becomes_a_traceback_or_another_order(seed: int, noise: bytes) -> None:
    """Bytes changed, cut out and put in anywhere: every document is either read or named, and nothing raises."""
    chance = random.Random(seed)
    data = bytearray(lines(wrapped(LIMIT_FILLED)))
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(data))
        data[place : place + chance.randint(0, 20)] = noise
    found = told(bytes(data))
    assert found["documents"] == found["execution_reports"] + sum(found["other_events"].values()) + found["quarantined"]
    assert found["documents"] == len(list(documents(bytes(data))))


@given(st.data())
def test_no_value_in_any_field_raises(data: st.DataObject) -> None:
    """Any JSON value in any field of any event of a sequence is read or quarantined."""
    words = ["99999999999999999999.99999999999999999999", "0.00000000000000000001", "-5", "1e5", "NEW", "FILLED", "REJECTED",
             "CANCELED", "TRADE", "SELL"]  # fmt: skip
    plain = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=5))
    odd = st.one_of(plain, st.lists(st.integers(), max_size=2), st.sampled_from(words), st.just(2**63 - 1))
    events = copy.deepcopy(data.draw(st.sampled_from([LIMIT_FILLED, HALF_THEN_CANCELLED, MARKET_IN_PARTS])))
    for _ in range(data.draw(st.integers(1, 4))):
        chosen = data.draw(st.sampled_from(events))
        chosen[data.draw(st.sampled_from(sorted(chosen)))] = data.draw(odd)
    found = told(lines(wrapped(events)))
    assert found["documents"] == len(events)


def test_the_command_tells_an_order_in_words(cli: Cli, tmp_path: Path) -> None:
    """One paragraph per order with its fills and gaps, then the counts; exit 0, and --json is one object."""
    file = tmp_path / "events.jsonl"
    file.write_bytes(lines(wrapped([STOP_LIMIT[0], STOP_LIMIT[1], STOP_LIMIT[3]])))
    code, out, err = cli(file)
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "web_abc (BTCUSDT SELL STOP_LOSS_LIMIT 77): Filled, 0.005 for 289.75, average 57950, fees 0.05795 USDT",
        "  trade 32: 0.001 at 57950 for 57.95, fee 0.05795 USDT",
        "  fill missing: 0.004 executed (from 0 to 0.004) for 231.8, trade and fee unknown",
        "3 documents: 3 execution reports of 1 orders, 0 other events, 0 quarantined",
    ]
    code, out, _ = cli(file, "--json")
    answer = json.loads(out)
    assert (code, answer["schema"], answer["command"], answer["file"]) == (0, 1, "replay-events", str(file))
    assert answer["orders"] == told(file.read_bytes())["orders"]


def test_rubbish_ends_with_only_partly_done(cli: Cli, tmp_path: Path) -> None:
    """Exit 12, each quarantined part with its line and byte, long lists cut; a file of nothing else as well."""
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"rubbish\n" * 150 + lines(wrapped(FOK_EXPIRED)))
    code, out, _ = cli(file)
    assert code == 12
    assert "quarantined: line 2, byte 8: 7 bytes that are no JSON object" in out.splitlines()
    assert "quarantined: 50 more" in out.splitlines()
    assert "UNFILLED_FOK_ORDER_EXPIRED" in out
    code, out, _ = cli(file, "--json")
    assert (code, json.loads(out)["quarantined"], len(json.loads(out)["quarantine"])) == (12, 150, 100)
    file.write_bytes(bytes(range(256)) * 40)
    assert cli(file)[0] == 12


def test_mistakes_are_told_in_one_sentence(cli: Cli, tmp_path: Path) -> None:
    """A file that is missing, empty or a folder: exit 2 and its name."""
    (tmp_path / "empty").write_bytes(b" \n\n")
    for name, words in (("missing", "no such file or directory"), ("empty", "holds no events"), ("", "is a directory")):
        code, out, err = cli(tmp_path / name)
        assert (code, out) == (2, "")
        assert err == f"realtrading: {tmp_path / name}: {words}\n"
    assert cli()[0] == 2
