"""A credential backend for people in an LDAP directory: Active Directory, OpenLDAP, 389 Directory Server, FreeIPA.

    linkauth.backend.corp.use = ldap
    linkauth.backend.corp.preset = activedirectory
    linkauth.backend.corp.uris = ldaps://dc1.example.com ldaps://dc2.example.com
    linkauth.backend.corp.bind_dn = svc-linkauth@example.com
    linkauth.backend.corp.bind_password = file:/run/secrets/svc-linkauth
    linkauth.backend.corp.user_base = OU=People,DC=example,DC=com

The service account finds the entry, a bind as that entry proves the password, and the identity is read from the entry.
"""

import warnings

# ldap3 2.9.1 uses names that pyasn1 has renamed; no operator can act on that
warnings.filterwarnings("ignore", r"(tagMap|typeMap) is deprecated", DeprecationWarning)

from linkauth_ldap.backend import LDAPBackend  # noqa: E402
from linkauth_ldap.settings import LDAPSettings  # noqa: E402

__all__ = ["LDAPBackend", "LDAPSettings"]
