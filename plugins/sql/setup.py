from setuptools import setup

setup(
    name="linkauth-sql",
    version="0.1.0",
    description="linkauth credential backend: people in an SQL table",
    license="MIT",
    python_requires=">=3.11",
    packages=["linkauth_sql", "linkauth_sql.digests", "linkauth_sql.hashes"],
    install_requires=[
        "linkauth",
        "SQLAlchemy>=2.1.9,<2.2",
        "argon2-cffi>=25.1,<26",
        # for password hashes of older programs; libpass provides the module passlib
        "bcrypt>=5,<6",
        "libpass>=1.9.4,<2",
    ],
    extras_require={"postgresql": ["psycopg[binary]>=3.3.9,<4"], "mariadb": ["PyMySQL>=1.2.4,<2"]},
    entry_points={"linkauth.backends": ["sql = linkauth_sql:SQLBackend"]},
)
