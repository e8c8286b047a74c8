"""The buttons of sign-in providers. Templates get them as `sign_ins`; they are hashable, so that pages can be kept."""

from __future__ import annotations

from dataclasses import dataclass

from linkauth.themes.fields import Texts


@dataclass(frozen=True, slots=True)
class ProviderButton:
    """A sign-in provider on the login page.

    `name` is its name in the settings and in URLs. `brand` selects the mark and the colours, such as "google"; themes
    draw a neutral button for one that they do not know. `label` is what the operator calls it, as (language tag, text)
    pairs. Without a label it is called `brand_name`, and without this `name`. `refuses_embedded`: it refuses the
    embedded browsers of apps.
    """

    name: str
    brand: str = ""
    label: Texts = ()
    brand_name: str = ""
    refuses_embedded: bool = False
