"""`python -m simulation`."""

from simulation.run import main

main()
