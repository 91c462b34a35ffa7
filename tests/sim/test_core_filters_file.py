"""Symbol rules from a file in exchangeInfo form."""

import json
from decimal import Decimal as D

import pytest

from realtrading.sim.filters_file import FiltersError, load_filters
from sim.core_kit import NOW, exchange, official, rules


def write(tmp_path, content):
    path = tmp_path / "filters.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_our_own_exchange_info_reads_back(tmp_path):
    """What exchangeInfo says about a symbol gives the same rules again, whole answer or entry alone."""
    mine = rules(max_notional=D(9_000_000))
    info = exchange(mine).exchange_info(now_ms=NOW)
    for content in (info, info["symbols"][0]):
        read = load_filters(write(tmp_path, content), "BTCUSDT")
        assert read.filters() == mine.filters()
        assert read.to_exchange_info() == mine.to_exchange_info()


def test_an_official_answer_is_read(shared_dir, tmp_path):
    """Binance's own exchangeInfo sample: its tick and step, filters it lacks are off."""
    info = official(shared_dir, "ws_api/exchangeInfo.response")["result"]
    read = load_filters(write(tmp_path, info), "BNBBTC")
    assert (read.base, read.quote, read.tick, read.step) == ("BNB", "BTC", D("0.000001"), D("0.001"))
    assert (read.min_notional, read.percent_price, read.default_stp) == (D(0), None, "NONE")


ENTRY = {"symbol": "BTCUSDT", "baseAsset": "BTC", "quoteAsset": "USDT"}
BAD = {
    "nothing": ("", "line 1: is not JSON"),
    "a list": ([], "must be a JSON object in the form of exchangeInfo"),
    "not JSON": ('{"symbols":\n oops}', "line 2: is not JSON"),
    "another symbol": ({"symbols": [ENTRY | {"symbol": "ETHUSDT"}]}, "has no symbol BTCUSDT"),
    "symbols that are none": ({"symbols": {"BTCUSDT": {}}}, "'symbols' must be a list of objects"),
    "no base asset": ({"symbol": "BTCUSDT", "quoteAsset": "USDT"}, "'baseAsset' is missing"),
    "filters that are none": (ENTRY | {"filters": {"LOT_SIZE": {}}}, "'filters' must be a list of objects"),
    "a step in words": (ENTRY | {"filters": [{"filterType": "LOT_SIZE", "stepSize": "small"}]},
                        "BTCUSDT: LOT_SIZE.stepSize 'small' is not a number"),
    "a number that is no text": (ENTRY | {"filters": [{"filterType": "PRICE_FILTER", "tickSize": 0.01}]},
                                 "PRICE_FILTER.tickSize 0.01 is not a number"),
    "a count that is none": (ENTRY | {"filters": [{"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 0}]},
                             "MAX_NUM_ORDERS.maxNumOrders 0"),
    "a strange precision": (ENTRY | {"baseAssetPrecision": 30}, "'baseAssetPrecision' must be a number from 0 to 8"),
    "order types that are none": (ENTRY | {"orderTypes": "LIMIT"}, "'orderTypes' must be a list"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_filters_file_that_cannot_be_used_says_where(tmp_path, case):
    """One sentence with the file and the place."""
    content, sentence = BAD[case]
    path = write(tmp_path, content)
    with pytest.raises(FiltersError) as refused:
        load_filters(path, "BTCUSDT")
    assert str(refused.value).startswith(f"{path}: ")
    assert sentence in str(refused.value)


def test_files_that_are_no_text(tmp_path):
    """Missing, a directory, binary: said so."""
    with pytest.raises(FiltersError, match="no such file"):
        load_filters(tmp_path / "nowhere.json", "BTCUSDT")
    with pytest.raises(FiltersError, match="cannot be read"):
        load_filters(tmp_path, "BTCUSDT")
    (tmp_path / "bin").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FiltersError, match="is not text"):
        load_filters(tmp_path / "bin", "BTCUSDT")
