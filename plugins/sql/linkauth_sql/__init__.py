"""A credential backend for people in an SQL table, reached through SQLAlchemy.

An ini file names the application whose table it is, or the table and its columns, or a whole query:

    linkauth.backend.wiki.use = sql
    linkauth.backend.wiki.preset = mediawiki
    linkauth.backend.wiki.url = mariadb://reader@db.example.com/wiki

    linkauth.backend.staff.use = sql
    linkauth.backend.staff.url = postgresql+psycopg://reader@db.example.com/intranet
    linkauth.backend.staff.table = people
    linkauth.backend.staff.subject_column = id
    linkauth.backend.staff.username_columns = login email
    linkauth.backend.staff.password_column = password_hash

Hashes are known by their look; `hashes` has the schemes, `presets` the applications, `states` what refuses an account.
"""

from linkauth_sql.backend import SQLBackend
from linkauth_sql.settings import SQLSettings

__all__ = ["SQLBackend", "SQLSettings"]
