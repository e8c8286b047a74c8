"""The pages of the second step, and what they offer."""

from __future__ import annotations

from collections.abc import Mapping

from linkauth.config.settings import Settings
from linkauth.login import totp
from linkauth.login.mailed_factor import MailedFactor
from linkauth.login.second_steps import Step, load_person, page_step, shown_code
from linkauth.login.sign_in import Person
from linkauth.login.visit import Visit


class SecondPages:
    """Describes the pages. `mailed` is None if no codes are mailed."""

    def __init__(self, settings: Settings, mailed: MailedFactor | None) -> None:
        self._settings, self._mailed = settings.second_factor, mailed
        self._policies = {client.client_id or name: client.second_factor for name, client in settings.clients.items()}
        self._service_name = settings.service_name

    def policy(self, visit: Visit, person: Person) -> str:
        """Returns "off", "optional" or "required": whether the client asks this person for a second factor."""
        policy = self._policies.get(visit.client_id, "off")
        return policy if self._settings.applies_to(person.backend) else "off"

    def methods(self, person: Person, is_enrolled: bool) -> tuple[str, ...]:
        """Returns the methods that the person can use now."""
        own = ("totp", "recovery_code") if is_enrolled else ()
        return (*own, "mail") if self._mailed is not None and self._mailed.is_offered(person) else own

    def shown(
        self, visit: Visit, value: str, data: Mapping[str, str], error: str = "", retry_after: int = 0, method: str = ""
    ) -> Step:
        """Returns the page of a pending sign-in. `value` and `data` are those of its row."""
        if data["stage"] == "passed":
            codes = tuple(map(shown_code, data["codes"].split()))
            return page_step("recovery_codes", value, error, retry_after, codes=codes)
        person, is_enrolled = load_person(data["person"]), data["stage"] == "ask"
        methods = self.methods(person, is_enrolled)
        if is_enrolled or method == "mail":
            days = self._settings.remember_days if is_enrolled else 0
            method = method if method in methods else methods[0]
            return page_step(
                "second_factor", value, error, retry_after, method=method, methods=methods, remember_days=days
            )
        secret = data["secret"]
        uri = totp.enrolment_uri(secret, self._issuer(visit.language), person.username)
        context = {
            "secret": secret,
            "qr": totp.qr_code(uri),
            "uri": uri,
            "optional": self.policy(visit, person) == "optional",
            "methods": methods,
        }
        return page_step("second_factor_setup", value, error, retry_after, **context)

    def _issuer(self, language: str) -> str:
        names = self._service_name
        return names.get("") or names.get(language) or next(iter(names.values()), "")
