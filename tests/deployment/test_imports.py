"""Tests that a server does not import modules that only tools, commands or tests need."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from linkauth.simulator import people

ROOT = Path(__file__).parents[2]
ROOMS = ("theming", "simulator", "testing", "cli")
NOT_FOR_A_PAGE = (
    *(
        "alembic",
        "argon2",
        "babel",
        "bcrypt",
        "cryptography",
        "ctypes",
        "joserfc",
        "ldap3",
        "mako",
        "passlib",
        "psycopg",
    ),
    *("cbor2", "pymysql", "pyotp", "segno", "urllib3", "webauthn", "xml.etree.ElementTree"),
    *(f"sqlalchemy.dialects.{name}" for name in ("mssql", "mysql", "oracle", "postgresql")),
    *("linkauth_http", "linkauth_ldap", "linkauth_oidc", "linkauth_theme_vellmoor"),
    # loaded if a client asks for a second factor
    *("linkauth.login.second_factor", "linkauth.login.totp"),
)
CALL = """
import io, json, sys, warnings
warnings.simplefilter("ignore")
from urllib.parse import parse_qsl, urlencode, urlsplit
import linkauth.wsgi


def call(method, path, query="", form=None, **headers):
    body = urlencode(form or {}).encode()
    environ = {
        "REQUEST_METHOD": method, "SCRIPT_NAME": "", "PATH_INFO": path, "QUERY_STRING": query, "SERVER_NAME": "h",
        "SERVER_PORT": "443", "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "link.example.com",
        "wsgi.url_scheme": "https", "wsgi.input": io.BytesIO(body), "wsgi.errors": sys.stderr, "wsgi.version": (1, 0),
        "wsgi.multithread": True, "wsgi.multiprocess": False, "wsgi.run_once": False,
        "CONTENT_TYPE": "application/x-www-form-urlencoded", "CONTENT_LENGTH": str(len(body)), **headers,
    }
    answer = {}
    body = b"".join(linkauth.wsgi.application(environ, lambda status, headers: answer.update(headers, status=status)))
    return answer, body.decode()
"""
PAGE = """
import inspect
_, page = call("GET", "/authorize", sys.argv[1], HTTP_HOST="127.0.0.1:6543", **{"wsgi.url_scheme": "http"})
# inspect fills modulesbyfile if it searches all modules for the source of a frame, as the decorators of pyramid.view do
print(json.dumps(['name="form_token"' in page, sorted(sys.modules), sorted(inspect.modulesbyfile)]))
"""
SIGN_IN = """
query = urlencode({"client_id": "alexa", "response_type": "token", "redirect_uri": sys.argv[1], "state": "s"})
_, page = call("GET", "/authorize", query)
token = page.partition('name="form_token" value="')[2].partition('"')[0]
form = {"form_token": token, "username": "ada", "password": "lovelace-1815"}
linked, _ = call("POST", "/authorize", query, form, HTTP_ORIGIN="https://link.example.com")
access = dict(parse_qsl(urlsplit(linked["Location"]).fragment))["access_token"]
asked = {"token": access, "client_id": "alexa", "client_secret": "the alexa client's secret"}
_, found = call("POST", "/introspect", form=asked)
print(json.dumps([json.loads(found)["active"], sorted(name for name in sys.modules if name.startswith("linkauth"))]))
"""


def _run_in_process(ini: Path, code: str, argument: str) -> Any:
    """Runs CALL and `code` in a new process for the application of an ini file, and returns the printed JSON."""
    result = subprocess.run(
        [sys.executable, "-c", CALL + code, argument],
        env={"LINKAUTH_INI": str(ini), "PATH": "/usr/bin:/bin"},
        cwd=ini.parent,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def test_a_server_imports_no_tools_during_sign_in_and_introspection(tmp_path: Path) -> None:
    text = (ROOT / "tests/testing.ini").read_text("utf-8").replace("%(tmp)s", str(tmp_path))
    ini = tmp_path / "linkauth.ini"
    ini.write_text(text, "utf-8")
    people.create(f"sqlite:///{tmp_path}/people.sqlite")
    uri = "https://layla.amazon.com/spa/skill/account-linking-status.html?vendorId=M2AAAAAAAAAAAA"
    active, modules = _run_in_process(ini, SIGN_IN, uri)
    assert active is True
    assert "linkauth.oauth2.endpoints" in modules
    assert [name for name in modules if name.startswith(tuple(f"linkauth.{room}" for room in ROOMS))] == []


def test_a_start_imports_only_what_the_login_page_needs(tmp_path: Path) -> None:
    """The first start creates the database schema with Alembic. The second start is checked."""
    assert [name for name in NOT_FOR_A_PAGE if find_spec(name) is None] == []
    ini = tmp_path / "development.ini"
    ini.write_bytes((ROOT / "development.ini").read_bytes())
    uri = "http://127.0.0.1:6543/simulator/pitangui/spa/skill/account-linking-status.html?vendorId=M2SIMULATOR"
    query = urlencode({"client_id": "ride-hailer", "response_type": "token", "redirect_uri": uri, "state": "s"})
    runs = [_run_in_process(ini, PAGE, query) for _ in range(2)]
    assert [is_shown for is_shown, _, _ in runs] == [True, True]
    assert "alembic" in runs[0][1]
    assert [name for name in NOT_FOR_A_PAGE if name in runs[1][1]] == []
    assert runs[1][2] == []


def test_the_public_modules_for_plugins_import_only_the_standard_library() -> None:
    public = (
        "linkauth.backends, linkauth.hashing, linkauth.net, linkauth.net.timed, linkauth.redaction, linkauth.sign_ins"
    )
    code = f"import sys; before = set(sys.modules); import {public}; "
    code += "print(*sorted(set(sys.modules) - before))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    rooms = {name.partition(".")[0] for name in result.stdout.split()}
    assert rooms - set(sys.stdlib_module_names) == {"linkauth"}
