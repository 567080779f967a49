"""Which instants forms take: those that every time zone and the database can write, and no typing
error of a thousand years. The API takes the same instants as `validate_instant`."""

from datetime import UTC, datetime

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
YEARS = range(1970, 9999)
"""What the database's instants are in every time zone, for forms that say themselves what is too
late."""


def validate_year(at: datetime) -> None:
    """Raise `ValidationError` for an instant that cannot be written everywhere."""
    if at.year not in YEARS:
        raise ValidationError(_("Enter a year from 1970 to 9998."), "range")


def validate_instant(at: datetime) -> None:
    """Raise `ValidationError` for an instant that lies outside."""
    if not EARLIEST <= at < LATEST:
        raise ValidationError(_("Enter an instant from 1970 to 2199."), "range")
