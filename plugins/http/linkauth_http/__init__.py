"""A credential backend for people behind a login API.

It supports JSON, form posts, XML and SOAP, HTTP Basic, CAS REST, Keycloak's password grant, and HTML login forms.

    linkauth.backend.legacy.use = http
    linkauth.backend.legacy.preset = json
    linkauth.backend.legacy.url = https://api.example.com/login
    linkauth.backend.legacy.success = /result/ok = true
    linkauth.backend.legacy.subject = /result/id

A sign-in takes one request, or two for a form with a hidden token. The ini file defines the meaning of responses. A
success needs a positive marker. A response that no rule covers is an outage, never a wrong password. Further requests
may be declared for recovery and registration.
"""

from linkauth_http.backend import HTTPBackend
from linkauth_http.settings import HTTPSettings

__all__ = ["HTTPBackend", "HTTPSettings"]
