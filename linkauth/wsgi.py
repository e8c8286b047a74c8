"""The application for WSGI servers: `LINKAUTH_INI=production.ini <server> linkauth.wsgi:application`.

If the server has N worker processes, set LINKAUTH_WORKERS=N too: the processes then share the CPU cores for password
hashes. granian requires `linkauth.asgi` instead.
"""

from __future__ import annotations

import sys

from linkauth.config.loader import StartError
from linkauth.redaction import redact
from linkauth.web.serving import from_environment

try:
    if "granian" in sys.modules:
        # a few slow bodies block all of its threads, and it treats X_Forwarded_For as X-Forwarded-For
        raise StartError(
            "granian's WSGI interface has no deadline for request bodies and confuses header names; "
            "start it as in docs/deployment.md: granian --interface asgi --http 1 ... linkauth.asgi:application"
        )
    application = from_environment().app
except StartError as error:
    sys.exit(f"linkauth cannot start:\n{redact(error)}")
