"""The checks of `linkauth doctor` for sign-in providers: their own checks, and whether people can use them."""

from __future__ import annotations

from collections.abc import Iterator

from linkauth.cli.findings import Configuration, Finding, failed, from_checks, ok, warning
from linkauth.config.sign_ins import Match
from linkauth.login.providers import NamedProvider, run_checks


def sign_in_checks(configuration: Configuration) -> Iterator[Finding]:
    """Yields the findings of each provider, and what to register there."""
    for named in configuration.providers:
        yield from from_checks("sign_in", run_checks(named), named.name)
        yield registration_finding(named, configuration.settings.public_url)
        yield ok("sign_in.match", f"linkauth.sign_in.{named.name}.match", people_of(named.settings.match, named.name))
        yield from _use_findings(named, configuration)


def registration_finding(named: NamedProvider, public_url: str) -> Finding:
    """Returns what must be entered at the provider."""
    subject = f"linkauth.sign_in.{named.name}"
    try:
        fields = dict(named.provider.registration(named.redirect_uri(public_url)))
        detail = ", ".join(f"{field} = {value}" for field, value in fields.items())
    except Exception as error:
        return failed("sign_in.registration", subject, f"violated its contract: it raised {type(error).__name__}")
    return ok("sign_in.registration", subject, f"register there: {detail}")


def people_of(match: Match, name: str) -> str:
    """Returns which account people of a provider have, as a sentence for operators."""
    if match.own:
        return f"people are accounts of their own: {name}:<subject>"
    claim = "email address" if match.claim == "email" else f"claim {match.claim}"
    attribute = {"email": "email address", "username": "user name"}.get(match.attribute, match.attribute)
    return f"people are the accounts of {match.backend} whose {attribute} is the verified {claim}"


def _use_findings(named: NamedProvider, configuration: Configuration) -> Iterator[Finding]:
    """Yields a warning if no client offers the provider, or if a client offers no other way in the Alexa app."""
    settings = configuration.settings
    linkable = {name: client for name, client in settings.clients.items() if client.grants}
    offering = {name: client for name, client in linkable.items() if named.settings in settings.sign_ins_of(client)}
    if linkable and not offering:
        problem = "is listed, but no client with grants offers it: add it to linkauth.client.<name>.sign_ins"
        yield warning("sign_in.unused", f"linkauth.sign_in.{named.name}", problem)
    if not named.provider.refuses_embedded_browsers:
        return
    tolerant = {each.name for each in configuration.providers if not each.provider.refuses_embedded_browsers}
    for name, client in offering.items():
        others = {each.name for each in settings.sign_ins_of(client)} & tolerant
        if not others and not settings.has_password_form(client):
            problem = (
                f"is the only way to sign in, but {named.name} refuses browsers inside of apps, so that people whose "
                "Alexa app has one cannot link: offer another provider or password_form = true too"
            )
            yield warning("sign_in.embedded_browsers", f"linkauth.client.{name}.sign_ins", problem)
