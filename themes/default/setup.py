from setuptools import setup

setup(
    name="linkauth-theme-default",
    version="0.1.0",
    description="The default theme of linkauth: small, mobile and accessible; its script is optional",
    license="MIT",
    python_requires=">=3.11",
    packages=["linkauth_theme_default"],
    package_data={"linkauth_theme_default": ["templates/*", "static/*", "locale/*/LC_MESSAGES/*"]},
    install_requires=["linkauth"],
    entry_points={"linkauth.themes": ["default = linkauth_theme_default"]},
)
