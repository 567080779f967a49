"""A member says that a reading is wrong: a finding "reported", which somebody decides."""

from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.translation import gettext as _

from telemetry.models import Device, Finding, Reading, User

LONGEST_TEXT = 300
MOST_OPEN = 20
"""Open reports of a device; who has more should talk to whoever decides them."""
NEAR = timedelta(hours=1)


class ReportError(ValueError):
    """The report was not taken. `field` is what to correct; the text is one line for people."""

    def __init__(self, text: str, *, field: str | None = None) -> None:
        super().__init__(text)
        self.field = field


def report_reading(device: Device, *, at: datetime, text: str, user: User) -> Finding:
    """Report the reading at an instant, or the nearest one within an hour of it. Raises
    `ReportError`; a reading that is reported already is not reported again."""
    if at > timezone.now():
        raise ReportError(_("This instant lies ahead."), field="at")
    reading = _find_nearest(device, at)
    if reading is None:
        raise ReportError(_("There is no reading within an hour of this instant."), field="at")
    reported = Finding.objects.filter(
        account_id=device.account_id, device=device, rule=Finding.Rule.REPORTED
    )
    if reported.filter(state=Finding.State.OPEN).count() >= MOST_OPEN:
        raise ReportError(_("This device has as many open reports as it may have."))
    shown = reading.time.isoformat()
    evidence = {
        "value": str(reading.value), "first": shown, "text": text,
        "reporter": user.get_full_name() or user.get_username(),
    }  # fmt: skip
    finding, is_new = reported.get_or_create(
        since=reading.time,
        defaults={
            "account_id": device.account_id, "device": device, "rule": Finding.Rule.REPORTED,
            "until": reading.time, "evidence": evidence,
        },
    )  # fmt: skip
    if not is_new:
        raise ReportError(_("This reading has been reported already."), field="at")
    return finding


def _find_nearest(device: Device, at: datetime) -> Reading | None:
    near = Reading.objects.filter(
        device_id=device.pk, account_id=device.account_id, time__gte=at - NEAR, time__lte=at + NEAR
    )
    before = near.filter(time__lte=at).order_by("-time").first()
    after = near.filter(time__gt=at).order_by("time").first()
    found = [reading for reading in (before, after) if reading is not None]
    return min(found, key=lambda reading: abs(reading.time - at), default=None)
