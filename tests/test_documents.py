"""Documents that cannot lie: production.ini is complete, its defaults are the defaults, the README's words exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import MISSING, fields
from pathlib import Path
from secrets import token_hex
from typing import Any

import click
import pytest

import linkauth_theme_default
from linkauth.cli import main
from linkauth.config.clients import ClientSettings
from linkauth.config.platforms import PLATFORMS
from linkauth.config.plugins import settings_class
from linkauth.config.reader import keys_of
from linkauth.config.settings import Settings, SimulatorSettings, ThrottleSettings, read
from linkauth_http import HTTPSettings
from linkauth_ldap import LDAPSettings
from linkauth_sql import SQLSettings
from linkauth_sql.hashes import SCHEMES
from linkauth_sql.presets import PRESETS

ROOT = Path(__file__).parent.parent
MANUAL = (ROOT / "production.ini").read_text("utf-8")
FAMILIES: dict[str, type] = {
    "": Settings,
    "backend.staff.": SQLSettings,
    "backend.corp.": LDAPSettings,
    "backend.legacy.": HTTPSettings,
    "theme.default.": linkauth_theme_default.Parameters,
    "client.ride-hailer.": ClientSettings,
    "throttle.": ThrottleSettings,
    "simulator.": SimulatorSettings,
}
CORP = "linkauth.backend.corp."
OF_PRESET = LDAPSettings.preset_values({"preset": "activedirectory"})
"""What the manual shows of the directory is what its preset gives."""
CHOSEN = (".database_upgrade", ".default_language", ".accent")
"""Settings whose line in the manual shows the default, although it is a text."""
BUILT_BY_HAND = {"backends", "themes", "clients", "scopes", "throttle", "simulator"}


def every_setting() -> Iterator[tuple[str, Any]]:
    """(key, dataclass field) of each setting that there is."""
    for prefix, cls in FAMILIES.items():
        for item in fields(cls):
            if not (prefix == "" and item.name in BUILT_BY_HAND):
                yield from ((f"linkauth.{prefix}{key}", item) for key in keys_of(item))
    for key in ("backends", "clients", "backend.staff.use", "backend.staff.accepts", "backend.staff.shadow"):
        yield f"linkauth.{key}", None


@pytest.mark.parametrize(
    ("key", "item"), list(every_setting()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_setting_stands_in_the_manual(key: str, item: Any) -> None:
    shown_for = {"introspects": "skill-backend", "google_project_id": "home", "ifttt_service_id": "applets"}
    client = shown_for.get(key.rsplit(".", 1)[1], "ride-hailer")
    expected = key.replace(".client.ride-hailer.", f".client.{client}.")
    # a setting with names of the deployer's choice is shown with one of them
    named = r"\.[\w-]+" if item is not None and item.type == "dict[str, str]" and "keys" not in item.metadata else ""
    (line,) = re.findall(rf"^(#?{re.escape(expected)}{named} = .+)$", MANUAL, re.MULTILINE)
    before = MANUAL[: MANUAL.index(line)].splitlines()
    # a line of meaning stands before it, perhaps before a block of its kind
    block = next(index for index in range(len(before) - 1, -1, -1) if not re.match(r"#?linkauth\.", before[index]))
    meaning = before[block]
    assert meaning.startswith("# "), f"{key} has no line of meaning"
    if (item is not None and line.startswith("#") and isinstance(item.default, (bool, int))) or key.endswith(CHOSEN):
        shown = line.split(" = ")[1]
        default = OF_PRESET[key.rsplit(".", 1)[1]] if "(preset)" in meaning and key.startswith(CORP) else item.default
        assert shown == str(default).lower(), f"{key}: the manual shows {shown}, the default is {default}"
    # the other backends are examples as a whole
    examples = ("linkauth.backend.corp.", "linkauth.backend.legacy.")
    if item is not None and line.startswith("#") and not key.startswith(examples):
        assert item.default is not MISSING or item.default_factory is not MISSING, f"{key} is required"


def ini(path: Path) -> dict[str, str]:
    import plaster

    settings = plaster.get_loader(str(path), protocols=["wsgi"]).get_wsgi_app_settings("main")
    return {key: value for key, value in settings.items() if value is not None}


def test_the_manual_is_a_configuration_that_reads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(token_hex(32))
    monkeypatch.setenv("STAFF_DATABASE", "sqlite:///people.sqlite")
    monkeypatch.setenv("RIDE_HAILER_SECRET", token_hex(32))
    keys = ini(ROOT / "production.ini") | {"linkauth.secret": f"file:{secret}"}
    assert read(keys, settings_class).clients["ride-hailer"].platform_ids["alexa_vendor_id"] == "M2ABCDEFGHIJKL"


def test_every_example_in_the_manual_reads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    logo = tmp_path / "logo.svg"
    logo.write_text("<svg/>")
    monkeypatch.setenv("STAFF_DATABASE", "postgresql+psycopg://reader@db.example.com/intranet")
    secrets = ("RIDE_HAILER_SECRET", "SKILL_BACKEND_SECRET", "HOME_SECRET", "APPLETS_SECRET")
    for name in (*secrets, "LEGACY_CLIENT_SECRET", "STAFF_PEPPER"):
        monkeypatch.setenv(name, token_hex(32))
    text = re.sub(r"^#(linkauth\.)", r"\1", MANUAL, flags=re.MULTILINE)
    # what cannot stand beside the other examples
    other_ways = r"^linkauth\.backend\.(staff\.query|corp\.user_dn_template) = .*$"
    text = re.sub(other_ways, "", text, flags=re.MULTILINE).replace("file:/run/secrets/directory", "a password")
    text = text.replace("file:/run/secrets/legacy-api", "an API key")
    text = text.replace("linkauth.backends = staff", "linkauth.backends = staff corp legacy", 1)
    text = text.replace("/etc/linkauth/logo.svg", str(logo)).replace("file:/run/secrets/linkauth", token_hex(32))
    text = text.replace("/etc/linkauth/database-ca.pem", str(logo))
    text = text.replace("linkauth.clients = ride-hailer", "linkauth.clients = ride-hailer skill-backend home applets")
    # the simulator is for a server of one's own only
    text = re.sub(r"^linkauth\.simulator\..*$", "", text, flags=re.MULTILINE)
    path = tmp_path / "every.ini"
    path.write_text(text)
    settings = read(ini(path), settings_class)
    assert settings.clients["skill-backend"].introspects == ("ride-hailer",)


def test_the_manual_names_every_scheme_and_application_of_the_sql_plugin() -> None:
    lines = MANUAL[MANUAL.index("# The sql plugin.") : MANUAL.index("# The ldap plugin")]
    assert {*SCHEMES, *PRESETS} <= set(re.findall(r"[a-z][a-z0-9_-]+", lines))
    backends = (ROOT / "docs/backends.md").read_text("utf-8")
    assert {name for name in PRESETS if f"`{name}`" not in backends} == {"none"}


DOCUMENTS = sorted((*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "plugins/README.md", ROOT / "themes/README.md"))


def anchors(path: Path) -> set[str]:
    """The anchors of the headings of a document, as code hosts make them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_document_names_what_exists(path: Path) -> None:
    text = path.read_text("utf-8")
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in re.findall(r"`make ([a-z-]+)", text):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for link, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)", text):
        found = (path.parent / link).resolve() if link else path
        assert found.exists(), link
        assert not anchor or anchor in anchors(found), f"{link}#{anchor}"
    if path.name == "CHANGES.md":
        return
    for key in re.findall(r"^(linkauth\.[a-z_]+(?:\.[a-z-]+\.[a-z_]+)?) = ", text, re.MULTILINE):
        assert f"{key.replace('.intranet.', '.staff.')} = " in MANUAL, key


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_settings_that_a_document_shows_are_read(
    path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    leaked = tmp_path / "leaked"
    leaked.write_text(f"{'0' * 40}:1\n")
    for name in ("RIDE_HAILER_SECRET", "SKILL_BACKEND_SECRET"):
        monkeypatch.setenv(name, token_hex(32))
    monkeypatch.setenv("STAFF_DATABASE", "sqlite:///people.sqlite")
    keys = ini(ROOT / "production.ini") | {"linkauth.secret": token_hex(32)}
    for block in re.findall(r"^```ini\n(.*?)^```", path.read_text("utf-8"), re.DOTALL | re.MULTILINE):
        for key, value in re.findall(r"^(linkauth\.\S+) = (.+)$", block, re.MULTILINE):
            if key in ("linkauth.backends", "linkauth.clients"):
                # later blocks of a document add to what earlier ones name
                value = " ".join(dict.fromkeys(f"{keys[key]} {value}".split()))
            keys[key] = {"file:/run/secrets/directory": "a password"}.get(value, value)
        keys["linkauth.breached_passwords"] = str(leaked)
        read(keys, settings_class)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_commands_of_a_document_exist(path: Path) -> None:
    text = path.read_text("utf-8")
    # in a code span, perhaps over the end of a line, or at the beginning of a line of a block
    output = re.findall(r"`linkauth ([a-z][^`]*)`", text) + re.findall(
        r"^ *linkauth ([a-z][^#\n]*)", code_of(text), re.MULTILINE
    )
    for words in output:
        command: click.Command = main
        for word in words.split():
            if isinstance(command, click.Group) and not word.endswith(".ini"):
                found = command.get_command(click.Context(command), word)
                assert found, words
                command = found
        options = {each for parameter in command.params for each in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", words)) <= options, words


def code_of(text: str) -> str:
    """The blocks of code in a document."""
    return "".join(re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE))


def test_the_manual_of_clients_has_every_platform() -> None:
    text = (ROOT / "docs/clients.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", text, re.MULTILINE))
    assert set(rows) == set(PLATFORMS)
    for name, platform in PLATFORMS.items():
        given = f"with `{platform.id_key}`" if platform.id_key else "yes"
        assert rows[name] == (given if platform.redirect_uris else "no: set `redirect_uris`"), name


def test_the_readme_links_every_document() -> None:
    index = (ROOT / "docs/README.md").read_text("utf-8")
    for path in ROOT.glob("docs/*.md"):
        assert path.name == "README.md" or f"({path.name})" in index, path.name
    readme = (ROOT / "README.md").read_text("utf-8")
    assert "(docs/README.md)" in readme
    assert len(readme.splitlines()) <= 160


def test_the_proxy_of_the_manual_sends_to_the_port_of_the_server() -> None:
    text = (ROOT / "docs/deployment.md").read_text("utf-8")
    assert re.findall(r"--port (\d+)", text) == re.findall(r"proxy_pass http://127\.0\.0\.1:(\d+);", text) == ["6543"]
    assert "listen = 127.0.0.1:6543" in MANUAL
