"""Failed sign-ins, who is locked, and the button that lifts a lock."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.text import Truncator
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display

from telemetry.accounts.signin_locks import ends_at, is_over, lift_locks, mark_locked
from telemetry.admin.confirm import ask_first
from telemetry.admin.readonly import ReadOnlyAdmin
from telemetry.models import SignInFailure

AGENT_CHARACTERS = 40


class LockedFilter(admin.SimpleListFilter):
    """Those that are locked now."""

    title = _("state")
    parameter_name = "locked"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("1", _("locked"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(is_locked=True) if self.value() == "1" else queryset


@admin.register(SignInFailure)
class SignInLockAdmin(ReadOnlyAdmin):
    """Failed sign-ins by name and address. Whoever may delete them lifts locks; nothing else is
    changed here, and what was typed is kept nowhere."""

    list_display = ["user", "address", "state", "failures", "last_at", "agent"]
    list_display_links = None
    list_filter = [LockedFilter]
    list_per_page = 50
    search_fields = ["=username", "ip_address"]
    search_help_text = _("A user's whole name, or a part of an address")
    sortable_by = ()
    ordering = ["-attempt_time"]
    actions = ["lift"]
    fields = ["user", "address", "failures", "last_at", "agent"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With whether the address is locked."""
        marked: QuerySet[Any] = mark_locked(super().get_queryset(request), now=timezone.now())
        return marked

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """By a name for people."""
        context = {"title": _("Sign-in locks"), **(extra_context or {})}
        response: HttpResponse = super().changelist_view(request, context)
        return response

    def has_lift_permission(self, request: HttpRequest) -> bool:
        """Whoever may delete failures."""
        return bool(request.user.has_perm("telemetry.delete_signinfailure"))

    @display(
        description=_("state"),
        label={"locked": "danger", "counts": "warning", "over": "info"},
    )
    def state(self, attempt: Any) -> tuple[str, str]:
        """Whether the address is locked, and until when."""
        if attempt.is_locked:
            at = date_format(timezone.localtime(ends_at(attempt)), "H:i")
            return "locked", gettext("locked until about %(at)s") % {"at": at}
        return ("over", gettext("over")) if is_over(attempt) else ("counts", gettext("counts"))

    @display(description=_("user"))
    def user(self, attempt: SignInFailure) -> str:
        """The name that was typed, whether somebody has it or not."""
        return attempt.username or "\u2013"

    @display(description=_("address"))
    def address(self, attempt: SignInFailure) -> str:
        """From where; of IPv6 the network."""
        return attempt.ip_address or "\u2013"

    @display(description=_("failures"))
    def failures(self, attempt: SignInFailure) -> int:
        """How often the sign-in failed."""
        return int(attempt.failures_since_start)

    @display(description=_("last failure"))
    def last_at(self, attempt: SignInFailure) -> Any:
        """When it failed last."""
        return attempt.attempt_time

    @display(description=_("browser"))
    def agent(self, attempt: SignInFailure) -> str:
        """What the browser says that it is."""
        return Truncator(attempt.user_agent).chars(AGENT_CHARACTERS)

    @action(description=_("Lift the locks"), permissions=["lift"])
    def lift(self, request: HttpRequest, attempts: QuerySet[Any]) -> HttpResponse | None:
        """Ask first; then all failures from these addresses are forgotten."""
        addresses = set(attempts.values_list("ip_address", flat=True))
        if "confirmed" in request.POST:
            count = lift_locks(addresses, user=request.user)
            text = ngettext("%(n)d lock lifted.", "%(n)d locks lifted.", count) % {"n": count}
            self.message_user(request, text, messages.SUCCESS)
            return None
        return ask_first(
            self, request,
            title=_("Lift the locks"),
            question=gettext(
                "Forget all failed sign-ins from these addresses? Whoever tried there may go on "
                "trying. Make sure that you know who it was."
            ),
            button=_("Lift the locks"),
            action="lift",
            ids=list(attempts.values_list("pk", flat=True)),
            rows=[f"{each.ip_address or '?'}: {each.username or '-'}" for each in attempts],
        )  # fmt: skip
