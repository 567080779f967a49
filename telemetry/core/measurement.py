"""How a device measures. Where something new to measure goes begins here.

A new quantity, such as gas, needs no code: register its devices with their unit (`m³`), kind and
measurement, in the admin or in the file of `manage.py load_fleet`. Pages, reports and API group by
unit, and gas meters are mostly registers, so `cumulative`. To let the simulator send it, add it to
`DEVICES` in `telemetry/simulator/registration.py`.

A new measurement, beside the three below, is added to `Measurement`, and
`tests/unit/core/test_measurement.py` then names every Python module that does not know it. In SQL
it goes where `d.measurement` decides what an hour consumed: `days_months.sql` and `hours.sql` of
`store/aggregates`, `slices.sql` of `store/verification` (the same rule, written again on purpose),
`account_totals.sql`, `aggregate_pages.sql` and `chart_series.sql` of `store/reads`. The rule itself
is `measure` in `telemetry/core/consumption.py`; property tests compare the SQL with it.
"""

from typing import Literal, TypeAlias, get_args

Measurement: TypeAlias = Literal["delta", "cumulative", "gauge"]
"""`delta`: consumption since the last reading; `cumulative`: a register; `gauge`: a level."""

MEASUREMENTS: tuple[str, ...] = get_args(Measurement)
