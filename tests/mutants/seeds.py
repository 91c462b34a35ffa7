"""`python -m mutants.seeds FIRST COUNT`: live seeds of the simulation until one finds a violation. Exit 1: one did."""

import sys

from simulation.run import run_seed


def main() -> None:
    """Print the seed and what it violated."""
    first, count = map(int, sys.argv[1:])
    for seed in range(first, first + count):
        print(f"seed {seed}", flush=True)
        violation = run_seed(seed).violation
        if violation is not None:
            print(f"found {seed}: {violation}")
            sys.exit(1)


if __name__ == "__main__":
    main()
