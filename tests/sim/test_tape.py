"""Reading and generating tapes: every form that is published, and a clear sentence for every form that is not."""

import gzip
import io
import zipfile
from decimal import Decimal as D
from itertools import pairwise

import pytest

from realtrading.sim.tape import Tape, TapeError

LINES = [
    "1,39432.48000000,0.000263,10.37,1610064000278,True,True",
    "2,39439.44000000,0.004376,172.58,1610064000310,False,True",
    "3,39439.40000000,0.100000,3943.94,1610064001278,False,True",
]
HEADER = "id,price,qty,quote_qty,time,is_buyer_maker,is_best_match"


def write(tmp_path, content, name="BTCUSDT-trades-2021-01-08.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def text(lines=LINES):
    return "\n".join(lines) + "\n"


def zipped(*members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


MICRO = [line.replace("1610064000278", "1610064000278123").replace("1610064000310", "1610064000310456")
         .replace("1610064001278", "1610064001278999") for line in LINES]  # fmt: skip
FORMS = {
    "plain": text(),
    "no newline at the end": text().rstrip(),
    "header": text([HEADER, *LINES]),
    "crlf": text().replace("\n", "\r\n"),
    "byte order mark": b"\xef\xbb\xbf" + text().encode(),
    "byte order mark and header": b"\xef\xbb\xbf" + text([HEADER, *LINES]).encode(),
    "blank lines": text([*LINES, "", ""]),
    "lower case booleans": text().lower(),
    "microseconds": text(MICRO),
    "gzip": gzip.compress(text().encode()),
    "zip": zipped(("BTCUSDT-trades-2021-01-08.csv", text())),
    "zip with a readme": zipped(("README.txt", "hi"), ("x.csv", text([HEADER, *LINES]))),
    "without the last column": text([line.rsplit(",", 1)[0] for line in LINES]),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_published_form_reads_the_same(tmp_path, form):
    """Plain, gzip, zip, header or not, CRLF, BOM, milliseconds or microseconds: the same three trades."""
    tape = Tape.load(write(tmp_path, FORMS[form]))
    assert (tape.symbol, tape.base, tape.quote, len(tape)) == ("BTCUSDT", "BTC", "USDT", 3)
    assert tape.start_ms == 1_610_064_000_278
    assert [tape[i].offset_ms for i in range(3)] == [0, 32, 1000]
    assert [(tape[i].price, tape[i].qty, tape[i].buy) for i in range(3)] == [
        (D("39432.48"), D("0.000263"), False), (D("39439.44"), D("0.004376"), True), (D("39439.4"), D("0.1"), True)
    ]  # fmt: skip
    assert (tape.span_ms, tape.moves()) == (1000, 2)


BAD = {
    "empty": (b"", "holds no trades"),
    "only a header": (HEADER, "holds no trades"),
    "one trade": (LINES[0], "a tape needs at least two trades, this one has 1"),
    "binary": (bytes(range(256)) * 4, "line 1: is not"),
    "nul bytes": (b"\x00" * 3000, "line 1: is not a line of text"),
    "one endless line": (b"1," * 5000, "line 1: is not a line of text"),
    "too few columns": (text([*LINES, "4,5,6"]), "line 4: 3 columns, at least 6 are needed"),
    "a price in words": (text([LINES[0], LINES[1].replace("39439.44000000", "cheap")]),
                         "line 2: price 'cheap' is not a plain decimal number"),
    "not a number": (text([LINES[0], LINES[1].replace("39439.44000000", "NaN")]), "line 2: price 'NaN'"),
    "an exponent": (text([LINES[0], LINES[1].replace("39439.44000000", "1e5")]), "line 2: price '1e5'"),
    "an underscore": (text([LINES[0], LINES[1].replace("39439.44000000", "39_439")]), "line 2: price '39_439'"),
    "full-width digits": (text([LINES[0], LINES[1].replace("39439.44000000", "\uff13")]), "line 2: price '\uff13'"),
    "a negative quantity": (text([LINES[0], LINES[1].replace("0.004376", "-1")]), "line 2: quantity '-1'"),
    "a zero quantity": (text([LINES[0], LINES[1].replace("0.004376", "0.000")]), "line 2: quantity is zero"),
    "nine decimals": (text([LINES[0], LINES[1].replace("0.004376", "0.000000001")]), "more than eight decimals"),
    "seconds": (text([LINES[0], LINES[1].replace("1610064000310", "1610064000")]),
                "line 2: time '1610064000' is neither milliseconds nor microseconds"),
    "a strange boolean": (text([LINES[0], LINES[1].replace("False", "maybe")]),
                          "line 2: is_buyer_maker 'maybe' is neither True nor False"),
    "a second header": (text([LINES[0], HEADER]), "line 2: price 'price'"),
    "a broken gzip": (gzip.compress(text().encode())[:-12], "cannot be unpacked"),
    "a broken zip": (b"PK\x03\x04" + b"x" * 50, "cannot be unpacked"),
    "an empty zip": (zipped(("notes.txt", "hi")), "must hold exactly one .csv file, it holds 0"),
    "a zip of two tapes": (zipped(("a.csv", text()), ("b.csv", text())), "exactly one .csv file, it holds 2"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_tape_that_cannot_be_used_says_where(tmp_path, case):
    """One sentence with the file and, where there is one, the line."""
    content, sentence = BAD[case]
    path = write(tmp_path, content)
    with pytest.raises(TapeError) as refused:
        Tape.load(path)
    said = str(refused.value)
    assert said.startswith(f"{path}: ")
    assert sentence in said
    assert "\n" not in said


def test_missing_files_and_directories(tmp_path):
    """No such file, a directory: said so."""
    with pytest.raises(TapeError, match="no such file"):
        Tape.load(tmp_path / "BTCUSDT.csv")
    with pytest.raises(TapeError, match="is a directory"):
        Tape.load(tmp_path)


SPLITS = [
    ("BTCUSDT", None, None, ("BTC", "USDT")),
    ("ETHBTC", None, None, ("ETH", "BTC")),
    ("BTCFDUSD", None, None, ("BTC", "FDUSD")),
    ("XRPTUSD", None, None, ("XRP", "TUSD")),
    ("USDTTRY", None, None, ("USDT", "TRY")),
    ("1000SATSUSDT", None, None, ("1000SATS", "USDT")),
    ("ABCXYZ", "ABC", None, ("ABC", "XYZ")),
    ("ABCXYZ", None, "XYZ", ("ABC", "XYZ")),
    ("ABCXYZ", "ABC", "XYZ", ("ABC", "XYZ")),
]


@pytest.mark.parametrize(("symbol", "base", "quote", "assets"), SPLITS)
def test_base_and_quote_of_a_symbol(tmp_path, symbol, base, quote, assets):
    """The longest known quote suffix, or what is given."""
    tape = Tape.load(write(tmp_path, text(), f"{symbol}-trades-2024-01-01.csv"), base=base, quote=quote)
    assert (tape.symbol, (tape.base, tape.quote)) == (symbol, assets)


@pytest.mark.parametrize(
    ("name", "given", "sentence"),
    [
        ("ABCXYZ.csv", {}, "cannot tell base and quote of ABCXYZ; give them with --base and --quote"),
        ("BTCUSDT.csv", {"base": "ETH", "quote": "USDT"}, "base 'ETH' and quote 'USDT' do not make the symbol BTCUSDT"),
        ("a file.csv", {}, "its name does not begin with a symbol; give one such as BTCUSDT with --symbol"),
        ("x.csv", {"symbol": "BTC/USDT"}, "'BTC/USDT' is not a symbol"),
    ],
)
def test_a_symbol_that_does_not_fit(tmp_path, name, given, sentence):
    """A file name or option that gives no symbol, or assets that do not make it."""
    with pytest.raises(TapeError) as refused:
        Tape.load(write(tmp_path, text(), name), **given)
    assert sentence in str(refused.value)


def test_rules_follow_the_finest_decimals_seen(tmp_path):
    """Tick and step are the finest decimals that carry something; the minimum notional is the quote's."""
    rules = Tape.load(write(tmp_path, text())).rules()
    assert (rules.tick, rules.step, rules.min_notional) == (D("0.01"), D("0.000001"), D(5))
    listed = {each["filterType"]: each for each in rules.filters()}
    assert listed["PRICE_FILTER"]["tickSize"] == "0.01000000"
    assert listed["LOT_SIZE"]["stepSize"] == "0.00000100"


def test_rules_of_whole_quantities_and_eight_decimals(tmp_path):
    """A coin of tiny price trades in whole pieces: step 1, tick 1e-8, and a notional its own trades can reach."""
    lines = [f"{n},0.0000{1234 + n},{1000 * n}.00000000,1,{1610064000000 + n},True,True" for n in range(1, 60)]
    rules = Tape.load(write(tmp_path, text(lines), "PEPEXYZ.csv"), quote="XYZ").rules()
    assert (rules.base, rules.tick, rules.step) == ("PEPE", D("0.00000001"), D(1))
    assert D(0) < rules.min_notional <= D("0.2")
    assert rules.max_qty >= 59000


def test_the_recorded_tape(shared_dir):
    """The recorded BTCUSDT tape: its trades, span and rules."""
    tape = Tape.load(shared_dir / "tapes" / "BTCUSDT-trades-2021-01-08.csv")
    assert (len(tape), tape.span_ms, tape.moves()) == (2001, 46_077, 1287)
    assert (tape.rules().tick, tape.rules().step) == (D("0.01"), D("0.000001"))


def test_time_that_goes_back_stands_still(tmp_path):
    """Out-of-order times count as the latest seen, so that a tape never runs backwards."""
    swapped = [LINES[0], LINES[2], LINES[1]]
    tape = Tape.load(write(tmp_path, text(swapped)))
    assert [tape[i].offset_ms for i in range(3)] == [0, 1000, 1000]


def test_a_generated_tape_is_its_seed():
    """The same seed gives the same tape, another seed another; the price waves around its mean on both sides."""
    one, same, other = (Tape.synthetic("ETHUSDT", seed, trades=3000) for seed in (5, 5, 6))
    trades = [one[i] for i in range(len(one))]
    assert trades == [same[i] for i in range(len(same))]
    assert trades != [other[i] for i in range(len(other))]
    assert len(one) == 3000
    crossings = sum(1 for a, b in pairwise(trades) if (a.price < 2500) != (b.price < 2500))
    assert crossings > 20
    assert all(D(2400) < trade.price < D(2600) for trade in trades)
    assert 1000 < sum(trade.buy for trade in trades) < 2000


@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETHBTC", "DOGEUSDT", "BNBETH"])
def test_generated_tapes_have_usable_rules(symbol):
    """Any pair gets a tick far below its price and quantities worth trading."""
    tape = Tape.synthetic(symbol, 1, trades=500)
    rules = tape.rules()
    assert rules.tick * 1000 <= tape[0].price
    assert tape.quantities()[250] * tape[0].price > rules.min_notional
