"""Keeps configured secrets out of messages, logs and pages. PUBLIC: plugins use `redact` and `reason`.

Drivers, libraries and the operating system put parts of what they were given into their messages: a URL parser that
splits a password at an `@` gives the rest of it as the name of a host. The reader of the settings registers every
secret here, and no foreign text is shown that has not passed `redact`.

What is masked:

* The whole secret, if it has at least MIN_LENGTH characters.
* Each part of the secret, and each run of adjacent parts, if it has at least MIN_LENGTH characters. Parts are the
  substrings between the delimiters of URLs, SQL and shells. Shorter parts occur in every message, so they are masked
  only where a message holds them in quotes, as drivers quote the pieces of a URL.
* A form shorter than UNAMBIGUOUS_LENGTH is masked only where it is not part of a longer word.
"""

from __future__ import annotations

import html
import json
import re
import threading
from base64 import b64encode
from collections.abc import Iterable, Iterator
from urllib.parse import parse_qsl, quote, quote_plus, unquote, unquote_plus

MASK = "***"
MIN_LENGTH = 4
UNAMBIGUOUS_LENGTH = 8
RUN_LIMIT = 256
"""Characters of the longest run of parts that is looked for, beside the whole secret."""
PASSPHRASE_LENGTH = 20
"""Characters of a run without digits that is hidden of a passphrase: no parser splits one, and its words are those of
messages."""
PART_COUNT_LIMIT = 32
"""Parts of a secret whose runs are looked for: what has more is a text with secrets in it."""
SPLIT_LIMIT = 4096
"""Characters of a secret that are taken apart: longer ones are keys, which no parser splits."""
REASON_LIMIT = 300

_DELIMITERS = r"@/:#?&=%'\"\\`,;\s\[\]"
_PART = re.compile(f"[^{_DELIMITERS}]+")
_TOKEN = re.compile(r"[\w.+-]+")
_PIECE = re.compile(r"[^<>\"'&={}\n]+")
"""What stands in quotes, in an element of XML or in a field of a form."""
_PLACEHOLDER = re.compile(r"\{[a-z_]+\}")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_ESCAPE = re.compile(r"(?:%[0-9a-f]{2}|\\x[0-9a-f]{2}|\\u[0-9a-f]{4}|\\[nrt])\Z")
_QUOTED = re.compile(r"""(?<=['"])[^'"]{1,3}(?=['"])""")
_SECRET_KEY = re.compile(r"pass|pwd|secret|token|credential", re.IGNORECASE)
_PUBLIC = frozenset(
    {
        *("authentication", "certificate", "client", "connection", "database", "failed", "host", "linkauth"),
        *("localhost", "mariadb", "mysql", "passwd", "password", "port", "postgres", "postgresql", "secret"),
        *("server", "sqlite", "timeout", "user", "username"),
        *("base64", "oauth2", "sha256", "utf-8", "www.w3.org"),
    }
)
"""Words of messages themselves: to hide them says that they are the password, and makes messages unreadable. The last
ones stand in templates of requests."""

URL_ADVICE = (
    "in a name or password write %40 for @, %2F for /, %3A for :, %3F for ?, %23 for #, %25 for % and %20 for a blank; "
    "an ini file itself wants each % twice (%%40), what file: and env: name does not"
)

_lock = threading.Lock()
_forms: dict[str, tuple[str, ...]] = {}
"""The first MIN_LENGTH characters of every form, to the forms, longest first."""
_short_parts: set[str] = set()
_registered: set[tuple[str, bool]] = set()


def redact(text: object) -> str:
    """`text` with MASK in place of everything that was registered, in any form. Linear in the length of the text."""
    whole = str(text)
    folded = _fold(whole)
    found: list[str] = []
    shown, start, end = 0, 0, 0
    for at in range(len(folded) - MIN_LENGTH + 1):
        forms = _forms.get(folded[at : at + MIN_LENGTH])
        if not forms:
            continue
        longest = next((len(form) for form in forms if _matches_at(folded, form, at)), 0)
        if not longest:
            continue
        if at >= end:
            if end:
                found += [whole[shown:start], MASK]
                shown = end
            start = at
        end = max(end, at + longest)
    if end:
        found += [whole[shown:start], MASK]
    found.append(whole[end:])
    result = "".join(found)
    if _short_parts:
        result = _QUOTED.sub(lambda quoted: MASK if quoted[0].lower() in _short_parts else quoted[0], result)
    return result


def reason(error: BaseException) -> str:
    """What a driver, a library or the operating system says of an error: its first line, without secrets, printable
    and of REASON_LIMIT characters at most; the class of the error if it says nothing."""
    # SQLAlchemy's own text holds the statement too
    cause = getattr(error, "orig", None) or error
    if isinstance(cause, UnicodeError):
        # its text holds letters of what was read
        return type(cause).__name__
    text = str(cause)
    if isinstance(cause, OSError) and cause.strerror:
        text = f"{cause.strerror}: {cause.filename}" if cause.filename else cause.strerror
    lines = [line.strip() for line in redact(text).splitlines() if line.strip()]
    said = "".join(letter if letter.isprintable() else "?" for letter in lines[0]) if lines else ""
    if len(said) > REASON_LIMIT:
        said = said[:REASON_LIMIT] + "…"
    return said or type(cause).__name__


def register_secret(secret: str, from_url: bool = False, public: Iterable[str] = ()) -> None:
    """Register a secret. `from_url` if it stood in a URL, whose parser may have split it: then words of it are hidden
    one by one too. `public` are words that may be shown although they are part of it, such as the user's name."""
    if not secret or (secret, from_url) in _registered:
        return
    allowed = _PUBLIC | {word.lower() for word in public}
    forms: set[str] = set()
    short: set[str] = set()
    for spelled in {secret, unquote(secret), unquote_plus(secret)}:
        for run in _runs(spelled, from_url):
            if run.lower() in allowed:
                continue
            if len(run) < MIN_LENGTH:
                short.add(run.lower())
            else:
                forms.update(_fold(form) for form in _spellings(run) if len(form) >= MIN_LENGTH)
        forms.update(map(_fold, _base64(spelled)))
    with _lock:
        _registered.add((secret, from_url))
        _short_parts.update(short)
        for form in forms:
            key = form[:MIN_LENGTH]
            _forms[key] = tuple(sorted({*_forms.get(key, ()), form}, key=len, reverse=True))


def register_url(url: str) -> None:
    """Register the password of a URL, and the values of its query that are named as secrets are."""
    if not _SCHEME.match(url):
        return
    rest = url.partition("://")[2]
    if not rest.startswith("/"):
        # the last @, for the password of a URL that is refused may hold some
        userinfo, _, place = rest.rpartition("@")
        user, _, password = userinfo.partition(":")
        named = _PART.findall(place.partition("?")[0])
        shown = (user, unquote(user), *named) if url_problem(url) is None else ()
        register_secret(password, from_url=True, public=shown)
    for key, value in parse_qsl(rest.partition("?")[2]):
        if _SECRET_KEY.search(key):
            register_secret(value, from_url=True)


def register_embedded(text: str) -> None:
    """Register what looks like a key in a text that holds other things too, such as a header or a template of a
    request: UNAMBIGUOUS_LENGTH characters or more with a digit among them, and
    what stands in quotes or in an element with a digit.
    """
    template = is_template(text)
    text = _PLACEHOLDER.sub(" ", text)
    for piece in map(str.strip, _PIECE.findall(text)):
        if is_url(piece):
            register_url(piece)
            continue
        length, has_digit = len(piece), any(map(str.isdigit, piece))
        if (length >= MIN_LENGTH and has_digit) or (template and length >= PASSPHRASE_LENGTH):
            register_secret(piece)
    for token in _TOKEN.findall(text):
        if len(token) >= UNAMBIGUOUS_LENGTH and any(map(str.isdigit, token)):
            register_secret(token)


def is_template(text: str) -> bool:
    """Does it hold {placeholders}, so that it is a text around secrets and no secret itself?"""
    return bool(_PLACEHOLDER.search(text))


def is_url(text: str) -> bool:
    """Does it begin as a URL with an authority does (RFC 3986 section 3)?"""
    return bool(_SCHEME.match(text))


def url_problem(url: str) -> str | None:
    """Why parsers could split the user's name or password of a URL in another way than it is meant, or None.

    RFC 3986 section 3.2.1 wants `@ / ? # %` and blanks percent-encoded there.
    """
    rest = url.partition("://")[2]
    if rest.startswith("/"):
        # no authority, as of a file
        return None
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    userinfo, at, _ = authority.partition("@")
    if rest.count("@") > 1 or ("@" in rest and not at):
        return f"holds an @, /, ? or # that is not percent-encoded: {URL_ADVICE}"
    if at and re.search(r"%(?![0-9A-Fa-f]{2})", userinfo):
        return f"holds a % that is not percent-encoded: {URL_ADVICE}"
    if re.search(r"\s", rest):
        return f"holds a blank that is not percent-encoded: {URL_ADVICE}"
    return None


def _matches_at(text: str, form: str, at: int) -> bool:
    if not text.startswith(form, at):
        return False
    end = at + len(form)
    if len(form) >= UNAMBIGUOUS_LENGTH:
        return True
    before, after = text[max(0, at - 6) : at], text[end : end + 1]
    if _is_word(after):
        return False
    return not before or not _is_word(before[-1]) or bool(_ESCAPE.search(before))


def _is_word(letter: str) -> bool:
    return letter.isalnum() or letter == "_"


def _fold(text: str) -> str:
    """In small letters and of the same length, for drivers write hosts in small letters."""
    folded = text.lower()
    if len(folded) == len(text):
        return folded
    return "".join(letter.lower() if len(letter.lower()) == 1 else letter for letter in text)


def _runs(secret: str, from_url: bool) -> Iterator[str]:
    """The whole secret, and every run of its parts that is worth hiding."""
    yield secret
    parts = [(found.start(), found.end()) for found in _PART.finditer(secret[:SPLIT_LIMIT])]
    for first, (start, _) in enumerate(parts):
        for last in range(first, len(parts) if len(parts) <= PART_COUNT_LIMIT else first + 1):
            run = secret[start : parts[last][1]]
            if len(run) > RUN_LIMIT:
                break
            if from_url or len(run) >= PASSPHRASE_LENGTH or (len(run) >= MIN_LENGTH and any(map(str.isdigit, run))):
                yield run


def _spellings(run: str) -> set[str]:
    """How libraries write a text: percent-encoded, escaped as in Python, JSON, SQL, conninfo and HTML."""
    quoted = {quote(run, safe=safe) for safe in ("", "/", " +", "/:?#[]@!$&'()*+,;=")} | {quote_plus(run)}
    escaped = {repr(run)[1:-1], ascii(run)[1:-1], repr(run.encode("utf-8", "replace"))[2:-1]}
    escaped |= {json.dumps(run)[1:-1], json.dumps(run, ensure_ascii=False)[1:-1]}
    doubled = {run.replace("'", "''"), run.replace('"', '""'), run.replace("`", "``")}
    backslashed = {run.replace("\\", "\\\\"), re.sub(r"(['\"\\])", r"\\\1", run), re.sub(r"(['\\])", r"\\\1", run)}
    pages = {html.escape(run), html.escape(run, quote=False)}
    once = {run, *quoted, *escaped, *doubled, *backslashed, *pages}
    # an exception within another one's message
    return once | {repr(form)[1:-1] for form in once} | {quote(form, safe="") for form in quoted}


def _base64(secret: str) -> Iterator[str]:
    """The part that every Base64 text with this secret contains, for any prefix before it, such as `user:`."""
    data = secret.encode("utf-8", "replace")
    if len(data) < 6:
        return
    for offset in range(3):
        whole = b64encode(b"\0" * offset + data).decode("ascii").rstrip("=")
        begin = (offset * 8 + 5) // 6
        common = whole[begin : (offset + len(data)) * 8 // 6]
        yield from {common, common.replace("+", "-").replace("/", "_")}
