"""The pages of the second step, and what they offer."""

from __future__ import annotations

from collections.abc import Mapping

from linkauth.config.settings import Settings
from linkauth.login import totp
from linkauth.login.kept_person import load_person
from linkauth.login.mailed_factor import MailedFactor
from linkauth.login.passkey_factor import PasskeyFactor
from linkauth.login.passkeys import ADDED_WITH
from linkauth.login.second_steps import Step, enrolled, page_step, shown_code
from linkauth.login.sign_in import Person
from linkauth.login.visit import Visit


class SecondPages:
    """Describes the pages. `mailed` is None if no codes are mailed, and `passkeys` if nobody uses passkeys."""

    def __init__(self, settings: Settings, mailed: MailedFactor | None, passkeys: PasskeyFactor | None) -> None:
        self._settings, self._mailed, self._passkeys = settings.second_factor, mailed, passkeys
        self._policies = {client.client_id or name: client.second_factor for name, client in settings.clients.items()}
        self._service_name = settings.service_name

    def policy(self, visit: Visit, person: Person) -> str:
        """Returns "off", "optional" or "required": whether the client asks this person for a second factor."""
        policy = self._policies.get(visit.client_id, "off")
        return policy if self._settings.applies_to(person.backend) else "off"

    def methods(self, visit: Visit, data: Mapping[str, str]) -> tuple[str, ...]:
        """Returns the methods that the person of a pending sign-in can use now, in this browser."""
        person, owner = load_person(data["person"]), enrolled(data)
        methods = ("totp", "recovery_code") if owner else ()
        if self._mailed is not None and self._mailed.is_offered(person):
            methods = (*methods, "mail")
        if owner and self._passkeys is not None and not visit.is_embedded and self._passkeys.is_offered(owner):
            methods = (*methods, "passkey")
        return methods

    def shown(
        self, visit: Visit, value: str, data: Mapping[str, str], error: str = "", retry_after: int = 0, method: str = ""
    ) -> Step:
        """Returns the page of a pending sign-in. `value` and `data` are those of its row."""
        if data["stage"] == "passed":
            codes = tuple(map(shown_code, data["codes"].split()))
            return page_step("recovery_codes", value, error, retry_after, codes=codes)
        person, is_enrolled = load_person(data["person"]), data["stage"] == "ask"
        methods = self.methods(visit, data)
        if is_enrolled or method == "mail":
            method = method if method in methods else methods[0]
            context = {
                "method": method,
                "methods": methods,
                "remember_days": self._settings.remember_days if is_enrolled else 0,
                "passkey_options": self._passkey_options(visit, value, data, method),
            }
            return page_step("second_factor", value, error, retry_after, **context)
        secret = data["secret"]
        uri = totp.enrolment_uri(secret, self._issuer(visit.language), person.username)
        context = {
            "secret": secret,
            "qr": totp.qr_code(uri),
            "uri": uri,
            "optional": self.policy(visit, person) == "optional",
            "methods": methods,
            "passkey_options": self._passkey_options(visit, value, data, "totp"),
        }
        return page_step("second_factor_setup", value, error, retry_after, **context)

    def _passkey_options(self, visit: Visit, value: str, data: Mapping[str, str], method: str) -> str:
        """Returns the options for the script of the page: to use a passkey, or to add one together with a code."""
        if self._passkeys is None or visit.is_embedded:
            return ""
        owner = enrolled(data)
        if method == "passkey" and owner:
            return self._passkeys.request_options(value, owner)
        if method not in ADDED_WITH:
            return ""
        return self._passkeys.creation_options(value, load_person(data["person"]), self._issuer(visit.language), owner)

    def _issuer(self, language: str) -> str:
        names = self._service_name
        return names.get("") or names.get(language) or next(iter(names.values()), "")
