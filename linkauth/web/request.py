"""What `config.add_request_method` put on the request, made once.

Pyramid makes a class of its own for every request that has added properties; here they become one class at the start.
"""

from __future__ import annotations

from typing import Any

from pyramid.interfaces import IRequestExtensions
from pyramid.request import Request


def includeme(config: Any) -> None:
    """Must come last: what is added to the request afterwards is Pyramid's to add again."""
    config.commit()
    added = config.registry.getUtility(IRequestExtensions)
    config.set_request_factory(type("Request", (Request,), {**added.methods, **added.descriptors}))
    added.methods.clear()
    added.descriptors.clear()
