"""The fault matrix as a table: which test injects which fault, which invariants it evaluated, and how it ended."""
