"""Tests of the messages that linkauth makes: their headers, their texts, and values that try to add headers."""

from __future__ import annotations

from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import default

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkauth.mail.addresses import InvalidAddress, Sender, parse_address, parse_sender
from linkauth.mail.compose import compose, header_text
from linkauth.mail.parts import Parts
from tests.mail.mails import ADA, NOW, SENDER, render, stored

HEADERS = [
    *("Auto-Submitted", "Content-Language", "Content-Type", "Date", "From", "MIME-Version", "Message-ID", "Subject"),
    *("To", "X-Auto-Response-Suppress"),
]
INJECTIONS = [
    *("\r\nBcc: eve@example.com", "\nBcc: eve@example.com", "\rBcc: eve@example.com", "\r\n\r\n<b>eve</b>"),
    *("\x00\r\n.\r\nMAIL FROM:<eve@example.com>", "\u2028Bcc: eve@example.com", "\x85Bcc: eve@example.com"),
    *("=?utf-8?q?=0D=0ABcc=3A_eve=40example.com?=", '"<eve@example.com>, <x@example.com>', "\ud800\r\nBcc: e@e.com"),
]


def message(parts: Parts, sender: Sender = SENDER, recipient: str = ADA) -> EmailMessage:
    content = compose(stored(recipient), parts, sender).content
    parsed = message_from_bytes(content, policy=default)
    assert isinstance(parsed, EmailMessage)
    assert b"\n" not in content.replace(b"\r\n", b"")
    assert b"\r" not in content.replace(b"\r\n", b"")
    assert max(map(len, content.split(b"\r\n"))) <= 998
    assert sorted(parsed.keys()) == HEADERS
    return parsed


def body(parsed: EmailMessage, kind: str) -> str:
    part = parsed.get_body((kind,))
    assert part is not None
    text: str = part.get_content()
    return text.replace("\r\n", "\n")


def test_a_message_has_both_texts_and_the_headers_of_an_automatic_mail() -> None:
    parts = render(stored().mail)
    parsed = message(parts)
    assert body(parsed, "plain") == parts.text
    assert body(parsed, "html").rstrip("\n") == parts.html
    assert parsed.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in parsed.iter_parts()] == ["text/plain", "text/html"]
    assert parsed["From"] == "Example Rides <no-reply@example.com>"
    assert parsed["To"] == ADA
    assert parsed["Subject"] == "Your code for ada"
    assert parsed["Auto-Submitted"] == "auto-generated"
    assert parsed["Content-Language"] == "en"
    assert int(parsed["Date"].datetime.timestamp()) == NOW


def test_every_attempt_has_the_same_message_id_and_another_mail_has_another_one() -> None:
    first, again, other = (compose(stored(number=number), render(stored().mail), SENDER) for number in (1, 1, 2))
    ids = [message_from_bytes(each.content)["Message-ID"] for each in (first, again, other)]
    assert ids[0] == ids[1] != ids[2]
    assert first.name == again.name != other.name


@pytest.mark.parametrize("injection", INJECTIONS)
def test_no_text_adds_a_header_or_a_recipient(injection: str) -> None:
    given = stored(names=(f"ada{injection}",)).mail
    parts = render(given)
    parsed = message(Parts(f"{parts.subject}{injection}", parts.text, parts.html))
    assert parsed["To"] == ADA
    assert [address.addr_spec for address in parsed["From"].addresses] == ["no-reply@example.com"]
    assert parsed["Subject"].startswith("Your code for ada")


@pytest.mark.parametrize("injection", INJECTIONS)
def test_the_name_of_a_sender_adds_no_header(injection: str) -> None:
    parsed = message(render(stored().mail), Sender(f"Rides{injection}", SENDER.address))
    assert [address.addr_spec for address in parsed["From"].addresses] == ["no-reply@example.com"]


@pytest.mark.parametrize("injection", INJECTIONS)
def test_an_address_with_an_injection_is_refused(injection: str) -> None:
    for text in (f"ada{injection}@example.com", f"ada@example.com{injection}", f"{injection}ada@example.com"):
        with pytest.raises(InvalidAddress):
            parse_address(text)
        with pytest.raises(InvalidAddress):
            compose(stored(text), render(stored().mail), SENDER)
        with pytest.raises(InvalidAddress):
            parse_sender(f"Rides <{text}>")


@pytest.mark.parametrize("language", ["en\r\nBcc: eve@example.com", "", "x" * 300, "de_DE"])
def test_an_invalid_language_is_omitted(language: str) -> None:
    given = stored()
    content = compose(
        type(given)(1, type(given.mail)("test", ADA, "alexa", language), NOW, 1, "m" * 20), Parts("s", "t", "h"), SENDER
    ).content
    assert "Content-Language" not in message_from_bytes(content)


@given(st.text(max_size=64), st.text(max_size=250), st.text(), st.text())
def test_any_text_arrives_unchanged(name: str, subject: str, text: str, html: str) -> None:
    parsed = message(Parts(subject, text, html), Sender(name, SENDER.address))
    raw = message_from_bytes(compose(stored(), Parts(subject, text, html), Sender(name, SENDER.address)).content)
    assert str(make_header(decode_header(raw["Subject"]))) == header_text(subject)[:200].rstrip()
    # the parser of the email package adds spaces between encoded words of a name
    encoded_name = raw["From"].rpartition("<")[0].strip()
    decoded = str(make_header(decode_header(encoded_name)))
    assert decoded.replace("\\\\", "\\").replace('\\"', '"').strip('"') == header_text(name).strip('"')
    lines = [
        line.encode("utf-8", "replace").decode("utf-8") for line in text.encode("utf-8", "replace").decode().split("\n")
    ]
    assert body(parsed, "plain").split("\n")[: len(lines) - 1] == lines[:-1] or "\r" in text


@pytest.mark.parametrize(
    ("name", "subject", "text"),
    [
        ("خدمة الركوب", "رمزك لـ «Example Rides»", "رمزك:\n\u2066ABCD-EFGH\u2069\n"),
        ("例のサービス", "パスワードの再設定", "アカウント名: 山田\n"),
        ("Ünal, Söhne & Co. 🚗", "Ihr Zugang für Jürgen O’Brien", "Größe\n" * 40),
    ],
)
def test_texts_of_other_scripts_arrive(name: str, subject: str, text: str) -> None:
    parsed = message(Parts(subject, text, f'<html dir="rtl">{text}</html>'), Sender(name, SENDER.address))
    assert parsed["Subject"] == subject
    assert parsed["From"].addresses[0].display_name == name
    assert body(parsed, "plain") == text
    assert text.rstrip("\n") in body(parsed, "html")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ada@Example.COM", "Ada@example.com"),
        ("ada@bücher.example", "ada@xn--bcher-kva.example"),
        ("ada@faß.example", "ada@xn--fa-hia.example"),
        ("ada@例え。テスト", "ada@xn--r8jz45g.xn--zckzah"),
        ("u\u0308@example.com", "ü@example.com"),
        ("o'brien+alexa@example.com", "o'brien+alexa@example.com"),
        ("ada@localhost", "ada@localhost"),
    ],
)
def test_an_address_gets_the_form_that_servers_understand(text: str, expected: str) -> None:
    assert str(parse_address(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "ada", "@example.com", "ada@", "ada@example..com", "a..b@example.com", ".ada@example.com", "a b@e.com"),
        *("ada@[192.0.2.1]", "ada@192.0.2.1", '"a b"@example.com', "ada@-a.example", "ada@a_b.example", "ada@e.com."),
        *("a@b@example.com", "<ada@example.com>", "ada@example.com, eve@example.com", "ada(comment)@example.com"),
        *("\u202eada@example.com", "ada\u200b@example.com", "ada@exa\u202emple.com", "ada\x7f@example.com"),
        *(
            "a" * 65 + "@example.com",
            "a@" + "b" * 64 + ".com",
            "a@" + ".".join(["b" * 60] * 5),
            "ada@xn--",
            "ada@xn--a",
        ),
    ],
)
def test_a_text_that_is_not_one_plain_address_is_refused(text: str) -> None:
    with pytest.raises(InvalidAddress) as refused:
        parse_address(text)
    assert not text or text not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("no-reply@example.com", ""),
        ("<no-reply@example.com>", ""),
        ("Example Rides <no-reply@example.com>", "Example Rides"),
        ('"Rides, \\"fast\\"" <no-reply@example.com>', 'Rides, "fast"'),
        ("خدمة الركوب <no-reply@example.com>", "خدمة الركوب"),
    ],
)
def test_a_sender_has_a_name_and_an_address(text: str, name: str) -> None:
    assert parse_sender(text) == Sender(name, parse_address("no-reply@example.com"))


@pytest.mark.parametrize(
    "text", ["Rides", "Rides no-reply@example.com", "ü@example.com", "x" * 65 + " <a@example.com>"]
)
def test_an_unusable_sender_is_refused(text: str) -> None:
    with pytest.raises(InvalidAddress):
        parse_sender(text)
