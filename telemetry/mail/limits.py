"""How many e-mails somebody may cause in an hour, counted over all web processes."""

import hashlib
import time

from django.conf import settings

from telemetry.accounts.counter import find_counter

WINDOW_S = 3_600
LIMITS: dict[str, dict[str, int]] = {
    "reset": {"address": 10, "recipient": 3},
    "invitation": {"address": 40, "user": 20, "account": 40, "recipient": 3},
    "alarm_test": {"address": 40, "user": 20, "account": 40},
    "report": {"address": 20, "user": 6, "account": 20},
    "confirmation": {"address": 10, "user": 5, "recipient": 3},
}
"""Of each kind, by the client's address, by user, by account and by recipient."""


def count_mail(kind: str, **subjects: object) -> list[str]:
    """Count one, and name the subjects that are above their limit; none while Redis is away."""
    counter = find_counter(settings.OPTIONS.redis)
    window = int(time.time()) // WINDOW_S
    above = []
    for subject, most in LIMITS[kind].items():
        digest = hashlib.sha256(str(subjects[subject]).lower().encode()).hexdigest()[:32]
        key = f"mail:{kind}:{subject}:{digest}:{window}"
        counted = counter.count(key, window_s=WINDOW_S)
        if counted is not None and counted > most:
            above.append(subject)
    return above
