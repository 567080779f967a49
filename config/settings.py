"""Django's settings, from `config.options`."""

import logging
from datetime import timedelta
from pathlib import Path

from django.templatetags.static import static

from config.database import make_django_database
from config.env import read_or_exit
from config.logs import configure_logging
from config.mail import make_mail_settings
from config.options import WebOptions
from config.static import add_headers

BASE_DIR = Path(__file__).resolve().parent.parent

OPTIONS = read_or_exit(WebOptions)

SECRET_KEY = OPTIONS.secret_key
SECRET_KEY_FALLBACKS = list(OPTIONS.secret_key_fallbacks)
DEBUG = OPTIONS.debug
ALLOWED_HOSTS = list(OPTIONS.allowed_hosts)
CSRF_TRUSTED_ORIGINS = list(OPTIONS.trusted_origins)

SILENCED_SYSTEM_CHECKS = [
    *OPTIONS.checks.silenced,
    # Whether browsers have the whole domain in their list of HTTPS sites is for its owner to say.
    "security.W021",
]

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "auditlog",
    "axes",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
    "django_celery_beat",
    "telemetry",
]

MIDDLEWARE = [
    "telemetry.api.middleware.api_middleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "telemetry.web.signin.second_factor.SecondFactorRequired",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "telemetry.web.headers.SecurityHeaders",
    "auditlog.middleware.AuditlogMiddleware",
    "telemetry.web.admin_scope.AdminScope",
    "telemetry.web.language.UserLanguage",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "telemetry" / "overrides"],  # before those of packages
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "django.template.context_processors.i18n",
                "telemetry.web.context.account",
            ],
        },
    },
]

# Small files alone, in memory: others would be written to the disk before anybody looks who sends
# them.
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.MemoryFileUploadHandler"]

DATABASES = {"default": make_django_database(OPTIONS.database.url, name="tds-web")}
# In the memory of each web process. Parts of pages are large and soon old: few are held.
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    "fragments": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "LOCATION": "fragments",
        "OPTIONS": {"MAX_ENTRIES": 100},
    },
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "telemetry.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",  # before the one that looks at the password
    "telemetry.accounts.staff.AccountStaff",  # before the one that gives permissions
    "django.contrib.auth.backends.ModelBackend",
]
DJANGO_PASSWORDS = "django.contrib.auth.password_validation"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"{DJANGO_PASSWORDS}.UserAttributeSimilarityValidator"},
    {"NAME": f"{DJANGO_PASSWORDS}.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "telemetry.accounts.passwords.CommonPassword"},
    {"NAME": f"{DJANGO_PASSWORDS}.NumericPasswordValidator"},
]

LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("pt-br", "Português (Brasil)")]
LOCALE_PATHS = [BASE_DIR / "telemetry" / "locale"]  # of the texts in `workers`, too
FORMAT_MODULE_PATH = "config.formats"
TIME_ZONE = "UTC"
USE_TZ = True
DJANGO_CELERY_BEAT_TZ_AWARE = True

STATIC_URL = "/static/"
# Collected (compose/start/prepare) they are compressed and kept by browsers. Where there is no such
# folder they are found in the packages that hold them.
STATIC_ROOT = OPTIONS.static_root or None
IS_COLLECTED = bool(STATIC_ROOT)
WHITENOISE_USE_FINDERS = not IS_COLLECTED
WHITENOISE_ALLOW_ALL_ORIGINS = False  # no other site needs our static files
WHITENOISE_ADD_HEADERS_FUNCTION = add_headers
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "config.static.StaticFiles"
        if IS_COLLECTED
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}

SESSION_ENGINE = "telemetry.accounts.sessions"
# Browsers take a cookie of such a name from this host alone, over HTTPS alone.
COOKIE_PREFIX = "__Host-" if OPTIONS.is_https else ""
SESSION_COOKIE_NAME = f"{COOKIE_PREFIX}sessionid"
CSRF_COOKIE_NAME = f"{COOKIE_PREFIX}csrftoken"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = OPTIONS.is_https
SESSION_COOKIE_HTTPONLY = LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_NAME = f"{COOKIE_PREFIX}django_language"
LANGUAGE_COOKIE_SECURE = OPTIONS.is_https
LANGUAGE_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = OPTIONS.sign_in.session_hours * 3_600
PASSWORD_RESET_TIMEOUT = 4 * 3_600
SECURE_HSTS_SECONDS = 31_536_000 if OPTIONS.is_https else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = OPTIONS.is_https
SECURE_REDIRECT_EXEMPT = [r"^health$", r"^health/pending$"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if OPTIONS.is_https else None
X_FRAME_OPTIONS = "DENY"
# Not in a cookie: one says the secret of a new webhook.
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

# Sign-ins, those of the admin included: ten failures for a name from an address, or from an address
# (of IPv6: a network of 64 bits) whatever the name, and nobody signs in from there for a quarter of
# an hour.
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"], "ip_address"]
AXES_RESET_ON_SUCCESS = True
AXES_HANDLER = "telemetry.web.signin.limits.Handler"
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_CLIENT_IP_CALLABLE = "telemetry.web.signin.address.read_client_network"
AXES_LOCKOUT_CALLABLE = "telemetry.web.signin.lockout.render_lockout"
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False

# Changes that people make (telemetry/changes). What they name is kept as it is called then.
AUDITLOG_USE_FK_STRING_REPRESENTATION = True
AUDITLOG_DISABLE_REMOTE_ADDR = True

OTP_TOTP_ISSUER = "TDS Telemetry"  # how authenticator apps list the key

logging.getLogger("axes").setLevel(logging.ERROR)  # telemetry/web/signin/limits.py logs sign-ins

globals().update(make_mail_settings(OPTIONS.mail))

LOGGING_CONFIG = None
configure_logging(OPTIONS.log)

UNFOLD = {
    "SITE_TITLE": "TDS Telemetry",
    "SITE_HEADER": "TDS Telemetry",
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "SITE_URL": None,
    "SCRIPTS": [lambda _: static("telemetry/confirm.js")],
    "STYLES": [lambda _: static("telemetry/admin.css")],
    "DASHBOARD_CALLBACK": "telemetry.admin.home.page.fill_home",
    "SIDEBAR": {"navigation": "telemetry.admin.sidebar.list_groups"},
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": "/static/telemetry/favicon.svg"}
    ],
}
