"""A running server imports nothing of the rooms that are for authors, operators and tests."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from linkauth.simulator import people

ROOMS = ("theming", "simulator", "testing", "cli")
CODE = """
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


def test_a_server_imports_only_what_it_serves_with(tmp_path: Path) -> None:
    """After a whole sign-in and an introspection, in a process of its own."""
    root = Path(__file__).parents[2]
    text = (root / "tests/testing.ini").read_text("utf-8").replace("%(tmp)s", str(tmp_path))
    ini = tmp_path / "linkauth.ini"
    ini.write_text(text, "utf-8")
    people.create(f"sqlite:///{tmp_path}/people.sqlite")
    uri = "https://layla.amazon.com/spa/skill/account-linking-status.html?vendorId=M2AAAAAAAAAAAA"
    done = subprocess.run(
        [sys.executable, "-c", CODE, uri],
        env={"LINKAUTH_INI": str(ini), "PATH": "/usr/bin:/bin"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    active, modules = json.loads(done.stdout.splitlines()[-1])
    assert active is True
    assert "linkauth.oauth2.endpoints" in modules
    assert [name for name in modules if name.startswith(tuple(f"linkauth.{room}" for room in ROOMS))] == []


def test_the_contract_of_a_backend_imports_the_standard_library_alone() -> None:
    code = "import sys; before = set(sys.modules); import linkauth.backends, linkauth.hashing, linkauth.redaction; "
    code += "print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    rooms = {name.partition(".")[0] for name in done.stdout.split()}
    assert rooms - set(sys.stdlib_module_names) == {"linkauth"}
