from setuptools import setup

setup(
    name="linkauth-oidc",
    version="0.1.0",
    description="linkauth sign-in provider: OpenID Connect, and OAuth 2 with a userinfo endpoint",
    license="MIT",
    python_requires=">=3.11",
    packages=["linkauth_oidc"],
    install_requires=["linkauth", "joserfc>=1.8,<2", "cryptography>=46.0.7"],
    entry_points={"linkauth.sign_ins": ["oidc = linkauth_oidc:OIDCProvider"]},
)
