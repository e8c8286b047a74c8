"""For WSGI servers that want `module:application`: `LINKAUTH_INI=production.ini <server> linkauth.wsgi:application`.

With N worker processes set LINKAUTH_WORKERS=N too, so that they share the cores for password hashes. granian's WSGI
interface cannot tell X_Forwarded_For from X-Forwarded-For; `linkauth.asgi` is for it.
"""

from __future__ import annotations

import sys

from linkauth.starting import StartError, from_environment, require_clear_names

try:
    _loaded = from_environment()
    if "granian" in sys.modules:
        require_clear_names(_loaded)
    application = _loaded.app
except StartError as error:
    sys.exit(f"linkauth cannot start:\n{error}")
