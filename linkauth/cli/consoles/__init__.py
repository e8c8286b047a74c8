"""The consoles of the platforms: the fields of their forms, in the words of each console, and what to type there.

One module has the words of one or more consoles; `form_of` selects the form of a client.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from linkauth.cli.consoles import alexa, other_platforms
from linkauth.cli.consoles.entry import Entry
from linkauth.cli.consoles.form import Form

FORMS: Mapping[str, Callable[[Entry], Form]] = {
    "alexa": alexa.form,
    "google": other_platforms.google,
    "smartthings": other_platforms.smartthings,
    "yandex": other_platforms.yandex,
    "ifttt": other_platforms.ifttt,
    "bixby": other_platforms.bixby,
    "none": other_platforms.any_client,
}
"""The form of each platform in `linkauth.config.platforms`."""


def form_of(entry: Entry) -> Form:
    """Returns the form of a client. A client without grants is a resource server, which no console has fields for."""
    return FORMS[entry.client.platform](entry) if entry.client.grants else other_platforms.resource_server(entry)
