"""How hypothesis runs tests whose fixtures serve all cases: a database, a broker."""

from hypothesis import HealthCheck, Phase, settings


def random_cases(count: int, *, shrinks: bool = False) -> settings:
    """At most so many cases. Not every test shrinks: on a database that takes minutes."""
    unshrunk = [Phase.explicit, Phase.reuse, Phase.generate]
    return settings(
        max_examples=count,
        phases=list(Phase) if shrinks else unshrunk,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
