"""`python -m crash_points`."""

from crash_points.run import main

main()
