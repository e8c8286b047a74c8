"""Which language a page is in, whatever browsers and people write."""

from __future__ import annotations

import pytest

from linkauth.languages import accepted, choose, fallbacks, text

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
        ("d", []),
        ("../../etc/passwd, de", ["de"]),
        ("de\0, en", ["en"]),
        ("<script>", []),
        ("d\u00e9, en", ["en"]),
    ],
)
def test_the_wanted_languages_come_best_first(header: str, tags: list[str]) -> None:
    assert accepted(header) == tags


def test_only_the_beginning_of_a_header_is_looked_at() -> None:
    assert accepted("x," * 20 + "de") == []
    assert accepted(" " * 1000 + "de") == []
    assert len(accepted(",".join(["de"] * 100))) == 20


@pytest.mark.parametrize(
    ("wanted", "found"),
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
def test_a_region_falls_through_to_its_language(wanted: list[str], found: str | None) -> None:
    assert choose(wanted, INSTALLED) == found


def test_the_order_of_the_wish_counts_and_not_the_order_of_the_catalogs() -> None:
    assert choose(["en", "de"], INSTALLED) == "en"
    assert choose(["de", "en"], INSTALLED) == "de"


def test_fallbacks_end_with_the_language() -> None:
    assert fallbacks("es-MX") == ["es-MX", "es"]
    assert fallbacks("de") == ["de"]


@pytest.mark.parametrize(
    ("language", "said"),
    [("de", "Taxi rufen"), ("de-AT", "Taxler rufen"), ("de-CH", "Taxi rufen"), ("fr", "call a taxi")],
)
def test_a_text_in_the_nearest_language(language: str, said: str) -> None:
    texts = {"": "call a taxi", "de": "Taxi rufen", "de-AT": "Taxler rufen"}
    assert text(texts, language) == said


def test_no_text_is_an_empty_one() -> None:
    assert text({}, "de") == ""
