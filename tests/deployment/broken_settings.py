"""Errors in an ini file, and what must be said about each of them."""

from __future__ import annotations

from dataclasses import dataclass

CANARY = "c4n4ry"
"""A value that no message may contain."""


@dataclass(frozen=True)
class Error:
    """An error in the ini file: the text that matches `pattern` is replaced. `sentence` is what must be told."""

    pattern: str
    replacement: str
    sentence: str


ERRORS = [
    Error("use = sql", "use = sqll", "linkauth.backend.staff.use: is not one of the installed backends: "),
    Error("^linkauth.theme = default", "linkauth.theme = dfault", "linkauth.theme: is not one of the installed themes"),
    Error(
        r"^(linkauth.database = .*)\nlinkauth.database_upgrade = .*",
        r"\1.new",
        "linkauth.database: has no linkauth tables; create them with",
    ),
    Error(
        "^linkauth.database = .*",
        "linkauth.database = sqlite:////proc/x/y.db",
        "linkauth.database: cannot be opened: this account cannot write to /proc: ",
    ),
    Error("^linkauth.database = .*", "linkauth.database = sqlite", "linkauth.database: is not a database URL"),
    Error(
        "^linkauth.secret = .*",
        "linkauth.secret = env:NOT_SET_HERE",
        "linkauth.secret: names the environment variable 'NOT_SET_HERE', which is not set",
    ),
    Error(
        "^linkauth.secret = .*",
        "linkauth.secret = file:/nowhere",
        "linkauth.secret: names the file '/nowhere', which cannot be read: No such file or directory",
    ),
    Error("^linkauth.backends = .*", "", "linkauth.backends: is missing"),
    Error(
        "^linkauth.theme = default",
        "linkauth.breached_passwords = /nowhere/c4n4ry",
        "linkauth.breached_passwords: does not name a file",
    ),
    Error("^use = egg:linkauth", "use = egg:linkaut", "[app:main] cannot be "),
    Error("egg:waitress#main", "egg:waitres#main", "[server:main] cannot be used"),
    Error("^use = egg:waitress#main", "", "No loader given in section 'server:main'; write use = egg:waitress#main"),
    Error("^linkauth.clients = .*", "linkauth.clients = hailer", "linkauth.client.ride-hailer: has keys, but"),
    Error("^threads = 32", "thread = 32", "[server:main] thread: is not a known key; the nearest known key is threads"),
    Error(r"\[app:main\]", "[app:mine]", "has no section [app:main]"),
    Error(r"^\[app:main\]", "app:main", "line 4 is neither a [section] nor a key = value"),
    Error(
        r"^linkauth.simulator.client = .*", "linkauth.simulator.client = x", "linkauth.simulator.client: is not a name"
    ),
    Error(
        "^linkauth.backend.staff.url = .*",
        "linkauth.backend.staff.url = sqlite:///%(hier)s/people",
        "linkauth.backend.staff.url: write a literal % as %%",
    ),
    Error(
        "^linkauth.secret = .*",
        "linkauth.secret = c4n4ry%40c4n4ryc4n4ryc4n4ryc4n4ry",
        "linkauth.secret: write a literal %",
    ),
    Error("^linkauth.secret = .*", "linkauth.secret = c4n4ry%(oops)sc4n4ry", "linkauth.secret: write a literal %"),
    Error(
        "^threads = 32",
        "threads = c4n4ry",
        "[server:main] threads: is not a whole number: write only digits, without a unit",
    ),
    Error(
        "^linkauth.public_url = .*",
        "linkauth.public_url = https://link.example.com",
        "simulator.client: is for development",
    ),
    Error("^linkauth.simulator.client = .*", "", "simulator.people: applies only to the simulator"),
    Error(
        "^linkauth.theme = default", "linkauth.default_language = sv", "linkauth.default_language: is not a language"
    ),
    Error(
        "^linkauth.clients = .*",
        "linkauth.clients = alexa\nlinkauth.scope.a:b = c4n4ry\nlinkauth.scope.a:c = c4n4ry",
        "linkauth.scope.a is set in line 37 too: delete one of the two lines (a key ends at the first = or",
    ),
    Error(r"^\[app:main\]", "[DEFAULT]\nlinkauth.nonsense = 1\n[app:main]", "linkauth.nonsense: is not a known key"),
    # mistakes in the form of the file
    Error(
        "^linkauth.theme = .*", "linkauth.theme = default\nlinkauth.theme = default", "is set in line 34 too: delete"
    ),
    Error(r"\Z", "[app:main]\nlinkauth.theme = default\n", "[app:main] begins in line 4 too: move the keys of one"),
    Error(
        "^linkauth.theme =", "theme =", "theme does not begin with linkauth. and has no effect: write linkauth.theme"
    ),
    Error("^linkauth.theme =", "Linkauth.theme =", "Linkauth.theme does not begin with linkauth. and has no effect"),
    Error(
        "^linkauth.theme =", "linkaut.theme =", "linkaut.theme does not begin with linkauth. and has no effect: write"
    ),
    Error("^linkauth.theme =", "link.auth.theme =", "link.auth.theme does not begin with linkauth. and has no effect"),
    Error(
        "^linkauth.theme =",
        "  linkauth.theme =",
        "linkauth.theme is indented, so that it continues the value of linkauth",
    ),
    Error(
        "^linkauth.theme =",
        "\tlinkauth.theme =",
        "linkauth.theme is indented, so that it continues the value of linkauth",
    ),
    Error(
        "^threads", "linkauth.theme = x\nthreads", "linkauth.theme has no effect in this section: move it to [app:main]"
    ),
    Error(r"\Z", "[linkauth]\nlinkauth.x = 1\n", "linkauth.x has no effect in this section: move it to [app:main]"),
    Error(
        r"^\[app:main\]", "[DEFAULT]\nlinkauth.theme = x\n[app:main]", "has no effect, because [DEFAULT] sets it too in"
    ),
    Error(r"^\[app:main\]", "[app:linkauth]", "has no section [app:main]: rename [app:linkauth]"),
    Error(r"^\[server:main\]", "[server:mine]", "[server:main] is missing: copy this section from production.ini"),
    Error("^use = egg:linkauth", "use = config:broken.ini", "use: names [app:main] of"),
    Error("^use = egg:linkauth", "use = config:none.ini", "none.ini, which does not exist"),
    Error("^use = egg:linkauth", "use = config:broken.ini#x", "broken.ini, which has no such section"),
    # values that are written as in other programs
    Error("^linkauth.theme = .*", "linkauth.theme = default ; ours", "a comment after a value is part of the value"),
    Error("^linkauth.theme = .*", "linkauth.theme = default # ours", "a comment after a value is part of the value"),
    Error(
        "^linkauth.theme = .*", 'linkauth.theme = "default"', "linkauth.theme: is not one of the installed themes: def"
    ),
    Error(
        "^linkauth.secret = .*",
        "linkauth.secret = ${SECRET}",
        "linkauth.secret: is not expanded: to read the environment",
    ),
    Error(
        "^linkauth.theme = .*", "linkauth.sign_in_wait = 5s", "linkauth.sign_in_wait: is not a whole number: write only"
    ),
    Error(
        "scopes = order_car", "scopes = order_car,", "scopes: contains a comma between its values: separate them with"
    ),
    Error("columns = login", "columns = login,", "username_columns: contains a comma between its values: separate"),
    Error(
        "^linkauth.backends = .*", "linkauth.backends = staff, hr", "linkauth.backends: contains a comma between its"
    ),
    Error(
        "columns = login",
        r"\g<0>\nlinkauth.backend.staff.accepts = *@a, *@b",
        "staff.accepts: contains a comma between",
    ),
    # values that are missing, or that are there twice
    Error("^linkauth.public_url = .*", "linkauth.public_url =", "linkauth.public_url: is empty: write a value"),
    Error("^linkauth.theme = .*", "linkauth.theme =", "linkauth.theme: is empty: remove the line to use the default"),
    Error(
        "^linkauth.backend.staff.use = .*",
        "linkauth.backend.staff.use =",
        "linkauth.backend.staff.use: is empty: write",
    ),
    Error(
        "^linkauth.clients = .*", r"\g<0> ride-hailer", "linkauth.clients: contains a name twice: delete one of them"
    ),
    Error(
        "^linkauth.clients = .*",
        r"\g<0> b\nlinkauth.client.b.name = B\nlinkauth.client.b.secret = 1b5a2cd0f3a94e77\n"
        "linkauth.client.b.client_id = ride-hailer",
        "linkauth.client.b.client_id: is also the client_id of another client",
    ),
    # URLs, paths and addresses
    Error("^linkauth.public_url = .*", r"\g<0>/", "linkauth.public_url: ends with a slash: delete it"),
    Error(
        "^linkauth.public_url = .*",
        "linkauth.public_url = http://::1:1",
        "is not a URL: write an IPv6 address in brackets",
    ),
    Error(
        "^linkauth.database = .*",
        "linkauth.database = sqlite:///x.db",
        "names its file by a relative path, which depends",
    ),
    Error(
        "^linkauth.database = .*",
        "linkauth.database = sqlite:////tmp",
        "linkauth.database: cannot be opened: it names a",
    ),
    Error(
        "^linkauth.mail.sink = .*",
        "linkauth.mail.sink = mails",
        "linkauth.mail.sink: is a relative path, which depends",
    ),
    Error(
        "^linkauth.secret = .*",
        "linkauth.secret = file:secret",
        "'secret', which is a relative path: write an absolute",
    ),
    Error("^linkauth.secret = .*", "linkauth.secret = file:/tmp", "'/tmp', which cannot be read: Is a directory"),
    Error("^linkauth.secret = .*", "linkauth.secret = file:/dev/null", "'/dev/null', which is empty"),
    Error(
        "^linkauth.theme = .*",
        "linkauth.theme.default.logo = /none.svg",
        "linkauth.theme.default.logo: names the file '/none.svg', which cannot be read: No such file or directory",
    ),
    Error("^listen = .*", "listen = 127.0.0.1:99999", "listen: has no port from 1 to 65535: write an address such as"),
    Error("^listen = .*", "listen = ::1:6543", "listen: is not in the form host:port: write an address such as"),
    Error("^listen = .*", "listen = http://127.0.0.1", "listen: is a URL: write an address such as 127.0.0.1:6543"),
    Error("^listen = .*", "listen = 127.0.0.1", "listen: has no port from 1 to 65535: write an address such as"),
    Error("^listen = .*", "listen = 192.0.2.1:6543", "192.0.2.1:6543 is not an address of this machine. Use 127.0.0.1"),
    Error("^listen = .*", r"\g<0>\nport = 6543", "port: cannot be combined with listen: delete one of the two lines"),
    Error("^listen = .*", "unix_socket = /none/s", "/none/s is in a folder that does not exist. Create the folder, or"),
    Error(
        "^listen = .*", "unix_socket = /tmp/s\nunix_socket_perms = 999", "unix_socket_perms: is not an octal file mode"
    ),
    Error(
        "^threads = .*", "connection_limit = 2k", "connection_limit: is not a whole number: write only digits, without"
    ),
    Error("^threads = .*", "max_request_body_size = 100", "max_request_body_size: is below 65536"),
    Error("^threads = .*", "recv_bytes = 0", "recv_bytes: is below 1024"),
    Error("^threads = .*", "asyncore_use_poll = ja", "asyncore_use_poll: is neither true nor false"),
    Error(
        "^threads = .*", "trusted_proxy = *", "trusted_proxy: linkauth processes forwarded headers itself, under every"
    ),
]
