"""A credential backend for people behind a login API: JSON, form posts, XML and SOAP, HTTP Basic, CAS REST, Keycloak's
password grant, or an HTML login form.

    linkauth.backend.legacy.use = http
    linkauth.backend.legacy.preset = json
    linkauth.backend.legacy.url = https://api.example.com/login
    linkauth.backend.legacy.success = /result/ok = true
    linkauth.backend.legacy.subject = /result/id

One sign-in is one request (two for a form with a hidden token). What an answer means is declared in the ini; success
needs a positive marker, and what nobody declared is an outage and never a wrong password.
"""

from linkauth_http.backend import HTTPBackend
from linkauth_http.settings import HTTPSettings

__all__ = ["HTTPBackend", "HTTPSettings"]
