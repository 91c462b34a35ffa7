"""The configuration page names every key, with the defaults that the code has."""

import re
import tomllib
from pathlib import Path
from typing import Any

import attrs
import pytest

from realtrading.config import load
from realtrading.domain.settings import RealTradingConfig, Settings, VenueUrls
from realtrading.strategies.loader import load_strategy
from source_tree import ROOT

PAGE = (ROOT / "realtrading" / "docs" / "configuration.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
DEFAULTS, CREDENTIALS, VENUE, STRATEGY = BLOCKS


@pytest.fixture(autouse=True)
def _no_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)


def read(folder: Path, text: str) -> Settings:
    """The settings of a file of this content."""
    file = folder / "house.toml"
    file.write_text(text)
    return load(file)


def test_what_is_shown_is_the_default(tmp_path: Path) -> None:
    """The first block, whole, is the same engine as a file with nothing but the symbols."""
    assert read(tmp_path, DEFAULTS) == read(tmp_path, '[engine]\nsymbols = ["BTCUSDT"]\n')


def test_every_limit_is_shown() -> None:
    """No field of the limits is missing on the page, and none is shown that is none."""
    shown = tomllib.loads(DEFAULTS)["limits"]

    assert {field.name for field in attrs.fields(RealTradingConfig)} == set(shown)


def test_every_key_is_shown(tmp_path: Path) -> None:
    """Each key that the reader offers when it meets an unknown one stands on the page."""
    sections = [*re.findall(r"^\[([a-z]+)\]", "".join(BLOCKS), re.MULTILINE), "strategy.pacer"]
    assert {"engine", "limits", "metrics", "journal", "credentials", "venue", "strategy.pacer"} == set(sections)
    shown: dict[str, set[str]] = {}
    for section, body in re.findall(r"^\[([a-z.]+)\]\n((?:[^\[\n].*\n)*)", "".join(BLOCKS), re.MULTILINE):
        shown[section] = set(re.findall(r"^#?([a-z_]+) = ", body, re.MULTILINE))
    for section in sections:
        with pytest.raises(Exception, match="unknown") as caught:
            read(tmp_path, f"[{section}]\nnobody_has_this = 1\n")
        (line,) = [line for line in str(caught.value).splitlines() if "nobody_has_this" in line]
        (offered,) = re.findall(r"\(allowed: ([a-z_, ]+)\)", line)
        assert set(offered.split(", ")) - {"config"} == shown[section], section


def test_all_blocks_together_are_an_engine(tmp_path: Path) -> None:
    """With the mode that needs a venue the whole page loads, and the strategy's own settings are accepted."""
    settings: Any = read(tmp_path, DEFAULTS.replace('"testnet"', '"simulated"') + CREDENTIALS + VENUE + STRATEGY)

    assert VenueUrls(**tomllib.loads(VENUE)["venue"]) == settings.venue
    (strategy,) = settings.strategies
    assert 100 == load_strategy(strategy.use, strategy.config, tmp_path)().config.budget
