"""linkauth: Alexa account linking for existing user directories of enterprises."""

import warnings
from typing import Any

# Pyramid 2.1 imports pkg_resources, which prints a deprecation warning at each start. Operators cannot fix it
warnings.filterwarnings("ignore", "pkg_resources is deprecated", UserWarning)


def main(global_config: dict[str, str], **ini: str) -> Any:
    """Create the WSGI application (entry point `paste.app_factory`).

    `ini` is the section [app:main] of the ini file, `global_config` the section [DEFAULT]. Raises SettingsError or
    ConfigurationError.
    """
    # imported here, because each `import linkauth.backends` in a plugin also runs this module
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
            config.include("linkauth.web.log_context")
            config.include("linkauth.web.limits")
            config.include("linkauth.web.background")
            config.include("linkauth.web.routes")
            config.include("linkauth.views")
            if settings.simulator.client:
                config.include("linkauth.simulator")
            return config.make_wsgi_app()
    except BaseException:
        services.close()
        raise
