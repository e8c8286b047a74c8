from setuptools import setup

setup(
    name="linkauth-theme-default",
    version="0.1.0",
    description="linkauth's default theme: small, mobile, accessible, with a script that it does not need",
    license="MIT",
    python_requires=">=3.11",
    packages=["linkauth_theme_default"],
    package_data={"linkauth_theme_default": ["templates/*", "static/*", "locale/*/LC_MESSAGES/*"]},
    install_requires=["linkauth"],
    entry_points={"linkauth.themes": ["default = linkauth_theme_default"]},
)
