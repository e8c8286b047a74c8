from setuptools import setup

setup(
    name="linkauth-ldap",
    version="0.1.0",
    description="linkauth credential backend: people in an LDAP directory or Active Directory",
    license="MIT",
    python_requires=">=3.11",
    packages=["linkauth_ldap"],
    install_requires=["linkauth", "ldap3>=2.9.1,<3", "pyasn1>=0.6.4,<0.7"],
    entry_points={"linkauth.backends": ["ldap = linkauth_ldap:LDAPBackend"]},
)
