"""A credential backend for people in an SQL table, reached through SQLAlchemy.

The ini file names the application that owns the table, or the table and its columns, or a query:

    linkauth.backend.wiki.use = sql
    linkauth.backend.wiki.preset = mediawiki
    linkauth.backend.wiki.url = mariadb://reader@db.example.com/wiki

    linkauth.backend.staff.use = sql
    linkauth.backend.staff.url = postgresql+psycopg://reader@db.example.com/intranet
    linkauth.backend.staff.table = people
    linkauth.backend.staff.subject_column = id
    linkauth.backend.staff.username_columns = login email
    linkauth.backend.staff.password_column = password_hash

`hashes` defines the hash schemes, `presets` the supported applications, and `states` the reasons to refuse an account.
The scheme of a hash is identified by its format.
"""

from linkauth_sql.backend import SQLBackend
from linkauth_sql.settings import SQLSettings

__all__ = ["SQLBackend", "SQLSettings"]
