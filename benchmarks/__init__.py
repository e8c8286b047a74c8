"""Benchmarks of linkauth, whose results are printed as tables. docs/performance.md explains them.

`python -m benchmarks [--quick] [--profile]` measures linkauth in relation to a bare Pyramid application (the floor),
`python -m benchmarks.growth` a large database, and `python -m benchmarks.scaling` two worker processes.

The servers run on one core and the load generator on another. Other programs on the machine reduce the results, so
compare only results of the same run, or of runs on an idle machine.
"""
