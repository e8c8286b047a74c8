"""Parses a page for the contract tests of a theme."""

from __future__ import annotations

from html.parser import HTMLParser


class Elements(HTMLParser):
    """The elements of an HTML page in document order, each with its tag and attributes, and the texts between tags."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self._forms: list[list[tuple[str, dict[str, str]]]] = []
        self._in_form = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag == "form":
            self._forms.append([])
            self._in_form = True
        if self._in_form:
            self._forms[-1].append(self.elements[-1])

    def handle_endtag(self, tag: str) -> None:
        self._in_form = self._in_form and tag != "form"

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def form(self, method: str) -> Elements:
        """Returns the form element with this method and the elements inside it. There must be exactly one such form.

        Hidden forms, whose buttons lead to other pages, do not count.
        """
        (elements,) = [
            form for form in self._forms if form[0][1].get("method", "get") == method and "hidden" not in form[0][1]
        ]
        return _elements(elements)

    def provider_forms(self) -> list[Elements]:
        """Returns the forms of sign-in providers, each with the elements inside it."""
        return [_elements(form) for form in self._forms if "/go/" in form[0][1].get("action", "").partition("?")[0]]

    def forms(self, id_: str) -> list[Elements]:
        """Returns the form elements with this id, each with the elements inside it."""
        return [_elements(form) for form in self._forms if form[0][1].get("id") == id_]

    def inputs(self) -> dict[str, dict[str, str]]:
        """Returns the attributes of each input element by its name."""
        return {attributes["name"]: attributes for attributes in self.all("input")}


def _elements(elements: list[tuple[str, dict[str, str]]]) -> Elements:
    result = Elements("")
    result.elements = elements
    return result


def check_buttons(form: Elements) -> None:
    """Checks the buttons: the first submit button sends the form, a later one cancels, and other buttons are hidden.

    The script of the page shows the hidden buttons, because they do nothing without it. Buttons of another form lead to
    other pages.
    """
    own = [button for button in form.all("button") if "form" not in button]
    submitting = [button for button in own if button.get("type", "submit") == "submit"]
    assert "name" not in submitting[0]
    assert "cancel" in [button.get("name") for button in submitting[1:]]
    assert all("hidden" in button for button in own if button not in submitting)


def check_final_buttons(form: Elements) -> None:
    """Checks the form of a page on which the person can correct nothing.

    It has no fields, and its only button cancels. Buttons of another form lead to other pages.
    """
    assert [button.get("name") for button in form.all("button") if "form" not in button] == ["cancel"]
    assert {field["type"] for field in form.all("input")} == {"hidden"}
    assert not form.all("select")
