"""Benchmarks of linkauth, whose results are printed as one table: `python -m benchmarks [--quick] [--profile]`.

The server runs on one core and the load generator on another. Other programs on the machine reduce the results, so
compare only results of the same run, or of runs on an idle machine.
"""
