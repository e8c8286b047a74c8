"""A Django site in one file, with users and a login page.

    python django_site.py PORT FOLDER

FOLDER contains login.html, and people.json with {name: password}.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import django
from django.conf import settings

urlpatterns: list[Any] = []


class Silent(WSGIRequestHandler):
    def log_message(self, *_arguments: object) -> None:
        """Logs nothing."""


def main(port: int, folder: Path) -> None:
    settings.configure(
        SECRET_KEY="for tests only, and long enough for Django",
        ALLOWED_HOSTS=["127.0.0.1"],
        ROOT_URLCONF=__name__,
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        ],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(folder / "people.sqlite")}},
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "DIRS": [str(folder)]}],
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    )
    django.setup()
    # Django requires configured settings before these imports
    from django.contrib.auth.models import User
    from django.contrib.auth.views import LoginView
    from django.core.management import call_command
    from django.core.wsgi import get_wsgi_application
    from django.urls import path

    urlpatterns.append(path("accounts/login/", LoginView.as_view(template_name="login.html")))
    call_command("migrate", verbosity=0)
    for name, password in json.loads((folder / "people.json").read_text("utf-8")).items():
        User.objects.create_user(name, password=password)
    with make_server("127.0.0.1", port, get_wsgi_application(), handler_class=Silent) as server:
        server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
