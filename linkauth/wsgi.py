"""For servers that want `module:application`: `LINKAUTH_INI=production.ini granian ... linkauth.wsgi:application`.

With N worker processes set LINKAUTH_WORKERS=N too, so that they share the cores for password hashes. What the ini's
[server:main] says of a trusted proxy counts here too.
"""

from __future__ import annotations

import os
import sys

from linkauth.redaction import redact
from linkauth.starting import StartError, behind_proxy, load

try:
    application = behind_proxy(load(os.environ.get("LINKAUTH_INI", "production.ini")))
except StartError as error:
    sys.exit(f"linkauth cannot start:\n{redact(error)}")
