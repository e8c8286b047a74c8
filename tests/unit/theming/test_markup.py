"""Tests of the checks of pages, scripts and style sheets: true findings and harmless look-alikes."""

from __future__ import annotations

import pytest

from linkauth.theming import css
from linkauth.theming.addresses import foreign_host
from linkauth.theming.markup import Document
from linkauth.theming.scripts import addresses, pop_ups

CALLS = [
    "alert(1)",
    'alert?.("x")',
    "window.alert(1)",
    "window?.alert(1)",
    "window . alert (1)",
    "globalThis.alert(1)",
    'self.open("x")',
    'top.prompt("")',
    "parent.alert(1)",
    'window.top.open("")',
    'window["confirm"]("x")',
    "window?.['confirm']?.(1)",
    "const address = 'https://example.com/'; alert(1)",
    'x.replace(/\\/*$/, ""); alert(1)',
    'x.replace(/^https?:\\/\\//, ""); alert(1)',
    "'// \\' // no comment'; alert(1)",
    "/* first */ alert(1) // last",
    "`one\n// two`; alert(1)",
    'if (confirm("x")) { y() }',
    "`a ${alert(1)}`",
]
NO_CALLS = [
    "element.open = true",
    "if (dialog.open) (y)()",
    "xhr.open('GET', '/')",
    "xhr?.open('GET', '/')",
    "this.top.open('x')",
    "function open() {}",
    "class Box { open() { } async confirm(x) { } }",
    "const open = () => {}",
    "reopen(1)",
    "// alert(1)",
    "x = 'please alert ( 1 )'",
    "x(); // don't alert(1)",
    "/* then\n alert(1) */ x()",
    "x()/* alert(1) */",
]


@pytest.mark.parametrize("script", CALLS)
def test_call_that_opens_pop_up_is_found(script: str) -> None:
    assert len(pop_ups(script)) == 1


@pytest.mark.parametrize("script", NO_CALLS)
def test_harmless_code_is_no_pop_up(script: str) -> None:
    assert pop_ups(script) == []


WITHOUT_NAME = [
    '<label for="q"></label><input id="q">',
    '<label for="q"> <img alt=""></label><input id="q">',
    '<label>City <input></label><input name="q">',
    "<label><select><option>One</option></select></label>",
    '<input aria-label=" ">',
    '<input aria-labelledby="nope">',
    '<p id="empty"></p><input aria-labelledby="empty">',
    '<a href="x"></a>',
    '<a href="x"><img alt=""></a>',
    '<a href="x" aria-label=" "> </a>',
    '<button aria-label=""></button>',
]
WITH_NAME = [
    '<label for="q">City</label><input id="q">',
    '<label for="q"><img alt="City"></label><input id="q">',
    "<label>City <select><option>One</option></select></label>",
    '<p id="one">City</p><input aria-labelledby="none one">',
    '<input title="City">',
    '<a href="x"><b>City</b></a>',
    '<a href="x"><img alt="City"></a>',
    '<a href="x" aria-label="City"></a>',
    '<a id="here"></a>',
    '<h2 id="h">City</h2><button aria-labelledby="h"></button>',
    '<input type="submit">',
]


@pytest.mark.parametrize("html", WITHOUT_NAME)
def test_element_without_accessible_name_is_a_fault(html: str) -> None:
    (fault,) = Document(html).faults()
    assert "text" in fault


@pytest.mark.parametrize("html", WITH_NAME)
def test_accessible_name_from_any_source_is_accepted(html: str) -> None:
    assert list(Document(html).faults()) == []


@pytest.mark.parametrize(
    ("content", "hosts"),
    [
        ("0;url=https://a.example.net/x", ["a.example.net"]),
        ("5; URL='//b.example.net/'", ["b.example.net"]),
        ("5, https://c.example.net/", ["c.example.net"]),
        ("5; url=/here", []),
        ("5", []),
    ],
)
def test_refresh_to_foreign_host_is_found(content: str, hosts: list[str]) -> None:
    result = Document(f'<meta http-equiv="Refresh" content="{content}">').loads()
    assert [host for host in map(foreign_host, result) if host] == hosts


def test_hosts_of_image_set_are_found() -> None:
    text = """a { background: image-set("https://a.example.net/1.png" 1x, url(https://b.example.net/2.png) 2x) }
    b { background: -webkit-image-set( 'https://c.example.net/3.png' type("image/png")) }"""
    assert {foreign_host(each) for each in css.loads(text)} - {None} == {f"{each}.example.net" for each in "abc"}


def test_only_quoted_foreign_addresses_in_script_are_found() -> None:
    script = """// see "https://a.example.net/"
    fetch('https://b.example.net/x'); fetch(`https://c.example.net/${d}`); fetch("/here"); x("http://[broken")
    document.createElementNS("http://www.w3.org/2000/svg", "svg")"""
    assert addresses(script) == ["https://b.example.net/x", "https://c.example.net/${d}"]


SYNTAX_ERRORS = [
    ("<p>one</div>", "at </div> (end tag too early: div)"),
    ("<p id=a id=b>one", "at <p id=a id= (duplicate attribute)"),
    ("<table><p>one</table>", "at <p> (unexpected start tag implies table voodoo: p)"),
    ("<b>one", "at <b>one (expected closing tag but got eof)"),
    ("one &amp two", "at one &amp (named entity without semicolon)"),
]


@pytest.mark.parametrize(("html", "error"), SYNTAX_ERRORS, ids=[html for html, _ in SYNTAX_ERRORS])
def test_html_syntax_error_has_line_and_excerpt(html: str, error: str) -> None:
    ((line, message),) = Document(f"<!doctype html>\n<title>x</title>\n{html}").syntax_errors
    assert line == 3
    assert f"is not valid HTML {error}: " in message


def test_line_of_a_syntax_error_does_not_depend_on_the_line_ends() -> None:
    svg = '<?xml version="1.0"?>\n<!DOCTYPE svg>\n<svg xmlns="http://www.w3.org/2000/svg"/>\n<p>one</div>'
    expected = Document(svg).syntax_errors
    assert max(line for line, _ in expected) == 4
    for line_end in ("\r", "\r\n"):
        assert Document(svg.replace("\n", line_end)).syntax_errors == expected


def test_comment_is_ignored() -> None:
    document = Document("<!doctype html><title>x</title><p><!-- <img> --> one <!-- two --></p>")
    assert document.texts() == ["x", "one"]
    assert document.syntax_errors == list(document.faults()) == []


def test_svg_loads_images_and_styles() -> None:
    svg = """<svg xmlns:xlink="http://www.w3.org/1999/xlink"><a href="https://a.example.net/"><path/></a>
    <image xlink:href="https://b.example.net/1.png"/><path fill="url(https://c.example.net/x#g)"/>
    <style>@import 'https://d.example.net/x.css';</style></svg>"""
    assert {foreign_host(each) for each in Document(svg).loads()} - {None} == {f"{each}.example.net" for each in "bcd"}


def test_elements_of_svg_have_the_faults_of_html() -> None:
    svg = """<svg><style>p {}</style><script>x()</script><a xlink:href="x"><path/></a>
    <a href="y" xml:lang="cy"><title>City</title></a></svg>"""
    document = Document(svg)
    assert [fault.partition(",")[0] for fault in document.faults()] == [
        "<style> has inline styles",
        "<script> is inline",
        "<a> has no text: describe its target",
    ]
    assert document.texts() == []


CSS_ERRORS = [
    ("a { color red }", 1),
    ("a { color: red }\n}", 2),
    ("@media print {\n a { color: ) } }", 2),
    ("a { background: url(x'y) }", 1),
    ("a:nth-child(']) { color: red }", 1),
    ("@media print {\n a:nth-child(2'\n) { color: red } }", 2),
    ("a { b: c; &:hover { d: e;\nf g; } }", 2),
]
NO_CSS_ERRORS = [
    "@media print { a:hover { color: red } } @font-face { src: url(x) } @page { margin: 0 }",
    "a { --x: { y }; & b { color: red } @media print { color: red } }",
    "@supports (color: red) { @media print { a { b: c } } } @layer x; @keyframes x { 50% { top: 0 } }",
]


@pytest.mark.parametrize(("text", "line"), CSS_ERRORS, ids=[text for text, _ in CSS_ERRORS])
def test_css_syntax_error_has_line(text: str, line: int) -> None:
    assert [result for result, _ in css.errors(text)] == [line]


@pytest.mark.parametrize("text", NO_CSS_ERRORS)
def test_valid_css_has_no_syntax_error(text: str) -> None:
    assert list(css.errors(text)) == []
