"""Settings of property tests whose examples share a fixture, such as a database."""

from hypothesis import HealthCheck, Phase, settings

SHARED = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
UNSHRUNK = settings(SHARED, phases=[Phase.explicit, Phase.reuse, Phase.generate])
"""Without shrinking, which takes minutes where an example refreshes aggregates."""
