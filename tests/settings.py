"""Settings of the tests: the product's own, with addresses that the fixtures fill in."""

import os
import secrets

# Nothing listens here: a test that needs a server asks for the fixture that starts it.
os.environ.setdefault("DATABASE_URL", "postgres://nobody:nobody-listens-here@127.0.0.1:1/none")
os.environ.setdefault("REDIS_URL", "redis://127.0.0.1:1/0")
os.environ.setdefault("SECRET_KEY", secrets.token_hex(32))
os.environ.setdefault("WEB_HTTPS", "false")
os.environ.setdefault("DEMO", "1")
os.environ.setdefault("WEB_SECOND_FACTOR", "nobody")

from config.settings import *  # noqa: F403

PASSWORD_HASHERS = ["tests.hashers.QuickHasher"]
