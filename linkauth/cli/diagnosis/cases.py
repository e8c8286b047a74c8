"""The form of a case: what an attempt to link means, and what an operator corrects. The tables are in other modules.

The texts are templates. The names in braces are those of `Facts`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from linkauth.cli.consoles.names import FIELD_NAMES
from linkauth.config.settings import Settings

Kind = Literal["setting", "console field", "command", "person", "program"]


@dataclass(frozen=True, slots=True)
class Correction:
    """What to do. `name` is a setting, a field of a console, or a command; "" for a person or a program."""

    kind: Kind
    name: str
    action: str

    @property
    def text(self) -> str:
        """The correction as one sentence."""
        if self.kind == "command":
            return f"run {self.name}: {self.action}"
        return f"{self.kind} {self.name}: {self.action}" if self.name else self.action


@dataclass(frozen=True, slots=True)
class Case:
    """A case. Only corrections of the same `kind` and `name` that the tables contain are ever printed."""

    meaning: str
    corrections: tuple[Correction, ...] = ()


def case(meaning: str, *corrections: Correction) -> Case:
    return Case(meaning, corrections)


def setting(name: str, action: str) -> Correction:
    return Correction("setting", name, action)


def field(name: str, action: str) -> Correction:
    return Correction("console field", name, action)


def command(name: str, action: str) -> Correction:
    return Correction("command", name, action)


def person(action: str) -> Correction:
    return Correction("person", "", action)


def program(action: str) -> Correction:
    return Correction("program", "", action)


class Facts(dict[str, str]):
    """The values for the templates: those of one client of the settings, and of the step that was wrong.

    * `key`, `client`, `client_id`: the prefix of the client's settings, its name in the ini file, and its client_id.
    * `platform`, `console`, `authorization`, `token`, `id_field`, `secret`, `scope`, `pkce`, `grant`, `domains`: the
      platform, and the words of its console.
    * `url`, `ini`: the public URL, and the path of the ini file.
    * `id_key`: the setting that gives all redirect URIs of the platform.
    * `source`, `detail`: those of the step.
    """

    def __missing__(self, name: str) -> str:
        return f"({name} is not known)"


def facts_of(settings: Settings, ini: str, client_id: str) -> Facts:
    """Return the facts of a client. An unknown client_id has the words of no console."""
    name = next((name for name, each in settings.clients.items() if (each.client_id or name) == client_id), "")
    client = settings.clients.get(name)
    # most clients that are unknown are misspelt in Amazon's console
    names = FIELD_NAMES[client.platform if client else "alexa"]
    return Facts(
        key=f"linkauth.client.{name}" if name else "linkauth.clients",
        client=name or "unknown client",
        client_id=client_id,
        platform=(client.preset.label if client else "") or "the client",
        console=names.console,
        authorization=names.authorization,
        token=names.token,
        id_field=names.client_id,
        secret=names.secret,
        scope=names.scope,
        pkce=names.pkce,
        grant=names.grant,
        domains=names.domains,
        url=settings.public_url,
        ini=ini,
        id_key=(client.preset.id_key if client else "") or "redirect_uris",
    )


def filled(found: Case, facts: Facts) -> tuple[str, tuple[Correction, ...]]:
    """Return the meaning and the corrections of a case with the facts in them."""

    def fill(template: str) -> Any:
        return template.format_map(facts)

    corrections = (Correction(each.kind, fill(each.name), fill(each.action)) for each in found.corrections)
    return fill(found.meaning), tuple(corrections)
