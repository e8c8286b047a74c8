"""Masks configured secrets in messages, logs and pages. PUBLIC: plugins use `redact` and `reason`.

Drivers, libraries and the operating system quote parts of their input in error messages. For example, a URL parser that
splits a password at an `@` reports the rest of the password as a host name. The settings reader registers each secret
here. All text from outside linkauth must pass `redact` before it is shown.

What is masked:

* The whole secret.
* Runs of adjacent parts of the secret, because parsers may split it. Parts are the substrings between the delimiters of
  URLs, SQL and shells. A run is masked if it has a digit or at least PASSPHRASE_LENGTH characters, or if the secret
  is from a URL.
* All encoded forms of these, such as percent-encoding and Base64.

Short texts occur in every message. So a text of fewer than MIN_LENGTH characters is masked only where it is in quotes,
and one of fewer than UNAMBIGUOUS_LENGTH characters only where it is not part of a longer word.
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
"""Maximum length in characters of a run of parts that is masked. The whole secret has no such limit."""
PASSPHRASE_LENGTH = 20
"""Minimum length in characters of a masked run without a digit. Shorter runs of the words of a passphrase also occur in
ordinary messages."""
PART_COUNT_LIMIT = 32
"""If a secret has more parts, only single parts are masked, not runs of parts: it is a text that contains secrets."""
SPLIT_LIMIT = 4096
"""Number of characters of a secret that are split into parts. Longer secrets are keys, which no parser splits."""
REASON_LIMIT = 300
"""Maximum length of the result of `reason` in characters."""

_DELIMITERS = r"@/:#?&=%'\"\\`,;\s\[\]"
_PART = re.compile(f"[^{_DELIMITERS}]+")
_TOKEN = re.compile(r"[\w.+-]+")
_PIECE = re.compile(r"[^<>\"'&={}\n]+")
"""The text within quotes, within an XML element, or in a form field."""
_PLACEHOLDER = re.compile(r"\{[a-z_]+\}")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_ESCAPE = re.compile(r"(?:%[0-9a-f]{2}|\\x[0-9a-f]{2}|\\u[0-9a-f]{4}|\\[nrt])\Z")
_QUOTED = re.compile(r"""(?<=['"])[^'"]{1,3}(?=['"])""")
_SECRET_KEY = re.compile(r"pass|pwd|secret|token|credential", re.IGNORECASE)
_COMMON_WORDS = frozenset(
    {
        *("authentication", "certificate", "client", "connection", "database", "failed", "host", "linkauth"),
        *("localhost", "mariadb", "mysql", "passwd", "password", "port", "postgres", "postgresql", "secret"),
        *("server", "sqlite", "timeout", "user", "username"),
        *("base64", "oauth2", "sha256", "utf-8", "www.w3.org"),
    }
)
"""Words that are never masked. They are common in messages, so masking them would make messages unreadable and would
reveal that the secret is such a word. The last line lists words from request templates."""

URL_ADVICE = (
    "in a name or password write %40 for @, %2F for /, %3A for :, %3F for ?, %23 for #, %25 for % and %20 for a space; "
    "in an ini file double each % (%%40), but not in values that are read by file: or env:"
)

_lock = threading.Lock()
_forms: dict[str, tuple[str, ...]] = {}
"""Maps the first MIN_LENGTH characters to the forms that begin with them, longest first. A form is one way in which a
secret or a part of it may be written."""
_short_parts: set[str] = set()
_registered: set[tuple[str, bool]] = set()


def redact(text: object) -> str:
    """Return `text` with MASK instead of each registered secret. The cost is linear in the length of the text."""
    whole = str(text)
    folded = _fold(whole)
    result: list[str] = []
    copied, start, end = 0, 0, 0
    for position in range(len(folded) - MIN_LENGTH + 1):
        forms = _forms.get(folded[position : position + MIN_LENGTH])
        if not forms:
            continue
        longest = next((len(form) for form in forms if _matches_at(folded, form, position)), 0)
        if not longest:
            continue
        if position >= end:
            if end:
                result += [whole[copied:start], MASK]
                copied = end
            start = position
        end = max(end, position + longest)
    if end:
        result += [whole[copied:start], MASK]
    result.append(whole[end:])
    redacted = "".join(result)
    if _short_parts:
        redacted = _QUOTED.sub(lambda quoted: MASK if quoted[0].lower() in _short_parts else quoted[0], redacted)
    return redacted


def reason(error: BaseException) -> str:
    """Return the first line of an error message without secrets, as printable text of at most REASON_LIMIT characters.

    If the message is empty, return the class name of the error.
    """
    # the message of SQLAlchemy also contains the statement, so the original error is used
    cause = getattr(error, "orig", None) or error
    if isinstance(cause, UnicodeError):
        # the message contains parts of the input
        return type(cause).__name__
    text = str(cause)
    if isinstance(cause, OSError) and cause.strerror:
        text = f"{cause.strerror}: {cause.filename}" if cause.filename else cause.strerror
    lines = [line.strip() for line in redact(text).splitlines() if line.strip()]
    message = "".join(letter if letter.isprintable() else "?" for letter in lines[0]) if lines else ""
    if len(message) > REASON_LIMIT:
        message = message[:REASON_LIMIT] + "…"
    return message or type(cause).__name__


def register_secret(secret: str, from_url: bool = False, public: Iterable[str] = ()) -> None:
    """Register a secret to be masked.

    `from_url` is true for a secret from a URL. A URL parser may split such a secret, so its parts are masked even if
    they contain no digit. `public` are words that are not masked although they are part of the secret, such as the
    username.
    """
    if not secret or (secret, from_url) in _registered:
        return
    allowed = _COMMON_WORDS | {word.lower() for word in public}
    forms: set[str] = set()
    short: set[str] = set()
    for decoded in {secret, unquote(secret), unquote_plus(secret)}:
        for run in _runs(decoded, from_url):
            if run.lower() in allowed:
                continue
            if len(run) < MIN_LENGTH:
                short.add(run.lower())
            else:
                forms.update(_fold(form) for form in _encodings(run) if len(form) >= MIN_LENGTH)
        forms.update(map(_fold, _base64_fragments(decoded)))
    with _lock:
        _registered.add((secret, from_url))
        _short_parts.update(short)
        for form in forms:
            key = form[:MIN_LENGTH]
            _forms[key] = tuple(sorted({*_forms.get(key, ()), form}, key=len, reverse=True))


def register_url_secrets(url: str) -> None:
    """Register the password of a URL, and the values of its query parameters that have the name of a secret."""
    if not _SCHEME.match(url):
        return
    rest = url.partition("://")[2]
    if not rest.startswith("/"):
        # split at the last @, because the password of an invalid URL may contain one
        userinfo, _, location = rest.rpartition("@")
        user, _, password = userinfo.partition(":")
        names = _PART.findall(location.partition("?")[0])
        public = (user, unquote(user), *names) if url_problem(url) is None else ()
        register_secret(password, from_url=True, public=public)
    for key, value in parse_qsl(rest.partition("?")[2]):
        if _SECRET_KEY.search(key):
            register_secret(value, from_url=True)


def register_embedded_secrets(text: str) -> None:
    """Register what looks like a secret within a longer text, such as a header or a request template.

    These are words of at least UNAMBIGUOUS_LENGTH characters with a digit, and the contents of quotes, XML elements or
    form fields with a digit.
    """
    template = is_template(text)
    text = _PLACEHOLDER.sub(" ", text)
    for piece in map(str.strip, _PIECE.findall(text)):
        if is_url(piece):
            register_url_secrets(piece)
            continue
        length, has_digit = len(piece), any(map(str.isdigit, piece))
        if (length >= MIN_LENGTH and has_digit) or (template and length >= PASSPHRASE_LENGTH):
            register_secret(piece)
    for token in _TOKEN.findall(text):
        if len(token) >= UNAMBIGUOUS_LENGTH and any(map(str.isdigit, token)):
            register_secret(token)


def is_template(text: str) -> bool:
    """Report whether the text contains {placeholders}. Then it is a template around secrets, not a secret."""
    return bool(_PLACEHOLDER.search(text))


def is_url(text: str) -> bool:
    """Report whether the text begins like a URL with an authority (RFC 3986 section 3)."""
    return bool(_SCHEME.match(text))


def url_problem(url: str) -> str | None:
    """Return why parsers could split the username or password of a URL incorrectly, or None.

    The characters `@ / ? # %` and spaces must be percent-encoded there (RFC 3986 section 3.2.1).
    """
    rest = url.partition("://")[2]
    if rest.startswith("/"):
        # a URL without an authority, such as that of a file
        return None
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    userinfo, at, _ = authority.partition("@")
    if rest.count("@") > 1 or ("@" in rest and not at):
        return f"contains an @, /, ? or # that is not percent-encoded: {URL_ADVICE}"
    if at and re.search(r"%(?![0-9A-Fa-f]{2})", userinfo):
        return f"contains a % that is not percent-encoded: {URL_ADVICE}"
    if re.search(r"\s", rest):
        return f"contains a space that is not percent-encoded: {URL_ADVICE}"
    return None


def _matches_at(text: str, form: str, position: int) -> bool:
    """Report whether `form` is at that position. A short form must not be part of a longer word."""
    if not text.startswith(form, position):
        return False
    end = position + len(form)
    if len(form) >= UNAMBIGUOUS_LENGTH:
        return True
    before, after = text[max(0, position - 6) : position], text[end : end + 1]
    if _is_word_character(after):
        return False
    return not before or not _is_word_character(before[-1]) or bool(_ESCAPE.search(before))


def _is_word_character(letter: str) -> bool:
    return letter.isalnum() or letter == "_"


def _fold(text: str) -> str:
    """Return the text in lower case with the same length. Drivers convert host names to lower case."""
    folded = text.lower()
    if len(folded) == len(text):
        return folded
    return "".join(letter.lower() if len(letter.lower()) == 1 else letter for letter in text)


def _runs(secret: str, from_url: bool) -> Iterator[str]:
    """Yield the whole secret and each run of its parts that must be masked."""
    yield secret
    parts = [(part.start(), part.end()) for part in _PART.finditer(secret[:SPLIT_LIMIT])]
    for first, (start, _) in enumerate(parts):
        for last in range(first, len(parts) if len(parts) <= PART_COUNT_LIMIT else first + 1):
            run = secret[start : parts[last][1]]
            if len(run) > RUN_LIMIT:
                break
            if from_url or len(run) >= PASSPHRASE_LENGTH or (len(run) >= MIN_LENGTH and any(map(str.isdigit, run))):
                yield run


def _encodings(run: str) -> set[str]:
    """Return the ways in which libraries write a text: percent-encoded, and escaped for Python, JSON, SQL and HTML."""
    quoted = {quote(run, safe=safe) for safe in ("", "/", " +", "/:?#[]@!$&'()*+,;=")} | {quote_plus(run)}
    escaped = {repr(run)[1:-1], ascii(run)[1:-1], repr(run.encode("utf-8", "replace"))[2:-1]}
    escaped |= {json.dumps(run)[1:-1], json.dumps(run, ensure_ascii=False)[1:-1]}
    doubled = {run.replace("'", "''"), run.replace('"', '""'), run.replace("`", "``")}
    backslashed = {run.replace("\\", "\\\\"), re.sub(r"(['\"\\])", r"\\\1", run), re.sub(r"(['\\])", r"\\\1", run)}
    pages = {html.escape(run), html.escape(run, quote=False)}
    once = {run, *quoted, *escaped, *doubled, *backslashed, *pages}
    # encoded twice: the message of an exception is part of the message of another exception
    return once | {repr(form)[1:-1] for form in once} | {quote(form, safe="") for form in quoted}


def _base64_fragments(secret: str) -> Iterator[str]:
    """Yield three fragments. A Base64 text with this secret contains one of them after any prefix (such as `user:`)."""
    data = secret.encode("utf-8", "replace")
    if len(data) < 6:
        return
    for offset in range(3):
        whole = b64encode(b"\0" * offset + data).decode("ascii").rstrip("=")
        begin = (offset * 8 + 5) // 6
        common = whole[begin : (offset + len(data)) * 8 // 6]
        yield from {common, common.replace("+", "-").replace("/", "_")}
