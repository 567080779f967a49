"""What fails, in words: the diagnosis, the next step, what it will not bring back, and a text for
who stands at the gateway. `%(gateway)s`, `%(device)s`, `%(mac)s` and `%(at)s` (last heard) are
filled in.
"""

from typing import Any

from django.utils.translation import gettext_lazy as _
from msgspec import Struct

from telemetry.dead_letters.texts import NEXT_STEPS


class Failure(Struct, frozen=True):
    """The texts of one way to fail. Lazy, so that each page has them in its language."""

    headline: Any
    next_step: Any = ""
    loss: Any = ""
    installer: Any = ""


WAITS = _("Messages wait in the gateway until it gets in again.")
NOT_LOST = _("Nothing is lost: every rejected message is kept and can be replayed.")

FAILURES = {
    "enrolment": Failure(
        _("%(gateway)s waits for its certificate"),
        _("Compare MAC and serial number with the delivery, then approve it."),
        installer=_(
            "%(gateway)s waits for a certificate. Keep it powered on; it fetches it by itself."
        ),
    ),
    "revoked": Failure(
        _("The certificate of %(gateway)s is revoked"),
        _("If the gateway is yours and its key is safe, issue another certificate."),
        WAITS,
    ),
    "ended": Failure(
        _("The certificate of %(gateway)s has ended"),
        _(
            "Issue another certificate, and find out why it was not renewed: gateways renew by "
            "themselves while they are online."
        ),
        WAITS,
        _("The certificate of %(gateway)s has ended. It needs a new one before it can send."),
    ),
    "no_bridge": Failure(
        _("This system receives nothing at the moment"),
        _(
            "Nothing is wrong with the gateway: the operators of this system must start its bridge "
            "(make status)."
        ),
        _("The broker keeps what gateways send meanwhile."),
    ),
    "never_seen": Failure(
        _("%(gateway)s has never sent anything"),
        _(
            "Compare the MAC on the gateway's label with %(mac)s, then its broker address, port "
            "and user. It publishes with QoS 1 on PREFIX/devices/MAC/telemetry."
        ),
        installer=_(
            "%(gateway)s has never reached us. Is its MAC %(mac)s? Does it have power and network, "
            "and our broker's address?"
        ),
    ),
    "silent": Failure(
        _("%(gateway)s is silent: nothing of it reaches the broker"),
        _(
            "Look at its power and its network (SIM card, cable, firewall), then restart it. "
            "Nothing here refuses it."
        ),
        _("What the gateway kept meanwhile is stored when it comes back; the rest is lost."),
        _(
            "%(gateway)s (MAC %(mac)s) is silent since %(at)s. Please look at its power, its "
            "antenna or cable, and restart it."
        ),
    ),
    "refused": Failure(
        _("%(gateway)s is connected, but the broker refuses what it sends"),
        _(
            "It may publish on the topic of its own MAC alone, %(mac)s. Most likely its board was "
            "replaced, or its topic names another MAC: change the MAC of this gateway, or correct "
            "the topic. The broker's log names the topic."
        ),
        _(
            "The broker does not keep what it refuses. Those readings come back only if the "
            "gateway still holds them."
        ),
        _(
            "Was the board of %(gateway)s replaced? Our records say MAC %(mac)s. Please read the "
            "MAC on its label."
        ),
    ),
    "account": Failure(
        _("The account of %(gateway)s is deactivated"), NEXT_STEPS["inactive_gateway"], NOT_LOST
    ),
    "inactive": Failure(_("%(gateway)s is deactivated"), NEXT_STEPS["inactive_gateway"], NOT_LOST),
    "inactive_device": Failure(
        _("%(device)s is deactivated"), NEXT_STEPS["inactive_device"], NOT_LOST
    ),
    "no_devices": Failure(_("%(gateway)s has no devices"), NEXT_STEPS["unknown_device"], NOT_LOST),
    "limited": Failure(
        _("%(gateway)s sends too much and is limited"),
        NEXT_STEPS["rate_limited"],
        installer=_(
            "%(gateway)s sends far more messages than agreed. Please look at its interval."
        ),
    ),
    "guard": Failure(
        _("Batches are set aside, and messages of %(gateway)s may be among them"),
        _(
            "When the rejections are right, an operator runs manage.py resume_ingest; else what "
            "was changed last is undone."
        ),
        _("Nothing is lost: what is set aside is stored later."),
    ),
    "late": Failure(
        _("This system is late: what %(gateway)s sent is not stored yet"),
        _(
            "Nothing is wrong with the gateway: the operators of this system look at the ingest "
            "pool (make status)."
        ),
        _("Nothing is lost: it is stored as soon as the pool gets to it."),
    ),
    "device": Failure(
        _("%(gateway)s sends, but without %(device)s"),
        _(
            "Look at the meter and its wiring (Modbus address, register), and whether the gateway "
            "sends this code: case and spaces count."
        ),
        installer=_(
            "%(gateway)s works, but sends nothing of %(device)s. Please look at the meter's power "
            "and its Modbus wiring."
        ),
    ),
    "aggregates": Failure(
        _("Charts are old: hours and days are not computed"),
        _(
            "Nothing is wrong with the gateway: the operators of this system look at beat and the "
            "maintenance pool (make status)."
        ),
        _("Readings are stored all the while; charts catch up."),
    ),
}
