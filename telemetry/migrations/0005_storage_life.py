"""Storage life: what retention dropped, the storage page, the history of tasks."""

from pathlib import Path

import django.db.models.functions.datetime
from django.db import migrations, models

SCHEMA = Path(__file__).parent.parent / "sql" / "schema"


class Migration(migrations.Migration):
    dependencies = [
        ("telemetry", "0004_consumption"),
    ]

    operations = [
        migrations.CreateModel(
            name="Storage",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
            ],
            options={
                "verbose_name": "storage",
                "verbose_name_plural": "storage",
                "managed": False,
                "default_permissions": ("view",),
            },
        ),
        migrations.CreateModel(
            name="DroppedRange",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("relation", models.CharField(max_length=63, verbose_name="relation")),
                ("range_start", models.DateTimeField(null=True, verbose_name="from")),
                ("range_end", models.DateTimeField(verbose_name="before")),
                ("rows", models.BigIntegerField(verbose_name="rows")),
                ("dropped_at", models.DateTimeField(verbose_name="dropped at")),
            ],
            options={
                "verbose_name": "dropped range",
                "verbose_name_plural": "dropped ranges",
                "db_table": "dropped_range",
                "ordering": ["-dropped_at", "-id"],
            },
        ),
        migrations.AddConstraint(
            model_name="droppedrange",
            constraint=models.UniqueConstraint(
                fields=("relation", "range_start", "range_end"),
                name="dropped_range_once",
                nulls_distinct=False,
            ),
        ),
        migrations.AddField(
            model_name="taskrun",
            name="created_at",
            field=models.DateTimeField(
                db_default=django.db.models.functions.datetime.Now(),
                editable=False,
                verbose_name="known since",
            ),
        ),
        migrations.AlterField(
            model_name="taskrun",
            name="started_at",
            field=models.DateTimeField(null=True, verbose_name="started at"),
        ),
        migrations.CreateModel(
            name="TaskHistory",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("task", models.CharField(max_length=200, verbose_name="task")),
                ("started_at", models.DateTimeField(verbose_name="started at")),
                ("duration_ms", models.IntegerField(verbose_name="duration (ms)")),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("success", "success"),
                            ("error", "error"),
                            ("busy", "another was at work"),
                        ],
                        max_length=10,
                        verbose_name="outcome",
                    ),
                ),
                ("rows", models.BigIntegerField(default=0, verbose_name="rows")),
                ("result", models.JSONField(default=dict, verbose_name="result")),
                ("error", models.TextField(blank=True, default="", verbose_name="error")),
            ],
            options={
                "verbose_name": "past run",
                "verbose_name_plural": "past runs",
                "db_table": "task_history",
                "ordering": ["-started_at", "-id"],
                "indexes": [
                    models.Index(fields=["started_at", "id"], name="task_history_started"),
                    models.Index(fields=["task", "started_at", "id"], name="task_history_task"),
                ],
            },
        ),
        migrations.RunSQL(
            (SCHEMA / "calendar_kept.sql").read_text(encoding="utf-8"),
            "DROP TRIGGER account_calendar_kept ON account; DROP FUNCTION keep_calendar;",
        ),
    ]
