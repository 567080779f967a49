"""Passwords of tests, which nobody has to be kept from guessing."""

from django.contrib.auth.hashers import PBKDF2PasswordHasher


class QuickHasher(PBKDF2PasswordHasher):
    """What the product stores, but for the rounds: its processes read it and hash it again."""

    iterations = 1
