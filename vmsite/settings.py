"""Settings, from the environment only; with nothing set the lab runs at once on this machine.

Every variable is described in docs/settings.md (a test compares the two). Sizes are in bytes,
times in the unit their name ends with.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import django_stubs_ext
import environ
from csp.constants import NONE, SELF
from django.utils.translation import gettext_lazy as _

from vmsite.secret import stored_secret_key

django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()

VAR_DIR = Path(env.str("VMLAB_VAR", str(BASE_DIR / "var")))
HOST = env.str("HOST", "127.0.0.1")
PORT = env.int("PORT", 8000)
HTTPS = env.bool("VMLAB_HTTPS", False)
PROXIES = env.int("VMLAB_PROXIES", 0)

DEBUG = env.bool("DEBUG", False)
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
SECRET_KEY = env.str("SECRET_KEY", "") or stored_secret_key(VAR_DIR / "secret_key")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
# Full origins (scheme, host, port) from which a browser may open a socket. With none named, a page
# of an allowed host on the very port this server listens on: see vmsite/origins.py.
ALLOWED_ORIGINS = env.list("VMLAB_ORIGINS", default=CSRF_TRUSTED_ORIGINS)

# What the web grants; what a scenario may hold at all is the schema's (vms/engine/scenario.py).
VMLAB_BODY_BYTES = env.int("VMLAB_BODY_BYTES", 5 * 2**20)
VMLAB_UPLOAD_BYTES = env.int("VMLAB_UPLOAD_BYTES", 4 * 2**20)
VMLAB_MESSAGE_BYTES = env.int("VMLAB_MESSAGE_BYTES", 64 * 2**10)
VMLAB_TICKET_SECONDS = env.int("VMLAB_TICKET_SECONDS", 300)
VMLAB_API_PER_SECOND = env.int("VMLAB_API_PER_SECOND", 20)
VMLAB_API_AT_ONCE = env.int("VMLAB_API_AT_ONCE", 100)
VMLAB_LABS_PER_USER = env.int("VMLAB_LABS_PER_USER", 100)
VMLAB_COPIES_PER_LAB = env.int("VMLAB_COPIES_PER_LAB", 300)
VMLAB_GRADE_SECONDS = env.int("VMLAB_GRADE_SECONDS", 60)
VMLAB_STUCK_MINUTES = env.int("VMLAB_STUCK_MINUTES", 5)
VMLAB_GUESTS = env.int("VMLAB_GUESTS", 200)
VMLAB_GUESTS_PER_ADDRESS = env.int("VMLAB_GUESTS_PER_ADDRESS", 60)  # a class has one address
VMLAB_GUEST_HOURS = env.int("VMLAB_GUEST_HOURS", 4)
VMLAB_REMARKS_PER_MINUTE = env.int("VMLAB_REMARKS_PER_MINUTE", 30)
VMLAB_REVISIONS = env.int("VMLAB_REVISIONS", 200)
VMLAB_AUDIT_ADDRESSES = env.str("VMLAB_AUDIT_ADDRESSES", "plain")
VMLAB_CODE_TRIES_PER_ADDRESS = env.int("VMLAB_CODE_TRIES_PER_ADDRESS", 60)
VMLAB_CODE_TRIES = env.int("VMLAB_CODE_TRIES", 1_000)
VMLAB_OPEN_CODES = env.int("VMLAB_OPEN_CODES", 1_000)
VMLAB_MEMBERS_PER_LAB = env.int("VMLAB_MEMBERS_PER_LAB", 1_000)
VMLAB_MAX_VMS = env.int("VMLAB_MAX_VMS", 4_096)
VMLAB_TABS_PER_USER = env.int("VMLAB_TABS_PER_USER", 50)
VMLAB_MAX_SPEED = env.int("VMLAB_MAX_SPEED", 0)
VMLAB_LAB_BYTES = env.int("VMLAB_LAB_BYTES", 2 * 2**30)
VMLAB_USER_VMS = env.int("VMLAB_USER_VMS", 20_000)
VMLAB_USER_FRAMES = env.int("VMLAB_USER_FRAMES", 64 * 2**20)
VMLAB_USER_BYTES = env.int("VMLAB_USER_BYTES", 10 * 2**30)
VMLAB_TRASH_DAYS = env.int("VMLAB_TRASH_DAYS", 30)
VMLAB_EXPORTS = env.int("VMLAB_EXPORTS", 4)
VMLAB_EXPORT_TICKS = env.int("VMLAB_EXPORT_TICKS", 20_000_000)
VMLAB_EXPORT_BYTES = env.int("VMLAB_EXPORT_BYTES", 2**30)
VMLAB_IMPORT_BYTES = env.int("VMLAB_IMPORT_BYTES", 64 * 2**20)
VMLAB_IMPORT_UNPACKED_BYTES = env.int("VMLAB_IMPORT_UNPACKED_BYTES", 256 * 2**20)
VMLAB_IMPORT_FILES = env.int("VMLAB_IMPORT_FILES", 2_000)
VMLAB_IMPORT_ENTRIES = env.int("VMLAB_IMPORT_ENTRIES", 200_000)
VMLAB_IMPORT_SECONDS = env.int("VMLAB_IMPORT_SECONDS", 30)
VMLAB_LIMITS = {
    "vcpus": env.int("VMLAB_MAX_VCPUS", 4_096),
    "pages": env.int("VMLAB_MAX_PAGES", 4_194_304),
    "frames": env.int("VMLAB_MAX_FRAMES", 4_194_304),
    "clusters": env.int("VMLAB_MAX_CLUSTERS", 8_388_608),
}
VMLAB_GUEST_LIMITS = {
    "vcpus": env.int("VMLAB_GUEST_MAX_VCPUS", 64),
    "pages": env.int("VMLAB_GUEST_MAX_PAGES", 65_536),
    "frames": env.int("VMLAB_GUEST_MAX_FRAMES", 65_536),
    "clusters": env.int("VMLAB_GUEST_MAX_CLUSTERS", 1_048_576),
}
LIVE_MAX_RUNS = env.int("VMLAB_LIVE_RUNS", 64)
LIVE_MAX_VIEWERS = env.int("VMLAB_VIEWERS_PER_LAB", 500)
LIVE_MAX_PASTS = env.int("VMLAB_PASTS_PER_LAB", 16)
LIVE_PAST_BYTES = env.int("VMLAB_PAST_BYTES", 1 << 30)
LIVE_MAX_BRANCHES = env.int("VMLAB_RUNS_PER_LAB", 1000)
LIVE_IDLE_S = env.int("VMLAB_IDLE_SECONDS", 300)
LIVE_UNWATCHED_S = env.int("VMLAB_UNWATCHED_SECONDS", 3600)
LIVE_CHECKPOINT_BYTES = env.int("VMLAB_CHECKPOINT_BYTES", 64 * 2**20)
LIVE_ENGINE_THREADS = env.int("VMLAB_ENGINE_THREADS", max(1, (os.cpu_count() or 2) - 1))

INSTALLED_APPS = [
    "vms",  # before daphne: its runserver is the one that drives the ASGI lifespan
    "daphne",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "channels",
    "allauth",
    "allauth.account",
    "csp",
    "rules",
]

MIDDLEWARE = [
    "vms.api.edge.api_edge",  # outermost: whatever fails further in, a program reads JSON
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "vms.witness.AuditMiddleware",
]

ROOT_URLCONF = "vmsite.urls"
ASGI_APPLICATION = "vmsite.asgi.application"
WSGI_APPLICATION = None
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- where things are kept ------------------------------------------------------------------------

SQLITE_OPTIONS = {
    "timeout": 20,
    "transaction_mode": "IMMEDIATE",
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
}
DATABASES = {"default": env.db("DATABASE_URL", default=f"sqlite:///{VAR_DIR / 'vmlab.sqlite3'}")}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = SQLITE_OPTIONS
    # A file, since consumers and views use it from several threads; one per test process.
    test_file = Path(tempfile.gettempdir()) / f"vmlab-test-{os.getpid()}.sqlite3"
    DATABASES["default"]["TEST"] = {"NAME": str(test_file)}
else:
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True

# Counts tries (of codes, of logins): in the database, so that they hold over a restart and for all
# processes; none may be dropped because others come.
CACHES = {"default": env.cache("CACHE_URL", default="dbcache://vms_tries")}
CACHES["default"].setdefault("OPTIONS", {})["MAX_ENTRIES"] = 100_000
# For rare messages only (a member was removed): samples never travel through a layer.
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}

STATIC_URL = "/static/"
STATIC_ROOT = VAR_DIR / "static"
STATICFILES_DIRS = [
    BASE_DIR / "static",
    ("uplot", BASE_DIR / "node_modules" / "uplot" / "dist"),
]
DATA_UPLOAD_MAX_MEMORY_SIZE = VMLAB_BODY_BYTES
FILE_UPLOAD_MAX_MEMORY_SIZE = VMLAB_BODY_BYTES

# --- words ----------------------------------------------------------------------------------------

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("zh-hans", _("Simplified Chinese"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

# --- accounts -------------------------------------------------------------------------------------

AUTHENTICATION_BACKENDS = [
    "rules.permissions.ObjectPermissionBackend",
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "vms.accounts.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = env.str("VMLAB_EMAIL_VERIFICATION", "none")
ACCOUNT_LOGOUT_REDIRECT_URL = "/"
# Nobody is told that an address has an account: who signs up with it gets another, by its own name.
ACCOUNT_PREVENT_ENUMERATION = "strict"
# A class of two hundred sits behind one address, so the limits per address are wide; the narrow
# one is per account.
ACCOUNT_RATE_LIMITS = {
    "login": "600/m/ip",
    "login_failed": "120/m/ip,5/300s/key",
    "signup": "300/h/ip",
}
ALLAUTH_TRUSTED_PROXY_COUNT = PROXIES
vars().update(env.email("EMAIL_URL", default="consolemail://"))

# --- safety ---------------------------------------------------------------------------------------

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:", "blob:"],
        "connect-src": [SELF],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    },
}
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = env.int("VMLAB_HSTS_SECONDS", 365 * 24 * 3600) if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
if PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# --- logs, to stderr ------------------------------------------------------------------------------

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "{asctime} {levelname:<7} {name}: {message}", "style": "{"},
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {
        "vms": {"level": env.str("LOG_LEVEL", "INFO")},
        "django": {"handlers": [], "level": "WARNING", "propagate": True},
        "daphne": {"level": "WARNING"},
    },
}
