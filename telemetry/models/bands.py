"""Time-of-use bands of accounts, and their holidays."""

from datetime import time

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from telemetry.models.accounts import Account

validate_day = RegexValidator(
    r"^(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$", _("Expected a month and a day, such as 10-15.")
)
MOST_PERIODS = 50
MOST_HOLIDAYS = 500


class BandPeriod(models.Model):
    """When a band of an account applies, by the local clock; `ends` 00:00 is midnight. Where two
    hold an instant, the one that was entered first counts. Time that none holds is off-peak."""

    class DayKind(models.TextChoices):
        WEEKDAY = "weekday", _("Monday to Friday")
        SATURDAY = "saturday", _("Saturday")
        SUNDAY = "sunday", _("Sunday")
        HOLIDAY = "holiday", _("holiday")

    account = models.ForeignKey(
        Account, on_delete=models.CASCADE, related_name="band_periods", verbose_name=_("account")
    )
    band = models.CharField(_("band"), max_length=30, help_text=_("For example peak."))
    days = ArrayField(
        models.CharField(max_length=10, choices=DayKind), verbose_name=_("days"), default=list
    )
    starts = models.TimeField(_("from"), help_text=_("On a full or half hour."))
    ends = models.TimeField(_("to"), help_text=_("On a full or half hour; 00:00 is midnight."))
    season_from = models.CharField(
        _("season from"),
        max_length=5,
        blank=True,
        validators=[validate_day],
        help_text=_("Month and day; empty: all year."),
    )
    season_to = models.CharField(
        _("season to"),
        max_length=5,
        blank=True,
        validators=[validate_day],
        help_text=_("The last day of the season."),
    )

    class Meta:
        db_table = "band_period"
        ordering = ["account", "id"]
        verbose_name = _("band period")
        verbose_name_plural = _("band periods")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(ends=time(0)) | models.Q(starts__lt=models.F("ends")),
                name="band_period_ends",
                violation_error_message=_("It ends before it begins: enter two periods."),
            ),
            models.CheckConstraint(
                condition=models.Q(season_from="", season_to="")
                | ~models.Q(season_from="") & ~models.Q(season_to=""),
                name="band_period_season",
                violation_error_message=_("A season has a first and a last day."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.band} {self.starts:%H:%M}-{self.ends:%H:%M}"

    def clean(self) -> None:
        """Half hours only, at least one kind of day, and not one too many."""
        for name in ("starts", "ends"):
            at = getattr(self, name)
            if at is not None and (at.minute % 30 or at.second or at.microsecond):
                raise ValidationError({name: _("Expected a full or half hour.")})
        of_account = BandPeriod.objects.filter(account_id=self.account_id)
        if self._state.adding and of_account.count() >= MOST_PERIODS:
            text = _("This account has as many periods as it may have: delete one first.")
            raise ValidationError(text, "most")


class Holiday(models.Model):
    """A day of an account on which the bands of holidays apply."""

    account = models.ForeignKey(
        Account, on_delete=models.CASCADE, related_name="holidays", verbose_name=_("account")
    )
    day = models.DateField(_("day"))
    name = models.CharField(_("name"), max_length=100, blank=True)

    class Meta:
        db_table = "holiday"
        ordering = ["account", "day"]
        verbose_name = _("holiday")
        verbose_name_plural = _("holidays")
        constraints = [
            models.UniqueConstraint(fields=["account", "day"], name="holiday_account_day")
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.name}".rstrip()

    def clean(self) -> None:
        """Not a day that is one already, and not one too many."""
        others = Holiday.objects.filter(account_id=self.account_id).exclude(pk=self.pk)
        if others.filter(day=self.day).exists():
            raise ValidationError({
                "day": ValidationError(_("This day is a holiday already."), "unique")
            })  # fmt: skip
        if self._state.adding and others.count() >= MOST_HOLIDAYS:
            text = _("At most %(most)d holidays: delete one first.") % {"most": MOST_HOLIDAYS}
            raise ValidationError(text, "most")
