"""`manage.py ensure_admin`: an administrator, with the password from the environment."""

import os
from argparse import ArgumentParser
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

from telemetry.accounts.passwords import require_strong_password


class Command(BaseCommand):
    """Create the administrator, or set the password of the existing one."""

    help = "Create or update an administrator; the password is read from ADMIN_PASSWORD."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Options of the command."""
        parser.add_argument("--username", default=os.environ.get("ADMIN_USER", "admin"))
        parser.add_argument("--email", default="")

    def handle(self, *_: Any, **options: Any) -> None:
        """Repeatable: an unchanged password ends no session."""
        password = os.environ.get("ADMIN_PASSWORD", "")
        if not password:
            raise CommandError(
                "ADMIN_PASSWORD is not set: expected the administrator's password", returncode=2
            )
        users = get_user_model().objects
        require_strong_password(
            password, user=users.model(username=options["username"]), setting="ADMIN_PASSWORD"
        )
        user, is_created = users.get_or_create(username=options["username"])
        user.is_staff = user.is_superuser = user.is_active = True
        user.email = options["email"] or user.email
        if not user.check_password(password):
            user.set_password(password)
        user.save()
        if options["verbosity"]:
            self.stdout.write(f"{user.username}: {'created' if is_created else 'up to date'}")
