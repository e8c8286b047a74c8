"""A credential backend for people in an SQL table, reached through SQLAlchemy.

An ini file names the table and its columns, or a whole query:

    linkauth.backend.staff.use = sql
    linkauth.backend.staff.url = postgresql+psycopg://reader@db.example.com/intranet
    linkauth.backend.staff.table = people
    linkauth.backend.staff.subject_column = id
    linkauth.backend.staff.username_columns = login email
    linkauth.backend.staff.password_column = password_hash

Passwords are Argon2 hashes in PHC form (`$argon2id$...`).
"""

from linkauth_sql.backend import SQLBackend
from linkauth_sql.settings import SQLSettings

__all__ = ["SQLBackend", "SQLSettings"]
