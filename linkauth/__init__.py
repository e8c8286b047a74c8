"""linkauth: Alexa account linking for the user directory that an enterprise already has."""

import warnings
from typing import Any

# Pyramid 2.1 imports pkg_resources, which prints a warning at every start that no operator can act on
warnings.filterwarnings("ignore", "pkg_resources is deprecated", UserWarning)


def main(global_config: dict[str, str], **ini: str) -> Any:
    """The WSGI application of an ini file's [app:main] and [DEFAULT] sections (entry point `paste.app_factory`).

    Raises SettingsError or ConfigurationError.
    """
    # here, because every import of linkauth.backends in a plugin imports this module first
    from pyramid.config import Configurator

    from linkauth.config.plugins import read_settings
    from linkauth.services import REGISTRY_KEY, build

    shared = {key: value for key, value in global_config.items() if key.startswith("linkauth.")}
    settings = read_settings({**shared, **ini})
    services = build(settings)
    try:
        with Configurator(settings={**shared, **ini, REGISTRY_KEY: services}) as config:
            config.include("linkauth.web.request")
            config.include("linkauth.web.headers")
            config.include("linkauth.web.forwarded")
            config.include("linkauth.web.limits")
            config.include("linkauth.web.routes")
            config.include("linkauth.views")
            if settings.simulator.client:
                config.include("linkauth.simulator")
            return config.make_wsgi_app()
    except BaseException:
        services.close()
        raise
