"""MailOperator against a real mail server."""

from __future__ import annotations

import email
import email.policy
import json
import smtplib
from typing import Any

import pytest

from mail_operator import MailOperator, explain

TEXT = "Größe “中文” & <b>\n" + "long " * 300 + "\n"
HTML = "<p>Größe “中文” &amp; &lt;b&gt;</p>\n" + "<i>long</i> " * 300 + "\n"


@pytest.fixture
def point_at(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes a port of this host the server of the Connection `smtp_default`."""

    def point(port: int) -> None:
        extra = {"from_email": "ad-click@example.com", "disable_ssl": True, "disable_tls": True}
        connection = {"conn_type": "smtp", "host": "127.0.0.1", "port": port, "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(connection))

    return point


@pytest.fixture
def server(serve: Any, point_at: Any) -> Any:
    server = serve()
    point_at(server.port)
    return server


def task(**known: Any) -> MailOperator:
    given = {"to": "you@example.com", "subject": "[ad-click] Größe", "html_content": HTML}
    return MailOperator(task_id="success_email", text_content=TEXT, **given | known)


def note_of(volume: Any) -> dict[str, Any]:
    return json.loads((volume / "runs/manual__1/success_email/task.json").read_text())


def test_mail_arrives_with_text_first_and_html_second(server, volume, context, execute):
    execute(task(), context("success_email"))
    (envelope,) = server.handler.mails
    mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
    assert mail.get_content_type() == "multipart/alternative"
    plain, html = mail.iter_parts()
    assert [part.get_content_type() for part in (plain, html)] == ["text/plain", "text/html"]
    assert plain.get_content().splitlines() == TEXT.splitlines()
    assert html.get_content().splitlines() == HTML.splitlines()


def test_mail_has_its_headers_and_lines_that_every_server_takes(server, volume, context, execute):
    execute(task(), context("success_email"))
    (envelope,) = server.handler.mails
    mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
    assert (mail["From"], mail["To"]) == ("ad-click@example.com", "you@example.com")
    assert mail["Subject"] == "[ad-click] Größe"
    assert mail["Date"].datetime is not None
    assert mail["Message-ID"].endswith("@ad-click.invalid>")
    assert b"\n" not in envelope.content.replace(b"\r\n", b"")
    assert max(map(len, envelope.content.split(b"\r\n"))) <= 998


def test_each_recipient_of_a_list_gets_the_mail(server, volume, context, execute):
    execute(task(to="A <a@example.com>, b@example.com"), context("success_email"))
    (envelope,) = server.handler.mails
    assert envelope.rcpt_tos == ["a@example.com", "b@example.com"]
    assert envelope.mail_from == "ad-click@example.com"


def test_note_says_to_whom_the_mail_went(server, volume, context, execute):
    execute(task(), context("success_email"))
    note = note_of(volume)
    assert (note["state"], note["to"]) == ("success", "you@example.com")
    assert note["subject"] == "[ad-click] Größe"


def test_one_refused_recipient_does_not_keep_the_others_from_the_mail(
    server, volume, context, execute
):
    execute(task(to="a@refused.example, b@example.com"), context("success_email"))
    assert [envelope.rcpt_tos for envelope in server.handler.mails] == [["b@example.com"]]
    assert note_of(volume)["state"] == "success"


@pytest.mark.parametrize(
    ("known", "words"),
    [
        ({"to": "a@refused.example"}, "550"),
        ({"to": ""}, "set MAIL_TO in .env"),
        ({"to": "a@example.com\nBcc: b@example.com"}, "ValueError"),
        ({"subject": "hello\nBcc: b@example.com"}, "ValueError"),
        ({"subject": "hello\r\n\r\nbody"}, "ValueError"),
    ],
)
def test_mail_that_is_not_sent_fails_the_task(server, volume, context, execute, known, words):
    with pytest.raises((ValueError, smtplib.SMTPException)):
        execute(task(**known), context("success_email", try_number=3))
    assert server.handler.mails == []
    note = note_of(volume)
    assert (note["state"], note["cause"]) == ("failed", "mail not sent")
    assert words in note["message"]
    assert "make smtp-test" in note["message"]


def test_server_out_of_reach_is_tried_again(point_at, unused_port, volume, context, execute):
    point_at(unused_port)
    with pytest.raises(ConnectionRefusedError):
        execute(task(), context("success_email"))
    note = note_of(volume)
    assert (note["state"], note["cause"]) == ("up_for_retry", "mail not sent")
    assert "Connection refused" in note["message"]


def test_explanation_is_one_line():
    assert explain(ValueError("a\r\nb  c")).startswith("ValueError: a b c; ")
