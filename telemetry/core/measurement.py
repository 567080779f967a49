"""How a device measures. Where something new to measure goes begins here.

A new quantity, such as gas, needs no code: register its devices with their unit (`m³`), kind and
measurement, in the admin or in the file of `manage.py load_fleet`. Pages, reports and API group by
unit, so gas stands in one sum with water where both count in m³, until groups part them. Gas meters
are mostly registers, so `cumulative`. To let the simulator send it, add it to
`DEVICES` in `telemetry/simulator/registration.py`.

A new measurement, beside the three below:

1. Add it to `Measurement` here and to `Device.Measurement` in `telemetry/models/fleet.py`. Its name
   has at most 10 characters, the length of the column. Then run `manage.py makemigrations` for the
   new choice, and translate its label (`make messages`).
2. Run `make test T=tests/unit/core/test_measurement.py`: it fails once for each file that decides
   by measurement (Python, SQL, templates) and has not been read for the new one. `WRITTEN_FOR`
   there lists them all. Some need a change, others are right as they are.
3. The rule of what was consumed is `measure_stretch` in `core/installations.py`. The SQL of
   `store/aggregates` says the same, and that of `store/verification` says it a second time on
   purpose. Property tests compare them.
"""

from typing import Literal, TypeAlias, get_args

Measurement: TypeAlias = Literal["delta", "cumulative", "gauge"]
"""`delta`: consumption since the last reading; `cumulative`: a register; `gauge`: a level."""

MEASUREMENTS: tuple[str, ...] = get_args(Measurement)
