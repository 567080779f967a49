"""The tables of a bench."""

from tests.bench.results import as_grid


def test_a_grid_has_a_column_for_each_rate_and_the_median_of_each_figure() -> None:
    runs = [
        {f"{rate} a second, {name}": value * run for name, value, rate in FIGURES}
        for run in (1.0, 3.0, 2.0)
    ]
    table = as_grid("latency", runs)
    assert [column.header for column in table.columns] == ["", "10", "20,000"]
    assert [list(column.cells) for column in table.columns] == [
        ["p50, ms", "worker, us"],
        ["6.00", "1,840"],
        ["9.00", ""],
    ]


FIGURES = (("p50, ms", 3.0, 10), ("worker, us", 920.0, 10), ("p50, ms", 4.5, 20000))
