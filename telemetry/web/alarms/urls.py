"""Addresses of alarms."""

from django.urls import path

from telemetry.web.alarms import rules
from telemetry.web.alarms.acknowledging import acknowledge, withdraw
from telemetry.web.alarms.listing import alarms

_RULES = "accounts/<int:account_id>/alarms/rules/"

urlpatterns = [
    path(_RULES, rules.rules, name="alarm-rules"),
    path(f"{_RULES}<int:rule_id>/", rules.edit_rule, name="edit-alarm-rule"),
    path(f"{_RULES}<int:rule_id>/switch/", rules.switch_rule, name="switch-alarm-rule"),
    path(f"{_RULES}<int:rule_id>/delete/", rules.delete_rule, name="delete-alarm-rule"),
    path(f"{_RULES}<int:rule_id>/test/", rules.test_rule, name="test-alarm-rule"),
    path(f"{_RULES}webhooks/", rules.add_webhook, name="add-webhook"),
    path(f"{_RULES}webhooks/<int:webhook_id>/delete/", rules.delete_webhook, name="delete-webhook"),
    path(f"{_RULES}sent/<int:delivery_id>/again/", rules.send_delivery, name="send-alarm-again"),
    path("accounts/<int:account_id>/alarms/", alarms, name="alarms"),
    path(
        "accounts/<int:account_id>/alarms/<int:alarm_id>/acknowledge/",
        acknowledge,
        name="alarm-acknowledge",
    ),
    path(
        "accounts/<int:account_id>/alarms/<int:alarm_id>/withdraw/",
        withdraw,
        name="alarm-withdraw",
    ),
]
