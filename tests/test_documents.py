"""Tests that the documents match the code: production.ini is complete, and commands, settings and links exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import MISSING, fields
from pathlib import Path
from secrets import token_hex
from typing import Any

import certifi
import click
import pytest

import linkauth_theme_default
from linkauth.cli import main
from linkauth.config.clients import ClientSettings
from linkauth.config.mail import MailSettings
from linkauth.config.platforms import PLATFORMS
from linkauth.config.plugins import settings_class
from linkauth.config.reader import keys_of
from linkauth.config.second_factor import SecondFactorSettings
from linkauth.config.settings import Settings, SimulatorSettings, ThrottleSettings, read
from linkauth_http import HTTPSettings
from linkauth_ldap import LDAPSettings
from linkauth_oidc import OIDCSettings
from linkauth_sql import SQLSettings
from linkauth_sql.hashes import SCHEMES
from linkauth_sql.presets import PRESETS

ROOT = Path(__file__).parent.parent
PRODUCTION_INI = (ROOT / "production.ini").read_text("utf-8")
SETTINGS_CLASSES: dict[str, type] = {
    "": Settings,
    "backend.staff.": SQLSettings,
    "backend.corp.": LDAPSettings,
    "backend.legacy.": HTTPSettings,
    "theme.default.": linkauth_theme_default.Parameters,
    "client.ride-hailer.": ClientSettings,
    "throttle.": ThrottleSettings,
    "simulator.": SimulatorSettings,
    "mail.": MailSettings,
    "second_factor.": SecondFactorSettings,
    "sign_in.google.": OIDCSettings,
}
SIGN_INS = {
    **dict.fromkeys(("issuer", "client_authentication", "hosts", "scopes", "userinfo", "response_mode"), "login"),
    **dict.fromkeys(("username_claim", "name_claim", "email_claim", "groups_claim", "claims"), "login"),
    **dict.fromkeys(("verified_claims", "tls_ca_file"), "login"),
    **dict.fromkeys(("team_id", "key_id", "private_key"), "apple"),
    **dict.fromkeys(("protocol", "authorization_endpoint", "token_endpoint", "userinfo_endpoint"), "forum"),
    **{"subject_claim": "forum", "tenant": "entra"},
}
"""The sign-in provider with which production.ini shows a setting, if it is not google."""
CORP = "linkauth.backend.corp."
PRESET_VALUES = LDAPSettings.preset_values({"preset": "activedirectory"})
"""production.ini shows the defaults of this preset for the ldap plugin."""
TEXT_DEFAULTS = (".database_upgrade", ".default_language", ".accent", ".ride-hailer.second_factor")
"""Settings with text values whose line in production.ini shows the default."""
NOT_SETTINGS = {
    *("backends", "sign_ins", "themes", "clients", "scopes", "throttle", "simulator", "mail", "second_factor"),
}


def every_setting() -> Iterator[tuple[str, Any]]:
    """Yields (key, dataclass field) of each setting. The field is None for settings that are not in a dataclass."""
    for prefix, cls in SETTINGS_CLASSES.items():
        for item in fields(cls):
            if not (prefix == "" and item.name in NOT_SETTINGS):
                yield from ((f"linkauth.{prefix}{key}", item) for key in keys_of(item))
    for key in ("use", "accepts", "shadow", "registration_fields"):
        yield f"linkauth.backend.staff.{key}", None
    for key in ("use", "match", "label", "registration", "accept_hidden_locks"):
        yield f"linkauth.sign_in.google.{key}", None
    for key in ("backends", "sign_ins", "clients"):
        yield f"linkauth.{key}", None


@pytest.mark.parametrize(
    ("key", "item"), list(every_setting()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_setting_is_documented_in_production_ini(key: str, item: Any) -> None:
    name = key.rsplit(".", 1)[1]
    shown_for = {"introspects": "skill-backend", "google_project_id": "home", "ifttt_service_id": "applets"}
    expected = key.replace(".client.ride-hailer.", f".client.{shown_for.get(name, 'ride-hailer')}.")
    expected = expected.replace(".sign_in.google.", f".sign_in.{SIGN_INS.get(name, 'google')}.")
    # a setting with freely chosen names is shown with one name
    has_free_names = item is not None and item.type == "dict[str, str]" and "keys" not in item.metadata
    name_pattern = r"\.[\w-]+" if has_free_names else ""
    (line,) = re.findall(rf"^(#?{re.escape(expected)}{name_pattern} = .+)$", PRODUCTION_INI, re.MULTILINE)
    preceding_lines = PRODUCTION_INI[: PRODUCTION_INI.index(line)].splitlines()
    # a comment precedes the setting, or the block of settings that contains it
    block = next(
        index
        for index in range(len(preceding_lines) - 1, -1, -1)
        if not re.match(r"#?linkauth\.", preceding_lines[index])
    )
    comment = preceding_lines[block]
    assert comment.startswith("# "), f"{key} has no comment"
    if (item is not None and line.startswith("#") and isinstance(item.default, (bool, int))) or key.endswith(
        TEXT_DEFAULTS
    ):
        shown_value = line.split(" = ")[1]
        default = (
            PRESET_VALUES[key.rsplit(".", 1)[1]] if "(preset)" in comment and key.startswith(CORP) else item.default
        )
        assert shown_value == str(default).lower(), (
            f"{key}: production.ini shows {shown_value}, the default is {default}"
        )
    # all settings of the other backends and of sign-in providers are examples
    examples = ("linkauth.backend.corp.", "linkauth.backend.legacy.", "linkauth.sign_in.")
    if item is not None and line.startswith("#") and not key.startswith(examples):
        assert item.default is not MISSING or item.default_factory is not MISSING, f"{key} is required"


def ini(path: Path) -> dict[str, str]:
    import plaster

    settings = plaster.get_loader(str(path), protocols=["wsgi"]).get_wsgi_app_settings("main")
    return {key: value for key, value in settings.items() if value is not None}


def test_production_ini_is_a_valid_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(token_hex(32))
    monkeypatch.setenv("STAFF_DATABASE", "sqlite:////srv/people.sqlite")
    monkeypatch.setenv("RIDE_HAILER_SECRET", token_hex(32))
    keys = ini(ROOT / "production.ini") | {"linkauth.secret": f"file:{secret}"}
    assert read(keys, settings_class).clients["ride-hailer"].platform_ids["alexa_vendor_id"] == "M2ABCDEFGHIJKL"


def test_every_example_in_production_ini_is_valid(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    logo = tmp_path / "logo.svg"
    logo.write_text("<svg/>")
    monkeypatch.setenv("STAFF_DATABASE", "postgresql+psycopg://reader@db.example.com/intranet")
    secrets = ("RIDE_HAILER_SECRET", "SKILL_BACKEND_SECRET", "HOME_SECRET", "APPLETS_SECRET")
    for name in (*secrets, "LEGACY_CLIENT_SECRET", "STAFF_PEPPER"):
        monkeypatch.setenv(name, token_hex(32))
    text = re.sub(r"^#(linkauth\.)", r"\1", PRODUCTION_INI, flags=re.MULTILINE)
    # these settings exclude others in the examples
    alternatives = (
        r"^linkauth\.backend\.(staff\.query|staff\.digest|staff\.digest_columns|corp\.user_dn_template) = .*$"
    )
    text = re.sub(alternatives, "", text, flags=re.MULTILINE).replace("file:/run/secrets/directory", "a password")
    text = text.replace("file:/run/secrets/legacy-api", "an API key")
    text = text.replace("file:/run/secrets/legacy-accounts", "another API key")
    text = text.replace("linkauth.backends = staff", "linkauth.backends = staff corp legacy", 1)
    text = text.replace("/etc/linkauth/logo.svg", str(logo)).replace("file:/run/secrets/linkauth", token_hex(32))
    text = text.replace("/etc/linkauth/database-ca.pem", str(logo))
    text = text.replace("linkauth.clients = ride-hailer", "linkauth.clients = ride-hailer skill-backend home applets")
    text = text.replace("/etc/linkauth/mail-ca.pem", certifi.where()).replace("file:/run/secrets/mail", "a password")
    text = text.replace("linkauth.sign_ins = google", "linkauth.sign_ins = google login entra apple forum")
    text = text.replace("/etc/linkauth/login-ca.pem", certifi.where())
    text = re.sub(r"file:/run/secrets/(google|login|entra|apple.p8|forum)$", "another secret", text, flags=re.MULTILINE)
    # the simulator and the folder for mails are refused with a public URL
    text = re.sub(r"^linkauth\.(simulator\..*|mail\.sink = .*)$", "", text, flags=re.MULTILINE)
    path = tmp_path / "every.ini"
    path.write_text(text)
    settings = read(ini(path), settings_class)
    assert settings.clients["skill-backend"].introspects == ("ride-hailer",)
    assert {each.name for each in settings.sign_ins} == {"google", *SIGN_INS.values()}


def test_production_ini_names_every_scheme_and_preset_of_the_sql_plugin() -> None:
    lines = PRODUCTION_INI[PRODUCTION_INI.index("# The sql plugin.") : PRODUCTION_INI.index("# The ldap plugin")]
    assert {*SCHEMES, *PRESETS} <= set(re.findall(r"[a-z][a-z0-9_-]+", lines))
    backends = (ROOT / "docs/backends.md").read_text("utf-8")
    assert {name for name in PRESETS if f"`{name}`" not in backends} == {"none"}


DOCUMENTS = sorted((*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "plugins/README.md", ROOT / "themes/README.md"))


def anchors(path: Path) -> set[str]:
    """Returns the anchors of the headings in a document, in the format of code hosting sites."""
    headings = re.findall(r"^#+ (.+)$", path.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_settings_and_make_targets_in_a_document_exist(path: Path) -> None:
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
        if key.startswith("linkauth.sign_in."):
            # production.ini shows each setting with one of the providers
            name = key.rsplit(".", 1)[1]
            assert re.search(rf"^#linkauth\.sign_in\.[a-z]+\.{name} = ", PRODUCTION_INI, re.MULTILINE), key
            continue
        # the further names of the documents
        key = re.sub(r"\.(cloud|house|crm)\.", ".legacy.", key.replace(".intranet.", ".staff."))
        assert f"{key} = " in PRODUCTION_INI, key


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_settings_in_a_document_are_valid(path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    breached_file = tmp_path / "leaked"
    breached_file.write_text(f"{'0' * 40}:1\n")
    for name in ("RIDE_HAILER_SECRET", "SKILL_BACKEND_SECRET"):
        monkeypatch.setenv(name, token_hex(32))
    monkeypatch.setenv("STAFF_DATABASE", "sqlite:////srv/people.sqlite")
    keys = ini(ROOT / "production.ini") | {"linkauth.secret": token_hex(32)}
    for block in re.findall(r"^```ini\n(.*?)^```", path.read_text("utf-8"), re.DOTALL | re.MULTILINE):
        for key, value in re.findall(r"^(linkauth\.\S+) = (.+)$", block, re.MULTILINE):
            if key in ("linkauth.backends", "linkauth.sign_ins", "linkauth.clients"):
                # later blocks of a document add names to those of earlier blocks
                value = " ".join(dict.fromkeys(f"{keys.get(key, '')} {value}".split()))
            keys[key] = re.sub(r"^file:/run/secrets/[a-z0-9.-]+$", "a password", value)
        keys["linkauth.breached_passwords"] = str(breached_file)
        read(keys, settings_class)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_commands_in_a_document_exist(path: Path) -> None:
    text = path.read_text("utf-8")
    # a command is in a code span, which may contain a line break, or at the beginning of a line in a code block
    commands = re.findall(r"`linkauth ([a-z][^`]*)`", text) + re.findall(
        r"^ *linkauth ([a-z][^#\n]*)", code_blocks(text), re.MULTILINE
    )
    for command_line in commands:
        command: click.Command = main
        for argument in command_line.split():
            if isinstance(command, click.Group) and not argument.endswith(".ini"):
                found = command.get_command(click.Context(command), argument)
                assert found, command_line
                command = found
        options = {option for parameter in command.params for option in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", command_line)) <= options, command_line


def code_blocks(text: str) -> str:
    """Returns the shell code blocks in a document."""
    return "".join(re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE))


def test_docs_clients_lists_every_platform() -> None:
    text = (ROOT / "docs/clients.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", text, re.MULTILINE))
    assert set(rows) == set(PLATFORMS)
    for name, platform in PLATFORMS.items():
        expected_cell = f"with `{platform.id_key}`" if platform.id_key else "yes"
        assert rows[name] == (expected_cell if platform.redirect_uris else "no: set `redirect_uris`"), name


def test_the_readme_links_every_document() -> None:
    index = (ROOT / "docs/README.md").read_text("utf-8")
    for path in ROOT.glob("docs/*.md"):
        assert path.name == "README.md" or f"({path.name})" in index, path.name
    readme = (ROOT / "README.md").read_text("utf-8")
    assert "(docs/README.md)" in readme
    assert len(readme.splitlines()) <= 160


def test_the_documented_proxy_uses_the_port_of_the_server() -> None:
    text = (ROOT / "docs/deployment.md").read_text("utf-8")
    assert re.findall(r"--port (\d+)", text) == re.findall(r"proxy_pass http://127\.0\.0\.1:(\d+);", text) == ["6543"]
    assert "listen = 127.0.0.1:6543" in PRODUCTION_INI
