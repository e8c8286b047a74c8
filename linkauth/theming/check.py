"""Checks the templates, pages, style sheets, scripts and catalogs of a theme without a browser."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

from linkauth.themes.states import State
from linkauth.themes.templates import describe_failure
from linkauth.theming import contrast, css, inheritance, pseudo, scripts, translations
from linkauth.theming.addresses import foreign_host
from linkauth.theming.cascade import Cascade
from linkauth.theming.development import DevelopmentTheme
from linkauth.theming.findings import Finding, merged
from linkauth.theming.markup import Document, structure
from linkauth.theming.variants import SCHEMES

WEIGHT_LIMIT = 30_000
"""Compressed bytes of a page with everything that it loads."""


@dataclass(frozen=True)
class Weight:
    """Bytes of a page with its style sheets, scripts and images."""

    compressed: int
    raw: int
    files: int


@dataclass(frozen=True)
class Report:
    """The result for one theme.

    `domains` are the entries for Amazon's Domain List. `weight` is that of the login page. `unchecked` has a message
    for each check that could not run.
    """

    findings: list[Finding]
    domains: list[str] = field(default_factory=list)
    weight: Weight | None = None
    unchecked: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Page:
    """A page in one state and language. `document` may be that of a page with the same structure and other texts."""

    theme: DevelopmentTheme
    state: State
    language: str
    html: str
    structure: str
    document: Document

    @property
    def location(self) -> str:
        return self.theme.location(self.state, self.language)

    def static_files(self) -> Iterator[str]:
        """Yields the names of the static files that the page and its style sheets load."""
        pending = list(self.document.loads())
        found: set[str] = set()
        while pending:
            name = pending.pop().removeprefix(self.theme.static_path)
            if name in self.theme.static and name not in found:
                found.add(name)
                yield name
                if name.endswith(".css"):
                    pending += css.loads(_text(self.theme, name))

    def style_sheet(self) -> str:
        """Returns the style sheets of the page as one text."""
        names = (address.removeprefix(self.theme.static_path) for address in self.document.style_sheets())
        return "\n".join(_text(self.theme, name) for name in names if name in self.theme.static)

    def weight(self) -> Weight:
        files = [self.theme.static[name] for name in self.static_files()]
        raw = self.html.encode("utf-8")
        compressed = sum(len(file.gzipped or file.body) for file in files) + len(gzip.compress(raw))
        return Weight(compressed, sum(len(file.body) for file in files) + len(raw), 1 + len(files))


def check(theme: DevelopmentTheme) -> Report:
    """Returns the report of all checks. Raises ConfigurationError if a catalog cannot be read."""
    findings = list(inheritance.findings(theme.environment))
    pages: list[Page] = []
    for state in theme.states:
        # the pages of most languages differ only in their texts
        documents: dict[str, Document] = {}
        for language in theme.languages:
            try:
                html = theme.render_state(state, language)
            except Exception as error:
                # a template may raise any exception
                what = f"cannot be shown: {describe_failure(error, state.page + '.jinja2')}"
                findings.append(Finding(theme.location(state, language), what))
            else:
                shape = structure(html)
                if language in ("en", pseudo.ACCENTED):
                    document = Document(html)
                else:
                    document = documents.get(shape) or Document(html)
                documents.setdefault(shape, document)
                pages.append(Page(theme, state, language, html, shape, document))
    english = [page for page in pages if page.language == "en"]
    faults = cache(lambda document, is_mail: list(document.faults(is_mail)))
    for page in pages:
        if page.language not in pseudo.LANGUAGES:
            for line, what in page.document.syntax_errors:
                findings.append(Finding(f"{page.location}, line {line}", what))
            findings += (Finding(page.location, what) for what in faults(page.document, page.state.is_mail))
    findings += low_contrast(english)
    findings += _static_files(theme)
    findings += translations.findings(theme)
    if len(pages) == len(theme.states) * len(theme.languages):
        findings += _untranslatable(pages, english)
    domains = _domains(theme, pages)
    for host in domains:
        what = f"loads from {host}, which the Content-Security-Policy blocks: put the file into static/. "
        findings.append(Finding(theme.name, what + f"Amazon's Domain List: {host}"))
    weights = [(page.weight(), page) for page in english]
    if weights:
        findings += _too_large(*max(weights, key=lambda each: each[0].compressed))
    first = next((weight for weight, page in weights if page.state is theme.states[0]), None)
    return Report(merged(findings), domains, first)


def _too_large(weight: Weight, page: Page) -> Iterator[Finding]:
    if weight.compressed > WEIGHT_LIMIT:
        what = f"weighs {weight.compressed:,} bytes compressed, {weight.raw:,} raw, in {weight.files} files: "
        yield Finding(page.location, what + f"reduce it to less than {WEIGHT_LIMIT:,} compressed")


def _text(theme: DevelopmentTheme, name: str) -> str:
    return theme.static[name].body.decode("utf-8", "replace")


def low_contrast(pages: list[Page]) -> Iterator[Finding]:
    """Yields each text and field of the pages with too little contrast, in both colour schemes."""
    cascade = cache(Cascade)
    # pages with the same structure have the same faults
    found: dict[tuple[str, str], list[str]] = {}
    for page in pages:
        key = (page.structure, page.style_sheet())
        if key not in found:
            found[key] = [
                what for scheme in SCHEMES for what in contrast.faults(page.document, cascade(key[1], scheme))
            ]
        for what in found[key]:
            yield Finding(page.theme.location(page.state), what)


def _untranslatable(pages: list[Page], english: list[Page]) -> Iterator[Finding]:
    accented = [page for page in pages if page.language == pseudo.ACCENTED]
    for page, changed in zip(english, accented, strict=True):
        for what in translations.untranslatable(page.theme, page.state, page.document, changed.document):
            yield Finding(page.theme.location(page.state), what, warning=True)


def _static_files(theme: DevelopmentTheme) -> Iterator[Finding]:
    for name, file in theme.static.items():
        plain = ".".join(part for index, part in enumerate(name.split(".")) if index != name.count(".") - 1)
        where, text = f"{theme.name}, {plain}", _text(theme, name)
        if file.content_type.startswith("text/javascript"):
            for call in scripts.pop_ups(text):
                yield Finding(where, f"calls {call}, but Amazon does not allow pop-ups: show the text in the page")
            for each in scripts.addresses(text):
                what = f"contains {each}: if the script loads it, the Content-Security-Policy blocks it; "
                yield Finding(where, what + "use a file in static/", warning=True)
        if file.content_type.startswith("text/css"):
            for line, message in css.errors(text):
                yield Finding(f"{where} line {line}", f"is not valid CSS, so browsers skip the rule: {message}")
            for each in sorted(css.unused_properties(text)):
                what = f"sets {each}, which no rule uses: compare the name with the style sheet of the parent"
                yield Finding(where, what, warning=True)


def _domains(theme: DevelopmentTheme, pages: list[Page]) -> list[str]:
    """Returns the hosts of another origin that the pages and their files load from."""
    pages = list({page.document: page for page in pages}.values())
    addresses = {address for page in pages for address in page.document.loads()}
    for name in {name for page in pages for name in page.static_files()}:
        if name.endswith(".css"):
            addresses.update(css.loads(_text(theme, name)))
        elif name.endswith(".svg"):
            addresses.update(Document(_text(theme, name)).loads())
    return sorted({host for host in map(foreign_host, addresses) if host})
