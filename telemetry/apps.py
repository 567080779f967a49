"""The Django app."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class TelemetryConfig(AppConfig):
    """Accounts, gateways, devices, readings, dead letters, ledger."""

    name = "telemetry"
    verbose_name = "Telemetry"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connect the signals and register the checks."""
        from telemetry import checks  # noqa: F401, PLC0415 - models must be loaded first
        from telemetry.accounts import sessions  # noqa: F401, PLC0415 - receives signals
        from telemetry.changes.tracking import track  # noqa: PLC0415 - models must be loaded first
        from telemetry.fleet import signals  # noqa: F401, PLC0415 - models must be loaded first
        from telemetry.mail import notices  # noqa: F401, PLC0415 - models must be loaded first
        from telemetry.store.db import account_scope  # noqa: F401, PLC0415 - receives signals
        from telemetry.store.db.rights import apply_after_migrate  # noqa: PLC0415

        track()
        post_migrate.connect(apply_after_migrate, sender=self)
