"""Alarm rules of an account: list, make, change, switch, delete, test."""

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from telemetry.accounts.access import Right
from telemetry.alarms.outbox import queue_test, send_again
from telemetry.alarms.rules import reset_rule
from telemetry.mail.limits import count_mail
from telemetry.mail.outbox import has_mail
from telemetry.models import AlarmDelivery, AlarmRule, Webhook
from telemetry.web.account_page import AccountRequest, account_page
from telemetry.web.alarms.rule_forms import MOST_RULES, MOST_WEBHOOKS, RuleForm, WebhookForm
from telemetry.web.signin.address import read_client_network
from telemetry.web.signin.views import TOO_MANY

SHOWN = 50
CONDITION = {"kind", "limit", "margin", "gateway", "device"}


@account_page(Right.OPERATE)
def rules(request: AccountRequest) -> HttpResponse:
    """The rules, and a form for more. `?device=` chooses one."""
    initial = {
        "recipients": [request.user.pk],
        "device": request.GET.get("device"),
    }
    form = RuleForm(request.POST or None, account=request.account, initial=initial)
    if request.method == "POST" and form.is_valid():
        if AlarmRule.objects.filter(account=request.account).count() >= MOST_RULES:
            messages.error(request, _("This account has as many rules as it may have."))
        else:
            form.instance.created_by = request.user
            rule = form.save()
            messages.success(request, _("%(rule)s: the rule is active.") % {"rule": rule})
        return redirect("alarm-rules", request.account.pk)
    return show_rules(request, form=form)


def show_rules(
    request: AccountRequest,
    *,
    form: RuleForm | None = None,
    webhook_form: WebhookForm | None = None,
) -> HttpResponse:
    """The page, with forms that were filled in or empty ones."""
    account = request.account
    form = form or RuleForm(account=account, initial={"recipients": [request.user.pk]})
    webhook_form = webhook_form or WebhookForm(account=account)
    deliveries = AlarmDelivery.objects.filter(account=account).select_related(
        "rule", "user", "webhook"
    )
    standing = AlarmRule.objects.filter(account=account).select_related(
        "device", "gateway", "webhook"
    )
    context = {
        "form": form,
        "webhook_form": webhook_form,
        "rules": standing.prefetch_related("recipients")[:MOST_RULES],
        "webhooks": Webhook.objects.filter(account=account)[:MOST_WEBHOOKS],
        "failed": deliveries.filter(failed_at__isnull=False)[:SHOWN],
        "deliveries": deliveries.filter(failed_at=None)[:SHOWN],
        "has_mail": has_mail(),
    }
    status = 400 if form.errors or webhook_form.errors else 200
    return render(request, "telemetry/alarms/rules.html", context, status=status)


@account_page(Right.OPERATE)
def edit_rule(request: AccountRequest, rule_id: int) -> HttpResponse:
    """Change a rule. Its open alarms end, and the new conditions are evaluated from now on."""
    rule = _find(request, rule_id)
    form = RuleForm(request.POST or None, instance=rule, account=request.account)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            if CONDITION & set(form.changed_data):
                reset_rule(_find(request, rule_id), now=timezone.now())
            form.save()
        messages.success(request, _("%(rule)s is changed.") % {"rule": rule})
        return redirect("alarm-rules", request.account.pk)
    context = {"form": form, "rule": rule}
    status = 400 if form.errors else 200
    return render(request, "telemetry/alarms/edit_rule.html", context, status=status)


@require_POST
@account_page(Right.OPERATE)
def switch_rule(request: AccountRequest, rule_id: int) -> HttpResponse:
    """Switch a rule off, which ends its alarms, or on."""
    rule = _find(request, rule_id)
    rule.is_active = not rule.is_active
    rule.save(update_fields=["is_active"])
    if not rule.is_active:
        reset_rule(rule, now=timezone.now())
    text = _("%(rule)s is active.") if rule.is_active else _("%(rule)s is switched off.")
    messages.success(request, text % {"rule": rule})
    return redirect("alarm-rules", request.account.pk)


@account_page(Right.OPERATE)
def delete_rule(request: AccountRequest, rule_id: int) -> HttpResponse:
    """Ask, then delete a rule. Its past alarms stay."""
    rule = _find(request, rule_id)
    if request.method != "POST":
        context = {"name": rule, "is_rule": True}
        return render(request, "telemetry/alarms/delete.html", context)
    reset_rule(rule, now=timezone.now())
    rule.delete()
    messages.success(request, _("%(name)s was deleted.") % {"name": rule})
    return redirect("alarm-rules", request.account.pk)


@require_POST
@account_page(Right.OPERATE)
def test_rule(request: AccountRequest, rule_id: int) -> HttpResponse:
    """Send a trial to everybody whom the rule tells."""
    rule = _find(request, rule_id)
    subjects = {"account": request.account.pk, "user": request.user.pk}
    if count_mail("alarm_test", address=read_client_network(request), **subjects):
        messages.error(request, TOO_MANY)
    else:
        count = queue_test(rule, now=timezone.now())
        text = ngettext("%(count)d test is being sent.", "%(count)d tests are being sent.", count)
        messages.success(request, text % {"count": count})
    return redirect("alarm-rules", request.account.pk)


@require_POST
@account_page(Right.OPERATE)
def send_delivery(request: AccountRequest, delivery_id: int) -> HttpResponse:
    """Try one again that was given up."""
    delivery = get_object_or_404(AlarmDelivery, pk=delivery_id, account=request.account)
    if send_again(delivery):
        messages.success(request, _("It is being sent again."))
    return redirect("alarm-rules", request.account.pk)


@require_POST
@account_page(Right.OPERATE)
def add_webhook(request: AccountRequest) -> HttpResponse:
    """Add a webhook; its secret is shown on this answer, and never again."""
    form = WebhookForm(request.POST, account=request.account)
    if not form.is_valid():
        return show_rules(request, webhook_form=form)
    if Webhook.objects.filter(account=request.account).count() >= MOST_WEBHOOKS:
        messages.error(request, _("This account has as many webhooks as it may have."))
        return redirect("alarm-rules", request.account.pk)
    form.instance.created_by = request.user
    webhook = form.save()
    return render(request, "telemetry/alarms/webhook.html", {"webhook": webhook})


@account_page(Right.OPERATE)
def delete_webhook(request: AccountRequest, webhook_id: int) -> HttpResponse:
    """Ask, then delete a webhook with what waits for it."""
    webhook = get_object_or_404(Webhook, pk=webhook_id, account=request.account)
    if request.method != "POST":
        context = {"name": webhook, "is_rule": False}
        return render(request, "telemetry/alarms/delete.html", context)
    webhook.delete()
    messages.success(request, _("%(name)s was deleted.") % {"name": webhook})
    return redirect("alarm-rules", request.account.pk)


def _find(request: AccountRequest, rule_id: int) -> AlarmRule:
    found = AlarmRule.objects.select_related("account", "device", "gateway")
    return get_object_or_404(found, pk=rule_id, account=request.account)
