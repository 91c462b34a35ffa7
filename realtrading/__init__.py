"""Executes and guards real-money trading on Binance with supervised actors."""
