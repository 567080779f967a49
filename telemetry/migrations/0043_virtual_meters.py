from decimal import Decimal

import django.core.validators
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("telemetry", "0042_bands"),
    ]

    operations = [
        migrations.CreateModel(
            name="VirtualMeter",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("code", models.CharField(max_length=50, verbose_name="code")),
                ("name", models.CharField(blank=True, max_length=100, verbose_name="name")),
                (
                    "unit",
                    models.CharField(
                        blank=True,
                        help_text="All its devices have it.",
                        max_length=20,
                        verbose_name="unit",
                    ),
                ),
                (
                    "largest_share",
                    models.DecimalField(
                        blank=True,
                        decimal_places=4,
                        help_text="What may be left of the devices that are added, 0 to 1; more is a finding, as it is when less than nothing is left. Empty: any share.",
                        max_digits=5,
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(Decimal("0")),
                            django.core.validators.MaxValueValidator(Decimal("1")),
                        ],
                        verbose_name="largest share",
                    ),
                ),
            ],
            options={
                "verbose_name": "virtual meter",
                "verbose_name_plural": "virtual meters",
                "db_table": "virtual_meter",
                "ordering": ["account", "code"],
            },
        ),
        migrations.CreateModel(
            name="VirtualPart",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "sign",
                    models.SmallIntegerField(
                        choices=[(1, "added"), (-1, "subtracted")], default=1, verbose_name="sign"
                    ),
                ),
            ],
            options={
                "verbose_name": "part",
                "verbose_name_plural": "parts",
                "db_table": "virtual_part",
                "ordering": ["meter", "-sign", "id"],
            },
        ),
        migrations.AddField(
            model_name="closedmonth",
            name="virtual_lines",
            field=models.JSONField(db_default=[], default=list, verbose_name="virtual meters"),
        ),
        migrations.AddField(
            model_name="virtualmeter",
            name="account",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="virtual_meters",
                to="telemetry.account",
                verbose_name="account",
            ),
        ),
        migrations.AddField(
            model_name="virtualpart",
            name="account",
            field=models.ForeignKey(
                editable=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="telemetry.account",
                verbose_name="account",
            ),
        ),
        migrations.AddField(
            model_name="virtualpart",
            name="device",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="telemetry.device",
                verbose_name="device",
            ),
        ),
        migrations.AddField(
            model_name="virtualpart",
            name="meter",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="parts",
                to="telemetry.virtualmeter",
                verbose_name="virtual meter",
            ),
        ),
        migrations.AddConstraint(
            model_name="virtualmeter",
            constraint=models.UniqueConstraint(
                fields=("account", "code"), name="virtual_meter_account_code"
            ),
        ),
        migrations.AddConstraint(
            model_name="virtualpart",
            constraint=models.UniqueConstraint(
                fields=("meter", "device"), name="virtual_part_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="virtualpart",
            constraint=models.CheckConstraint(
                condition=models.Q(("sign__in", (1, -1))), name="virtual_part_sign"
            ),
        ),
    ]
