"""mailbox.py: a mail reads as a person would read it, whatever stands in the file."""

import os
import random
from datetime import UTC, datetime, timedelta

import pytest

from monitor.reading.files import Tree, UnreadableError
from monitor.reading.mailbox import (
    HEADERS_LIMIT,
    MAIL_LIMIT,
    UNREADABLE,
    inline_styles,
    mail_ids,
    read_envelope,
    read_mail,
)

ATTACHED = b"""Subject: s
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain

the text
--b
Content-Type: text/html
Content-Disposition: attachment; filename=%s

<p>
--b--
"""


@pytest.fixture
def tree(build):
    return Tree(build.root)


@pytest.fixture
def read(build, tree):
    """Read a mail of these bytes."""

    def read(content):
        build.raw_mail("1", content)
        return read_mail(tree, "1")

    return read


def test_mail_has_its_headers_and_both_its_forms(build, tree):
    build.mail("1", subject="Modèle publié", text="plain é", html="<p>markup é</p>")
    mail = read_mail(tree, "1")
    assert mail.envelope == read_envelope(tree, "1")
    assert (mail.envelope.sender, mail.envelope.recipients) == (
        "pipeline@example.com", "team@example.com")  # fmt: skip
    assert (mail.envelope.subject, mail.envelope.sent) == ("Modèle publié", build.start)
    assert (mail.text, mail.html, mail.attachments) == ("plain é\n", "<p>markup é</p>\n", [])


@pytest.mark.parametrize(
    ("forms", "text", "html"),
    [({"html": None}, "x\n", None), ({"text": None, "html": "<p>"}, None, "<p>\n")],
)
def test_mail_may_have_one_form_only(build, tree, forms, text, html):
    build.mail("1", **{"text": "x"} | forms)
    mail = read_mail(tree, "1")
    assert (mail.text, mail.html) == (text, html)


def test_encoded_headers_are_decoded(read):
    envelope = read(
        b"Subject: =?utf-8?q?Mod=C3=A8le?= =?iso-8859-1?q?_publi=E9?=\n"
        b"From: =?utf-8?b?UGlwZWxpbmUgw6k=?= <p@example.com>\n"
        b"To: a@example.com,\n b@example.com\n\n"
    ).envelope
    assert envelope.subject == "Modèle publié"
    assert envelope.sender == "Pipeline é <p@example.com>"
    assert envelope.recipients == "a@example.com, b@example.com"


def test_mail_without_headers_is_of_the_time_of_its_file(build, tree, read):
    read(b"")
    os.utime(build.root / "mailbox/new/1", (1000, 1000))
    envelope = read_envelope(tree, "1")
    assert envelope.sent == datetime.fromtimestamp(1000, UTC)
    assert (envelope.subject, envelope.sender, envelope.recipients) == ("", "", "")


@pytest.mark.parametrize(
    "date",
    ["", "yesterday", "Mon, 99 Foo 99999 99:99:99 +9999", "Fri, 31 Dec 9999 23:59:59 -1200",
     "=?utf-8?b?!!!?=", "\xff"],
)  # fmt: skip
def test_date_that_is_none_is_the_time_of_the_file(read, date):
    sent = read(f"Date: {date}\n\n".encode("latin-1")).envelope.sent
    assert datetime.now(UTC) - sent < timedelta(hours=1)


def test_date_without_a_zone_is_in_utc(read):
    sent = read(b"Date: Mon, 23 Nov 2026 19:30:00 -0000\n\n").envelope.sent
    assert sent == datetime(2026, 11, 23, 19, 30, tzinfo=UTC)


def test_header_is_one_line_of_whole_characters(read):
    subject = read(b"Subject: a\n\tb =?utf-8?q?c=0Ad=00=1B?= \xff\n\n").envelope.subject
    assert subject.isprintable()
    assert subject.split()[:2] == ["a", "b"]
    subject.encode()


@pytest.mark.parametrize("charset", ["nope", "rot13", "idna", "undefined"])
def test_text_in_an_unknown_encoding_reads_as_unreadable(read, charset):
    head = f"Content-Type: text/plain; charset={charset}\n\n"
    assert read(head.encode() + b"x\xff").text == UNREADABLE


def test_bytes_that_are_not_of_the_encoding_are_replaced(read):
    assert read(b"Content-Type: text/plain; charset=utf-8\n\ncaf\xe9").text == "caf\ufffd"


def test_mail_that_is_no_text_has_none(read):
    mail = read(b"Content-Type: image/png\nContent-Transfer-Encoding: base64\n\niVBORw0K\n")
    assert (mail.text, mail.html) == (None, None)


@pytest.mark.parametrize(
    ("filename", "shown"),
    [(b"data.csv", "data.csv"), (b'"<script>.html"', "<script>.html"),
     (b'"../../etc/passwd"', "../../etc/passwd"), (b'""', "?")],
)  # fmt: skip
def test_attachment_is_named_and_nothing_more(read, filename, shown):
    mail = read(ATTACHED % filename)
    assert (mail.text, mail.html, mail.attachments) == ("the text", None, [shown])


@pytest.mark.parametrize(
    "filename", [b'"\xff\xfe.txt"', b'"=?utf-8?q?=ff?="', b"x; filename*1=''%"]
)
def test_name_of_an_attachment_can_be_shown(read, filename):
    (name,) = read(ATTACHED % filename).attachments
    name.encode()


def test_huge_mail_is_read_up_to_a_limit(build, tree):
    build.raw_mail("1", b"Subject: s\n\n" + b"x" * (MAIL_LIMIT + 1000))
    assert len(read_mail(tree, "1").text) == MAIL_LIMIT - len(b"Subject: s\n\n")


def test_list_reads_no_more_than_the_headers(build, tree):
    build.raw_mail("1", b"X: " + b"x" * HEADERS_LIMIT + b"\nSubject: s\n\n")
    assert read_envelope(tree, "1").subject == ""
    assert read_mail(tree, "1").envelope.subject == "s"


@pytest.mark.parametrize(
    "mail_id",
    ["..", ".", "", "../secret", "a/b", "/etc/passwd", ".hidden", "a b", "a\nb", "x" * 201],
)
def test_mail_id_cannot_leave_the_folder(build, tree, mail_id):
    build.mail("1")
    build.write("mailbox/secret", "Subject: s\n\n")
    with pytest.raises(FileNotFoundError):
        read_mail(tree, mail_id)


def test_link_and_folder_are_no_mails(build, tree):
    build.mail("1")
    (build.root / "mailbox/new/link").symlink_to(build.root / ".ad-click-volume")
    (build.root / "mailbox/new/folder").mkdir()
    for name in ("link", "folder"):
        with pytest.raises(UnreadableError):
            read_mail(tree, name)
    assert "folder" not in mail_ids(tree)


@pytest.mark.parametrize("name", ["1763926200.M1P2.mailbox", "1763926200.M1P2.mailbox:2,S"])
def test_names_of_a_maildir_are_mail_ids(build, tree, name):
    build.mail(name)
    assert mail_ids(tree) == [name]


def test_mailbox_that_is_not_there_is_empty(tree):
    assert mail_ids(tree) == []


PIECES = (
    *(b"Content-Type: ", b"multipart/mixed", b"; boundary=", b'"', b"*0*=", b"filename", b"\xff"),
    *(b"=?utf-8?q?", b"?=", b"\n", b"\n\n", b"--", b"a", b"text/html", b"; charset=", b"utf-16"),
    *(b"Date: ", b"To: ", b"From: ", b"Subject: ", b"<", b">", b"@", b",", b"(", b"\\", b"=", b"'"),
    *(b"Content-Disposition: attachment", b"%80", b"base64", b"Content-Transfer-Encoding: "),
    *(b"message/rfc822", b"\0", b"<p style='", b"<style>", b"<![", b"[", b"<!--", b"&#xd800;"),
)


def test_no_sequence_of_bytes_breaks_the_reading(read):
    chance = random.Random(1)
    for _ in range(400):
        mail = read(b"".join(chance.choices(PIECES, k=chance.randint(1, 25))))
        shown = (mail.envelope.subject, mail.envelope.sender, mail.envelope.recipients,
                 mail.text or "", mail.html or "", *mail.attachments)  # fmt: skip
        "".join(shown).encode()
        inline_styles(mail.html or "")


@pytest.mark.parametrize("header", [b'From: "', b"To: x@[", b"From: =?utf-8?q?=?=@"])
def test_header_that_is_none_reads_as_unreadable(read, header):
    envelope = read(header + b"\nSubject: s\n\n").envelope
    assert UNREADABLE in (envelope.sender, envelope.recipients)
    assert envelope.subject == "s"


def test_inline_styles_are_those_of_attributes_and_elements():
    html = """<style>b{color:red}</style><p style="color: &quot;x&quot;"><b STYLE='a:b'>style</b>
        <style media="print">i{}</style><p style=""><p style>"""
    assert inline_styles(html) == {"b{color:red}", 'color: "x"', "a:b", "i{}"}


@pytest.mark.parametrize("end", ["<![foo[x]]>", "<![ ", "<!doctype [<!x", "<style>", "<p style='x"])
def test_markup_that_cannot_be_parsed_has_the_styles_before_it(end):
    assert "a:b" in inline_styles(f'<p style="a:b">{end}')
