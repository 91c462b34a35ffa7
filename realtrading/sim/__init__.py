"""Simulated Binance: a sans-I/O matching core and the servers around it. Imports nothing else of this package."""
