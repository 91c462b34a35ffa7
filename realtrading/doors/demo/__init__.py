"""The demo: trade against the simulated exchange, break things on purpose, and prove the books by two ledgers."""
