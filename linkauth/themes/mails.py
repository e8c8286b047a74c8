"""Renders mails. The template has the blocks `subject`, `text` and `html`, which a child theme can override."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from typing import Any

import jinja2

from linkauth.mail.parts import Parts

_BLANK_LINES = re.compile(r"\n{3,}")


def render(template: jinja2.Template, values: Mapping[str, Any]) -> Parts:
    """Returns the texts of a mail. `values` are the variables of the template. Raises what the template raises.

    All values are escaped, as in pages. The subject and the plain text are unescaped afterwards, so a template needs no
    other rules for them.
    """
    context = template.new_context(dict(values))
    # extends the parents, and collects their blocks in the context
    for _ in template.root_render_func(context):
        pass
    subject, text, document = ("".join(context.blocks[name][0](context)) for name in ("subject", "text", "html"))
    plain = _BLANK_LINES.sub("\n\n", "\n".join(line.strip() for line in html.unescape(text).splitlines()))
    return Parts(" ".join(html.unescape(subject).split()), plain.strip() + "\n", document.strip() + "\n")
