"""Figures of linkauth on this machine, printed as one table: `python -m benchmarks [--quick] [--profile]`.

Nothing here is a test: the server runs on one core, the load on another, and a machine that does something else at the
same time gives smaller figures. Compare figures of one run with each other, and runs on a quiet machine.
"""
