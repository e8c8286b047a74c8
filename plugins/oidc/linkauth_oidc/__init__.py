"""A sign-in provider: people sign in at another place, with OpenID Connect, or with OAuth 2 and a userinfo endpoint.

    linkauth.sign_ins = google
    linkauth.sign_in.google.use = oidc
    linkauth.sign_in.google.preset = google
    linkauth.sign_in.google.client_id = 1234.apps.googleusercontent.com
    linkauth.sign_in.google.client_secret = file:/run/secrets/google
    linkauth.sign_in.google.match = email:corp

It uses the authorization code grant with PKCE (RFC 7636), and no other one. Endpoints come from the discovery document
of the issuer, or from the settings for plain OAuth 2. Requests are sent only to hosts that the settings or the preset
name.
"""

from linkauth_oidc.provider import OIDCProvider
from linkauth_oidc.settings import OIDCSettings

__all__ = ["OIDCProvider", "OIDCSettings"]
