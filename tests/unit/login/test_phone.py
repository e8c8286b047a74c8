"""Telephone numbers as user names: every spelling means the stored one, and no number means another."""

from __future__ import annotations

from typing import Any, cast

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkauth.backends import CredentialBackend, Identity, Throttled, UnknownUser, WrongPassword
from linkauth.config.settings import ThrottleSettings
from linkauth.login.dispatch import NamedBackend
from linkauth.login.phone import PhoneForms
from linkauth.login.sign_in import SignIn
from linkauth.login.throttle import Throttle
from tests.unit.login.test_name_forms import Exact

GERMAN = PhoneForms("DE")
STORED = ("+4915123456789", "015123456789", "4915123456789", "004915123456789", "+49 1512 3456789", "01512 3456789")
TYPED = (
    *STORED,
    "0151 23456789",
    "0151/234567-89",
    "(01512) 3456789",
    "+49 (0)1512 3456789",
    "00 49 1512 3456789",
    "\u200e+49\u00a01512\u00a03456789\u200f",
    "\uff0b\uff14\uff19 \uff11\uff15\uff11\uff12 \uff13\uff14\uff15\uff16\uff17\uff18\uff19",
    "\u0660\u0661\u0665\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668\u0669",
    "01512\u20113456789",
)


def test_every_spelling_means_every_stored_one() -> None:
    for typed in TYPED:
        forms = GERMAN(typed)
        assert set(STORED) <= set(forms), ascii(typed)
        assert GERMAN.key(typed) == "+4915123456789"
    assert GERMAN("01512 3456789") == ("01512 3456789", *(each for each in STORED if each != "01512 3456789"))


def test_what_is_no_valid_number_is_looked_up_as_typed() -> None:
    for typed in (
        "ada",
        "max015123456789",
        "015123456789@example.com",
        "0151",
        "+49 0",
        "0" * 200,
        "12",
        "",
        "++49",
        "+",
    ):
        assert GERMAN(typed) == (typed,)
        assert GERMAN.key(typed) == typed
    # an extension is another number
    assert GERMAN("01512 3456789 ext. 7") == ("01512 3456789 ext. 7",)
    assert GERMAN("٤٧١١") == ("٤٧١١", "4711")


def test_a_number_of_another_region_has_no_national_form() -> None:
    austrian = "+43 664 1234567"
    forms = GERMAN(austrian)
    assert "+436641234567" in forms
    assert not [form for form in forms if form.startswith("0") and not form.startswith("00")]
    assert GERMAN.key(austrian) == PhoneForms("AT").key("0664 1234567")
    # the same national number belongs to different people
    assert not set(GERMAN("030 123456")) & set(PhoneForms("AT")("030 123456")[1:])


@pytest.mark.parametrize(
    ("region", "national", "key"), [("US", "201-555-0123", "+12015550123"), ("JP", "090-1234-5678", "+819012345678")]
)
def test_00_means_an_international_number_everywhere(region: str, national: str, key: str) -> None:
    forms = PhoneForms(region)
    for typed in (national, key, f"00 {key[1:]}", f"00{key[1:]}"):
        assert forms.key(typed) == key, typed
    assert forms.key("0049 1512 3456789") == "+4915123456789"


def test_a_japanese_keyboard_writes_hyphens_as_long_vowels() -> None:
    japan = PhoneForms("JP")
    for dash in "-\u30fc\u2212\u2015\uff0d\u2014":
        typed = "\uff10\uff19\uff10D\uff11\uff12\uff13\uff14D\uff15\uff16\uff17\uff18".replace("D", dash)
        assert japan.key(typed) == "+819012345678", ascii(typed)
        assert {"+819012345678", "09012345678"} <= set(japan(typed))


def test_a_number_of_the_area_55_in_brazil_is_not_one_of_the_country_55() -> None:
    brazil = PhoneForms("BR")
    for typed in (
        "(55) 99999-1234",
        "55 99999 1234",
        "55999991234",
        "5555999991234",
        "+55 55 99999-1234",
        "0055 55 99999-1234",
    ):
        assert brazil.key(typed) == "+5555999991234", typed
    assert brazil.key("5511961234567") == brazil.key("11 96123-4567") == "+5511961234567"


def test_the_example_of_a_region_means_its_number() -> None:
    for region in phonenumbers.SUPPORTED_REGIONS:
        forms = PhoneForms(region)
        number = phonenumbers.parse(forms.example, region)
        assert forms.key(forms.example) == phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        assert len(forms(forms.example)) <= 7


@given(
    st.text(st.sampled_from("0123456789+ ()-/.\u0661\uff10"), min_size=1, max_size=20),
    st.sampled_from(["DE", "US", "IT"]),
)
def test_the_spellings_of_a_number_have_one_key(typed: str, region: str) -> None:
    forms = PhoneForms(region)
    key = forms.key(typed)
    assert len(forms(typed)) <= 14
    if key != typed:
        assert {forms.key(form) for form in forms(key)[:1]} == {key}
        assert key in forms(typed)


def build(*backends: tuple[CredentialBackend, str], **throttle: int) -> SignIn:
    named = []
    for number, (backend, region) in enumerate(backends):
        phone = PhoneForms(region) if region else None
        if phone:
            backend.name_forms = phone
        named.append(NamedBackend(f"b{number}", backend, phone=phone))
    return SignIn(named, Throttle(ThrottleSettings(**throttle)))


def test_another_spelling_gives_no_further_attempt() -> None:
    signing_in = build((Exact("+4915123456789"), "DE"), account_failures=4)
    for typed in TYPED[:4]:
        with pytest.raises((WrongPassword, UnknownUser)):
            signing_in(typed, "wrong", "192.0.2.1")
    for typed in TYPED:
        with pytest.raises(Throttled):
            signing_in(typed, "+4915123456789", "192.0.2.1")


@pytest.mark.parametrize(
    ("region", "stored", "typed"),
    [
        # the stored text alone is no number, or a German one
        ("DE", "436641234567", "+43 664 1234567"),
        ("DE", "4366412345", "+43 664 12345"),
        ("US", "0012015550123", "201-555-0123"),
        ("CK", "68621084", "+686 21084"),
    ],
)
def test_every_text_that_means_a_stored_number_is_counted_with_it(region: str, stored: str, typed: str) -> None:
    assert stored in PhoneForms(region)(typed)
    signing_in = build((Exact(stored), region), account_failures=2)
    for name in (stored, typed):
        with pytest.raises(WrongPassword):
            signing_in(name, "wrong", "192.0.2.1")
    for name in (stored, typed):
        with pytest.raises(Throttled):
            signing_in(name, stored, "192.0.2.1")


def test_a_success_ends_the_failures_of_every_spelling() -> None:
    signing_in = build((Exact("+4915123456789"), "DE"), account_failures=3)
    for _ in range(3):
        for typed in TYPED[:2]:
            with pytest.raises(WrongPassword):
                signing_in(typed, "wrong", "192.0.2.1")
        person = signing_in("0151 23456789", "+4915123456789", "192.0.2.1")
        assert person.identity == Identity("+4915123456789", "+4915123456789", email="+4915123456789@example.com")


def test_patterns_of_accepted_names_match_every_spelling() -> None:
    named = NamedBackend("b", Exact(), ("+49*",), phone=GERMAN)
    for typed in TYPED:
        assert named.accepts_username(typed), ascii(typed)
    for typed in ("+43 664 1234567", "ada"):
        assert not named.accepts_username(typed)


def test_the_page_has_an_example_only_if_all_names_are_numbers() -> None:
    assert build((Exact(), "DE"), (Exact(), "AT")).phone_example == "01512 3456789"
    assert build((Exact(), "DE"), (Exact(), "")).phone_example == ""
    assert build((Exact(), ""), (Exact(), "DE")).phone_example == ""
    shadow = NamedBackend("trial", Exact(), shadow=True)
    with_shadow = SignIn(
        [NamedBackend("b", Exact(), phone=GERMAN), shadow], Throttle(ThrottleSettings()), {"trial": cast(Any, None)}
    )
    assert with_shadow.phone_example == "01512 3456789"
