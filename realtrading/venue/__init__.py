"""BINANCE: the only importer of python-binance."""
