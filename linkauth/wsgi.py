"""For WSGI servers that want `module:application`: `LINKAUTH_INI=production.ini <server> linkauth.wsgi:application`.

With N worker processes set LINKAUTH_WORKERS=N too, so that they share the cores for password hashes. granian takes
`linkauth.asgi` only.
"""

from __future__ import annotations

import sys

from linkauth.config.loader import StartError
from linkauth.redaction import redact
from linkauth.web.serving import from_environment

try:
    if "granian" in sys.modules:
        # a few slow bodies stop all of its threads there, and it takes X_Forwarded_For for X-Forwarded-For
        raise StartError(
            "granian's WSGI interface has no deadline for bodies and confuses names of headers; "
            "start it as docs/deployment.md says: granian --interface asgi --http 1 ... linkauth.asgi:application"
        )
    application = from_environment().app
except StartError as error:
    sys.exit(f"linkauth cannot start:\n{redact(error)}")
