"""A MAC belongs to one gateway everywhere, also where its account is not to be seen."""

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from telemetry.models import Gateway
from telemetry.store.db.account_scope import look_beyond


def check_mac_free(gateway: Gateway) -> None:
    """Raise `ValidationError` when another gateway has the MAC, whosever it is."""
    with look_beyond():
        is_taken = Gateway.objects.filter(mac=gateway.mac).exclude(pk=gateway.pk).exists()
    if is_taken:
        raise ValidationError({"mac": _("A gateway with this MAC is registered already.")})
