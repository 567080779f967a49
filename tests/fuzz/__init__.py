"""Hostile messages and coverage-guided fuzzing of the decoder.

`python -m tests.fuzz hostile --count 20000` makes them of valid ones; `make fuzz` lets atheris find
them. Of each: no exception, the fast path and the full validation come to the same, and it takes no
longer than 20 ms of CPU time, on a machine that does nothing else.
"""
