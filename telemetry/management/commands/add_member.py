"""`manage.py add_member USER --account NAME --role ROLE`: the first owner of an account, say."""

import os
from argparse import ArgumentParser
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

from telemetry.accounts.passwords import require_strong_password
from telemetry.models import Account, Membership


class Command(BaseCommand):
    """Make a user a member of an account; repeatable."""

    help = (
        "Make a user a member of an account, or give the member another role. A user that does not "
        "exist is created; its password is read from MEMBER_PASSWORD. Repeatable."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Options of the command."""
        parser.add_argument("user", metavar="USER", help="user name")
        parser.add_argument("--account", required=True, metavar="NAME", help="name of the account")
        parser.add_argument("--role", choices=Membership.Role.values, default=Membership.Role.OWNER)
        parser.add_argument("--email", default="", help="e-mail address of a new user")

    def handle(self, *_: Any, **options: Any) -> None:
        """A user that exists keeps the password."""
        account = Account.objects.filter(name=options["account"]).first()
        if account is None:
            names = ", ".join(Account.objects.values_list("name", flat=True)[:10]) or "none"
            raise CommandError(
                f"--account {options['account']!r}: there is no such account: expected one of "
                f"{names}",
                returncode=2,
            )
        users = get_user_model().objects
        user = users.filter(username=options["user"]).first()
        if user is None:
            password = os.environ.get("MEMBER_PASSWORD", "")
            if not password:
                raise CommandError(
                    f"there is no user {options['user']!r}, and MEMBER_PASSWORD is not set: "
                    "expected the password of the new user",
                    returncode=2,
                )
            user = users.model(username=options["user"], email=options["email"])
            require_strong_password(password, user=user, setting="MEMBER_PASSWORD")
            user.set_password(password)
            user.save()
        Membership.objects.update_or_create(
            user=user, account=account, defaults={"role": options["role"]}
        )
        if options["verbosity"]:
            self.stdout.write(f"{user.username}: {options['role']} of {account.name}")
