"""The application for ASGI servers: `LINKAUTH_INI=production.ini <server> linkauth.asgi:application`.

docs/deployment.md describes granian. The setting `threads` in [server:main] is the maximum number of concurrent
sign-ins per process, and also that of other concurrent requests. If the server has N worker processes, set
LINKAUTH_WORKERS=N too: the processes then share the CPU cores for password hashes.
"""

from __future__ import annotations

import sys

from linkauth.config.loader import StartError
from linkauth.redaction import redact
from linkauth.web.asgi import Application
from linkauth.web.quick_requests import QuickRequests
from linkauth.web.serving import from_environment, threads
from linkauth.web.sign_in_threads import SignInThreads

try:
    _loaded = from_environment()
    _loaded.services.start()
    _loaded.services.log_backends()
    _threads = threads(_loaded)
    _sign_ins = SignInThreads.from_services(_loaded.services, _threads)
    application = Application(_loaded.app, _threads, _sign_ins, QuickRequests.from_services(_loaded.services))
except StartError as error:
    sys.exit(f"linkauth cannot start:\n{redact(error)}")
