from setuptools import setup

setup(
    name="linkauth-sql",
    version="0.1.0",
    description="linkauth credential backend: people in an SQL table",
    license="MIT",
    python_requires=">=3.11",
    packages=["linkauth_sql"],
    install_requires=["linkauth", "SQLAlchemy>=2.1.9,<2.2", "argon2-cffi>=25.1,<26"],
    extras_require={"postgresql": ["psycopg[binary]>=3.3.9,<4"]},
    entry_points={"linkauth.backends": ["sql = linkauth_sql:SQLBackend"]},
)
