"""linkauth: Alexa account linking for the user directory that an enterprise already has."""

import warnings
from typing import Any

# Pyramid 2.1 imports pkg_resources, which prints a warning at every start that no operator can act on
warnings.filterwarnings("ignore", "pkg_resources is deprecated", UserWarning)

from pyramid.config import Configurator  # noqa: E402


def main(global_config: dict[str, str], **ini: str) -> Any:
    """The WSGI application of an ini file's [app:main] and [DEFAULT] sections (entry point `paste.app_factory`)."""
    shared = {key: value for key, value in global_config.items() if key.startswith("linkauth.")}
    with Configurator(settings={**shared, **ini}) as config:
        config.include("linkauth.config.plugins")
        config.include("linkauth.login.throttle")
        config.include("linkauth.services")
        config.include("linkauth.login.shadows")
        config.include("linkauth.login.sign_in")
        config.include("linkauth.web.security")
        config.include("linkauth.web.forwarded")
        config.include("linkauth.web.routes")
        config.include("linkauth.views")
        if config.registry.settings["linkauth"].simulator.client:
            config.include("linkauth.simulator")
        config.include("linkauth.web.request")
        return config.make_wsgi_app()
