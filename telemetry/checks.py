"""Rules across settings, as Django checks: `manage.py check`, and at the start of web and workers.

telemetry.E001  readings are kept longer than they may be late, with a billing month on top
telemetry.E002  aggregates are kept at least as long as readings
telemetry.E003  compression waits until lateness is no longer usual: such readings cost much
telemetry.E004  compression comes before the drop
telemetry.E005  a batch is not sent again while a worker may still work on it
telemetry.E006  nor is its task given to another worker
telemetry.E007  DEBUG is for a demo
telemetry.E008  so is a web process that answers to any host name
telemetry.E009  so are secrets that can be guessed
telemetry.E010  e-mails have links, so the site's own address is known
telemetry.E011  an identity provider leads back to it
"""

from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

from django.core.checks import Error, register

from config.database import parse_database_url, read_connect_timeout_s
from config.env import read_options
from config.options import IngestOptions, MaintenanceOptions, RetentionOptions, WebOptions
from telemetry.core.batch_life import find_impatience
from telemetry.core.retention import find_contradictions
from telemetry.core.secrets import find_weakness

TAG = "telemetry"


@register(TAG)
def check_retention(**_: Any) -> list[Error]:
    """Refresh, retention and compression must not contradict each other."""
    return [
        Error(found.text, hint=found.hint, id=found.id)
        for found in find_contradictions(**_as_days(read_options(RetentionOptions)))
    ]


@register(TAG)
def check_batch_life(**_: Any) -> list[Error]:
    """What is still worked on must not count as lost."""
    ingest, maintenance = read_options(IngestOptions), read_options(MaintenanceOptions)
    return [
        Error(found.text, hint=found.hint, id=found.id)
        for found in find_impatience(
            stale_after_s=maintenance.stale_after_s,
            visibility_timeout_s=ingest.queue.visibility_timeout_s,
            statement_timeout_s=ingest.statement_timeout_s,
            connect_timeout_s=read_connect_timeout_s(ingest.database.url),
        )
    ]


@register(TAG)
def check_production(**_: Any) -> list[Error]:
    """What makes attacks easy is for a demo alone."""
    options = read_options(WebOptions)
    if options.is_demo:
        return []
    hint = "Set DEMO=1 on a machine that nobody else reaches."
    found = []
    if options.debug:
        text = "DEBUG=1: expected 0, because its pages show settings and code"
        found.append(Error(text, hint=hint, id="telemetry.E007"))
    if options.mail.url and not options.mail.site_url:
        text = "WEB_URL is not set: expected https://HOST of this site, because EMAIL_URL is set"
        found.append(Error(text, hint="Links in e-mails begin with it.", id="telemetry.E010"))
    wild = [host for host in options.allowed_hosts if host.strip(".") in ("", "*")]
    if wild:
        text = f"ALLOWED_HOSTS={','.join(wild)}: expected the host names of this site"
        found.append(Error(text, hint=hint, id="telemetry.E008"))
    for name, secret in _list_secrets(options):
        weakness = find_weakness(secret)
        if weakness:
            text = f"{name}=(hidden): {weakness}; expected a long random text"
            found.append(Error(text, hint="openssl rand -hex 32 makes one.", id="telemetry.E009"))
    return found


@register(TAG)
def check_provider(**_: Any) -> list[Error]:
    """An identity provider knows the address to which it leads back."""
    options = read_options(WebOptions)
    if not options.sign_in.provider.issuer or options.mail.site_url:
        return []
    text = "WEB_URL is not set: expected https://HOST of this site, because OIDC_ISSUER is set"
    hint = "The identity provider leads back to WEB_URL/login/provider/return/."
    return [Error(text, hint=hint, id="telemetry.E011")]


def _list_secrets(options: WebOptions) -> Iterator[tuple[str, str]]:
    """The secrets of the web process by the names of their settings; of addresses, the password."""
    yield "SECRET_KEY", options.secret_key
    for former in options.secret_key_fallbacks:
        yield "SECRET_KEY_FALLBACKS", former
    if options.sign_in.provider.client_secret:
        yield "OIDC_CLIENT_SECRET", options.sign_in.provider.client_secret
    if password := parse_database_url(options.database.url).get("password"):
        yield "DATABASE_URL", password
    if password := urlsplit(options.redis.url).password:
        yield "REDIS_URL", unquote(password)


def _as_days(options: RetentionOptions) -> dict[str, int]:
    return {
        "behind_days": options.behind_days,
        "raw_days": options.raw_days,
        "aggregate_days": options.aggregate_days,
        "compress_after_days": options.compress_after_days,
    }
