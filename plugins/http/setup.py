from setuptools import setup

setup(
    name="linkauth-http",
    version="0.1.0",
    description="linkauth credential backend: people behind a legacy login API or an HTML login form",
    license="MIT",
    python_requires=">=3.11",
    packages=["linkauth_http"],
    install_requires=["linkauth", "urllib3>=2.7.0,<3", "defusedxml>=0.7.1,<0.9"],
    entry_points={"linkauth.backends": ["http = linkauth_http:HTTPBackend"]},
)
