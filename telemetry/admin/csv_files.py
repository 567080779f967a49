"""CSV out and in, on the lists of gateways and devices. A dry run comes before each import."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import action

from telemetry.fleet.csv_files import (
    MOST_CHARACTERS,
    RESOURCES,
    CsvError,
    Plan,
    plan_import,
    write_csv,
)

SHOWN_ROWS = 500


class CsvMixin:
    """Two buttons on the list. The file stands in the form between dry run and import, so that
    whichever web process answers needs nothing from another."""

    actions_list = ["export_csv", "import_csv"]

    @action(description=gettext_lazy("Export CSV"), url_path="export-csv", permissions=["view"])
    def export_csv(self, request: HttpRequest) -> HttpResponse:
        """Everything that the user may see."""
        admin: Any = self
        name = admin.opts.model_name
        text = write_csv(name, admin.get_queryset(request).order_by("pk"))
        return HttpResponse(
            text,
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{name}s.csv"'},
        )

    @action(description=gettext_lazy("Import CSV…"), url_path="import-csv", permissions=["import"])
    def import_csv(self, request: HttpRequest) -> HttpResponse:
        """Ask for a file, show what it would change, then change it."""
        admin: Any = self
        if not self.has_import_permission(request):
            raise PermissionDenied
        name, plan, error = admin.opts.model_name, None, ""
        text = _read_text(request)
        if request.method == "POST":
            is_import = "import" in request.POST
            try:
                plan = plan_import(name, text, is_dry_run=not is_import)
            except CsvError as wrong:
                error = str(wrong)
            if plan is not None and is_import and not plan.wrong:
                done = _("%(new)d new, %(updated)d changed, %(unchanged)d as they were.")
                counts = {name: getattr(plan, name) for name in ("new", "updated", "unchanged")}
                admin.message_user(request, done % counts, messages.SUCCESS)
                return redirect(f"admin:telemetry_{name}_changelist")
        context = {
            **admin.admin_site.each_context(request),
            "title": _("Import CSV"), "opts": admin.opts, "text": text, "plan": plan,
            "error": error, "shown": _choose_rows(plan),
            "columns": ", ".join(RESOURCES[name]._meta.fields),
        }  # fmt: skip
        return TemplateResponse(request, "telemetry/admin/import_csv.html", context)

    def has_import_permission(self, request: HttpRequest) -> bool:
        """Who may add and change them one by one."""
        admin: Any = self
        return bool(admin.has_add_permission(request) and admin.has_change_permission(request))


def _read_text(request: HttpRequest) -> str:
    file = request.FILES.get("file")
    if file is None:
        return str(request.POST.get("text", ""))
    content: bytes = file.read(4 * MOST_CHARACTERS)
    return content.decode("utf-8", "replace")


def _choose_rows(plan: Plan | None) -> list[Any]:
    """What is wrong first, then what changes; what stays as it is is not listed."""
    if plan is None:
        return []
    order = {"error": 0, "update": 1, "new": 2}
    rows = [row for row in plan.rows if row.kind in order]
    return sorted(rows, key=lambda row: (order[row.kind], row.number))[:SHOWN_ROWS]
