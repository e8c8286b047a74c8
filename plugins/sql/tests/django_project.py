"""A Django project in a separate process: it creates a database with one person, then executes commands in JSON.

    python django_project.py DATABASE PASSWORD

`["make", password, hasher]` returns a hash, `["cheap", password, hasher]` returns a hash with a low cost, and
`["check", password, hash]` returns whether the password is correct, and whether Django would rehash it.
"""

from __future__ import annotations

import json
import sys

import django
from django.conf import settings

HASHERS = ("PBKDF2", "PBKDF2SHA1", "Argon2", "BCryptSHA256", "BCrypt", "Scrypt", "MD5")


def configure(path: str) -> None:
    settings.configure(
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": path}},
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes"],
        PASSWORD_HASHERS=[f"django.contrib.auth.hashers.{name}PasswordHasher" for name in HASHERS],
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        USE_TZ=True,
    )
    django.setup()


def create(password: str) -> None:
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.db import connections

    call_command("migrate", verbosity=0)
    ada = User.objects.create_user("ada", "ada@example.com", None, first_name="Ada", last_name="Lovelace")
    ada.password = cheap(password, "pbkdf2_sha1")
    ada.save()
    connections.close_all()


def make(password: str | None, name: str) -> str:
    from django.contrib.auth.hashers import make_password

    return str(make_password(password, hasher=name))


def cheap(password: str, name: str) -> str:
    from django.contrib.auth.hashers import get_hasher

    hasher = get_hasher(name)
    if name == "argon2":
        hasher.time_cost, hasher.memory_cost, hasher.parallelism = 1, 64, 1
        return str(hasher.encode(password, hasher.salt()))
    return str(hasher.encode(password, hasher.salt(), iterations=1_000))


def check(password: str, stored_hash: str) -> list[bool]:
    from django.contrib.auth.hashers import check_password

    again: list[str] = []
    return [check_password(password, stored_hash, setter=again.append), bool(again)]


def main() -> None:
    _, path, password = sys.argv
    configure(path)
    create(password)
    answers = {"make": make, "cheap": cheap, "check": check}
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        verb, *arguments = json.loads(line)
        print(json.dumps(answers[verb](*arguments)), flush=True)


if __name__ == "__main__":
    main()
