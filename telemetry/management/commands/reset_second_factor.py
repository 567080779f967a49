"""`manage.py reset_second_factor`: for an administrator whom no other administrator can help."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from telemetry.accounts.second_factor import turn_off
from telemetry.accounts.sessions import end_sessions
from telemetry.models import User


class Command(BaseCommand):
    """Void a user's app and recovery codes, and end the user's sessions."""

    help = "Reset the second factor of a user, who sets it up again at the next sign-in."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Whose."""
        parser.add_argument("username")

    def handle(self, *_: Any, **options: Any) -> None:
        """Repeatable."""
        user = User.objects.filter(username=options["username"]).first()
        if user is None:
            raise CommandError(f"{options['username']!r}: there is no such user", returncode=2)
        was_on = turn_off(user)
        end_sessions(user)
        self.stdout.write(f"{user.username}: {'reset' if was_on else 'had no second factor'}")
