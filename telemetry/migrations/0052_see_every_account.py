from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("telemetry", "0051_admin_summaries"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="account",
            options={
                "ordering": ["name"],
                "permissions": [("see_every_account", "Can see every account in the admin")],
                "verbose_name": "account",
                "verbose_name_plural": "accounts",
            },
        ),
    ]
