from setuptools import setup

setup(
    name="linkauth-theme-vellmoor",
    version="0.1.0",
    description="An example theme of linkauth for a fictional railway, which extends the default theme",
    license="MIT",
    python_requires=">=3.11",
    packages=["linkauth_theme_vellmoor"],
    package_data={"linkauth_theme_vellmoor": ["templates/*", "static/*", "locale/*/LC_MESSAGES/*"]},
    install_requires=["linkauth", "linkauth-theme-default"],
    entry_points={"linkauth.themes": ["vellmoor = linkauth_theme_vellmoor"]},
)
