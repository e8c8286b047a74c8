"""Tests of language negotiation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkauth.themes import languages
from linkauth.themes.languages import (
    best_match,
    describe,
    fallbacks,
    format_number,
    localized,
    parse_accept_language,
    selectable,
)
from tests.conftest import ROOT

INSTALLED = ("de", "en", "es", "fr-CA", "pt-BR", "zh-Hant-TW")


@pytest.mark.parametrize(
    ("header", "tags"),
    [
        ("de", ["de"]),
        ("de-DE,de;q=0.9,en;q=0.8", ["de-DE", "de", "en"]),
        ("en;q=0.1, de;q=0.9", ["de", "en"]),
        ("en;q=0.5,de;q=0.5", ["en", "de"]),
        ("de_DE", ["de_DE"]),
        ("de ; Q = 0.5 , en", ["en", "de"]),
        ("de;q=0", []),
        ("*;q=0, de", ["de"]),
        ("*", []),
        ("", []),
        (",;,;q=1,", []),
        ("de;q=1.2.3", []),
        ("de;q=.", []),
        ("de;q=-1", []),
        ("de;q=nan", []),
        ("de;q=１", []),
        ("en;q=0.9, de;q=7", ["de", "en"]),
        ("en, de;q=7", ["en", "de"]),
        ("de-DE-u-co-phonebk;q=0.12345678, en", ["en", "de-DE-u-co-phonebk"]),
        ("de-*;q=0.5, en-GB-*", ["en-GB", "de"]),
        ("*-DE, de-*-x", []),
        ("de-1-2-3-4-5-6-7-8, en", ["en"]),
        ("DE-at", ["DE-at"]),
        ("d", []),
        ("../../etc/passwd, de", ["de"]),
        ("de\0, en", ["en"]),
        ("<script>", []),
        ("d\u00e9, en", ["en"]),
    ],
)
def test_accepted_languages_are_sorted_by_weight(header: str, tags: list[str]) -> None:
    assert parse_accept_language(header) == tags


def test_only_beginning_of_header_is_read() -> None:
    assert parse_accept_language("x," * 99 + "de") == ["de"]
    assert parse_accept_language("x," * 100 + "de") == []
    assert parse_accept_language(" " * 2000 + "de") == []
    assert len(parse_accept_language(",".join(["de"] * 500))) == 100


@given(st.text(max_size=300))
def test_any_header_gives_installed_language_or_none(header: str) -> None:
    tags = parse_accept_language(header)
    assert best_match(tags, INSTALLED) in (*INSTALLED, None)
    # each tag is part of the header
    assert all(tag in header for tag in tags)


TAGS = st.sampled_from(["de", "de_DE", "en-GB", "es-MX", "pt", "fr-CH", "zh-CN", "xx", "zh-hant"])
WEIGHTS = st.integers(0, 1000).map(lambda value: value / 1000)
NOISE = st.sampled_from(["", "*", "*;q=0.1", ";;", "q=1", "de;q=x", "../..", "\x00", "é", "-", "_"])


@given(st.lists(st.tuples(TAGS, WEIGHTS), max_size=40), st.lists(NOISE, max_size=40), st.randoms(use_true_random=False))
def test_garbage_between_language_ranges_is_ignored(
    preferences: list[tuple[str, float]], noise: list[str], generator: object
) -> None:
    ranges = [f"{tag};q={weight}" for tag, weight in preferences]
    mixed = list(ranges)
    for each in noise:
        mixed.insert(generator.randint(0, len(mixed)), each)  # type: ignore[attr-defined]
    assert parse_accept_language(",".join(mixed)) == parse_accept_language(",".join(ranges))
    weights = dict.fromkeys(parse_accept_language(",".join(ranges)))
    assert set(weights) == {tag for tag, weight in preferences if weight > 0}


TEN = ("ar", "de", "en", "es", "fr", "hi", "it", "ja", "nl", "pt-BR")
REGIONAL = ("en-GB", "es-MX", "fr-CA")
ALEXA = {
    **{
        "ar-SA": "ar",
        "nl-NL": "nl",
        "en-AU": "en-GB",
        "en-CA": "en",
        "en-IN": "en-GB",
        "en-GB": "en-GB",
        "en-US": "en",
    },
    **{"fr-CA": "fr-CA", "fr-FR": "fr", "de-DE": "de", "hi-IN": "hi", "it-IT": "it", "ja-JP": "ja", "pt-BR": "pt-BR"},
    **{"es-ES": "es", "es-MX": "es-MX", "es-US": "es-MX"},
}
"""The 17 locales of Alexa skills and the language that each of them gets."""


@pytest.mark.parametrize("locale", ALEXA)
def test_each_alexa_locale_gets_its_language(locale: str) -> None:
    installed = (*TEN, *REGIONAL)
    assert best_match([locale], installed) == ALEXA[locale]
    assert best_match([locale.replace("-", "_")], installed) == ALEXA[locale]
    assert best_match([locale], TEN) == fallbacks(ALEXA[locale])[-1 if locale != "pt-BR" else 0]


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        *(("es-419", "es-MX"), ("es-CL", "es-MX"), ("es-Latn-MX", "es-MX"), ("es_latn_419", "es-MX")),
        *(("es-Latn", "es"), ("es-ES", "es"), ("es-Cyrl-MX", "es"), ("es-150", "es")),
        *(("en-001", "en-GB"), ("en-150", "en-GB"), ("en-AT", "en-GB"), ("en-US", "en"), ("en-Latn-US", "en")),
    ],
)
def test_locale_gets_language_of_its_cldr_parent(tag: str, expected: str) -> None:
    assert best_match([tag], (*TEN, *REGIONAL, "hi-Latn")) == expected


def test_nearest_parent_locale_is_preferred() -> None:
    assert best_match(["en-AT"], ("en", "en-AU", "en-DE")) == "en-DE"
    assert best_match(["en-AT"], ("en", "en-AU", "en-001")) == "en-001"
    assert best_match(["pt-AO"], ("pt-BR", "pt-PT")) == "pt-PT"
    assert best_match(["es-Latn-MX"], ("es-MX", "es-Latn-MX")) == "es-Latn-MX"


@pytest.mark.parametrize("locale", ["zh-CN", "zh-*", "zh", "ko-KR", "x-klingon"])
def test_locale_without_catalog_gets_no_language(locale: str) -> None:
    assert best_match(parse_accept_language(locale), TEN) is None


def test_offered_languages_are_unique_and_named_in_themselves() -> None:
    result = {each.tag: (each.name, each.direction) for each in selectable((*TEN, *REGIONAL))}
    assert set(result) == {*TEN, *REGIONAL}
    assert result["de"] == ("Deutsch", "ltr")
    assert result["es"] == ("Español", "ltr")
    assert result["es-MX"] == ("Español (México)", "ltr")
    assert result["ar"] == ("العربية", "rtl")
    assert result["pt-BR"] == ("Português (Brasil)", "ltr")
    assert [each.tag for each in selectable(("fr-CA", "en"))] == ["en", "fr-CA"]


def test_unknown_language_is_named_by_its_tag() -> None:
    assert describe("xx").name == "xx"
    assert describe("he-x").direction == "rtl"


def test_numbers_are_formatted_for_language() -> None:
    assert format_number(1234, "de") == "1.234"
    assert format_number(1234, "fr-CA") == "1\xa0234"
    assert format_number(1234, "xx") == "1,234"


@pytest.mark.parametrize(
    ("preferences", "expected"),
    [
        (["de"], "de"),
        (["DE"], "de"),
        (["de-AT"], "de"),
        (["de_AT"], "de"),
        (["de-AT-1996"], "de"),
        (["es-MX"], "es"),
        (["pt"], "pt-BR"),
        (["pt-PT"], "pt-BR"),
        (["fr"], "fr-CA"),
        (["fr-FR"], "fr-CA"),
        (["zh-Hant"], "zh-Hant-TW"),
        (["xx", "de"], "de"),
        (["xx-de"], None),
        (["x"], None),
        (["d"], None),
        (["e"], None),
        ([""], None),
        (["-"], None),
        ([], None),
        (["deu"], None),
    ],
)
def test_regional_tag_falls_back_to_its_language(preferences: list[str], expected: str | None) -> None:
    assert best_match(preferences, INSTALLED) == expected


def test_order_of_preference_decides() -> None:
    assert best_match(["en", "de"], INSTALLED) == "en"
    assert best_match(["de", "en"], INSTALLED) == "de"


def test_fallbacks_end_with_language() -> None:
    assert fallbacks("es-MX") == ["es-MX", "es"]
    assert fallbacks("de") == ["de"]


@pytest.mark.parametrize(
    ("language", "expected"),
    [("de", "Taxi rufen"), ("de-AT", "Taxler rufen"), ("de-CH", "Taxi rufen"), ("fr", "call a taxi")],
)
def test_text_is_chosen_in_nearest_language(language: str, expected: str) -> None:
    texts = {"": "call a taxi", "de": "Taxi rufen", "de-AT": "Taxler rufen"}
    assert localized(texts, language) == expected


def test_missing_text_is_empty() -> None:
    assert localized({}, "de") == ""


def test_languages_of_bundled_themes_are_described_as_in_cldr() -> None:
    own = {path.parts[-3].replace("_", "-") for path in ROOT.glob("themes/*/linkauth*/locale/*/LC_MESSAGES/*.po")}
    assert set(languages._SHIPPED) == own | {"en"}
    for tag in languages._SHIPPED:
        assert languages.describe(tag) == languages._describe_from_cldr(tag)
