"""Everything that is wrong with a theme, as far as a machine can tell."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from linkauth.themes.states import State
from linkauth.themes.theme import describe_failure
from linkauth.theming import contrast, inheritance, pseudo, sentences
from linkauth.theming.drafts import Draft
from linkauth.theming.findings import Finding, merged
from linkauth.theming.markup import Page, addresses, foreign, loaded_by, pop_ups
from linkauth.theming.styles import Sheet, unused
from linkauth.theming.variants import SCHEMES

WEIGHT_LIMIT = 30_000
"""Bytes of a page with all that it loads, compressed."""


@dataclass(frozen=True)
class Weight:
    """Bytes of a page with its style sheets, scripts and images."""

    compressed: int
    raw: int
    files: int


@dataclass(frozen=True)
class Report:
    """`findings` are what to mend, `domains` what Amazon's Domain List must hold, `weight` is the login page's."""

    findings: list[Finding]
    domains: list[str]
    weight: Weight | None


def check(draft: Draft) -> Report:
    """Raises ConfigurationError if the draft's catalogs cannot be read."""
    findings = list(inheritance.findings(draft.environment))
    shown: dict[tuple[int, str], str] = {}
    for number, state in enumerate(draft.states):
        for language in draft.languages:
            try:
                shown[number, language] = draft.show(state, language)
            except Exception as error:
                # whatever a template raises
                what = f"cannot be shown: {describe_failure(error, state.page + '.jinja2')}"
                findings.append(Finding(_where(draft, state, language), what))
    complete = len(shown) == len(draft.states) * len(draft.languages)
    for (number, language), html in shown.items():
        if language not in pseudo.LANGUAGES:
            findings += (Finding(_where(draft, draft.states[number], language), what) for what in Page(html).faults())
    findings += _readable(draft, {number: html for (number, language), html in shown.items() if language == "en"})
    findings += _files(draft)
    findings += sentences.findings(draft)
    if complete:
        findings += sentences.untranslatable(draft)
    domains = sorted({host for html in shown.values() for host in map(foreign, _loads(draft, html)) if host})
    for host in domains:
        todo = f"loads from {host}, which browsers refuse here: put it into static/. Amazon's Domain List: {host}"
        findings.append(Finding(draft.name, todo))
    weights = {number: _weight(draft, html) for (number, language), html in shown.items() if language == "en"}
    if weights:
        findings += _heavy(draft, *max(weights.items(), key=lambda item: item[1].compressed))
    return Report(merged(findings), domains, weights.get(0))


def _heavy(draft: Draft, number: int, weight: Weight) -> Iterator[Finding]:
    if weight.compressed > WEIGHT_LIMIT:
        what = f"weighs {weight.compressed:,} bytes compressed, {weight.raw:,} raw, in {weight.files} files: "
        what += f"make it less than {WEIGHT_LIMIT:,} compressed"
        yield Finding(_where(draft, draft.states[number], "en"), what)


def _where(draft: Draft, state: State, language: str) -> str:
    return f"{draft.name}, {state.page}: {state.name}, {language}"


def _named(draft: Draft, html: str) -> Iterator[str]:
    """The static files that a page loads, and those that its style sheets load."""
    waiting = [address.removeprefix(draft.static_path) for address in Page(html).loads()]
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in draft.static and name not in found:
            found.add(name)
            yield name
            if name.endswith(".css"):
                waiting += [each.removeprefix(draft.static_path) for each in loaded_by(_text(draft, name))]


def _text(draft: Draft, name: str) -> str:
    return draft.static[name].body.decode("utf-8", "replace")


def _css(draft: Draft, html: str) -> str:
    """The style sheets of a page, one behind the other."""
    links = (each.get("href", "") for each in Page(html).html.iter("link") if each.get("rel") == "stylesheet")
    names = (address.removeprefix(draft.static_path) for address in links)
    return "\n".join(_text(draft, name) for name in names if name in draft.static)


def _readable(draft: Draft, pages: dict[int, str]) -> Iterator[Finding]:
    sheet = lru_cache(Sheet)
    for number, html in pages.items():
        css = _css(draft, html)
        for scheme in SCHEMES:
            for what in contrast.faults(html, sheet(css, scheme)):
                state = draft.states[number]
                yield Finding(f"{draft.name}, {state.page}: {state.name}", what)


def _files(draft: Draft) -> Iterator[Finding]:
    for name, file in draft.static.items():
        plain = ".".join(part for index, part in enumerate(name.split(".")) if index != name.count(".") - 1)
        if file.content_type.startswith("text/javascript"):
            for call in pop_ups(_text(draft, name)):
                yield Finding(
                    f"{draft.name}, {plain}", f"calls {call}, and Amazon wants no pop-ups: write into the page"
                )
            for each in addresses(_text(draft, name)):
                what = f"names {each}: if the script loads it, browsers refuse that here, so put it into static/"
                yield Finding(f"{draft.name}, {plain}", what, warning=True)
        if file.content_type.startswith("text/css"):
            for each in sorted(unused(_text(draft, name))):
                what = f"sets {each}, which nothing uses: is it called so, and still there, in the parent?"
                yield Finding(f"{draft.name}, {plain}", what, warning=True)


def _loads(draft: Draft, html: str) -> Iterator[str]:
    yield from Page(html).loads()
    for name in _named(draft, html):
        if name.endswith((".css", ".svg")):
            yield from loaded_by(_text(draft, name))


def _weight(draft: Draft, html: str) -> Weight:
    files = [draft.static[name] for name in _named(draft, html)]
    compressed = sum(len(file.gzipped or file.body) for file in files) + len(gzip.compress(html.encode("utf-8")))
    return Weight(compressed, sum(len(file.body) for file in files) + len(html.encode("utf-8")), 1 + len(files))
