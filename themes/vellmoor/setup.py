from setuptools import setup

setup(
    name="linkauth-theme-vellmoor",
    version="0.1.0",
    description="A theme of linkauth, for a railway that does not exist: what a child of the default theme can be",
    license="MIT",
    python_requires=">=3.11",
    packages=["linkauth_theme_vellmoor"],
    package_data={"linkauth_theme_vellmoor": ["templates/*", "static/*", "locale/*/LC_MESSAGES/*"]},
    install_requires=["linkauth", "linkauth-theme-default"],
    entry_points={"linkauth.themes": ["vellmoor = linkauth_theme_vellmoor"]},
)
