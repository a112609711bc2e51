"""MailOperator: an EmailOperator whose mail also has a text part, and that notes how it went."""

from __future__ import annotations

import functools
import smtplib
from email.message import EmailMessage
from email.utils import formatdate, getaddresses, make_msgid
from typing import TYPE_CHECKING, Any, cast

from airflow.providers.smtp.hooks.smtp import SmtpHook
from airflow.providers.smtp.operators.smtp import EmailOperator

from task_note import TaskNote

if TYPE_CHECKING:
    import jinja2
    from airflow.sdk.definitions.context import Context


class Remembering:
    """A task instance for templates, which asks Airflow for a task's XCom once for all of them."""

    def __init__(self, ti: Any) -> None:
        self.ti = ti
        self.pull = functools.cache(lambda task, key: ti.xcom_pull(task_ids=task, key=key))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.ti, name)

    def xcom_pull(self, task_ids: str | list[str], key: str = "return_value") -> Any:
        """Return what a task has pushed, of a list of tasks a list of it, as Airflow does."""
        if isinstance(task_ids, str):
            return self.pull(task_ids, key)
        return [self.pull(task, key) for task in task_ids]


class MailOperator(EmailOperator):
    """Sends ``html_content`` and, for readers without HTML, ``text_content``.

    EmailOperator sends HTML alone. Both contents are templates, most often the names of files.
    Only the control host knows the mail server: its queue is ``control``.
    """

    template_fields = (*EmailOperator.template_fields, "text_content")
    template_ext = (".html", ".txt")

    def __init__(self, *, text_content: str, **kwargs: Any) -> None:
        super().__init__(**{"queue": "control", **kwargs})
        self.text_content = text_content

    def render_template_fields(
        self, context: Context, jinja_env: jinja2.Environment | None = None
    ) -> None:
        """Render both contents, which tell the same, from what is pulled once."""
        remembering = cast("Context", {**context, "ti": Remembering(context["ti"])})
        super().render_template_fields(remembering, jinja_env)

    def execute(self, context: Context) -> None:
        """Send the mail; ``task.json`` says to whom, or why it was not sent."""
        note = TaskNote(context)
        try:
            with SmtpHook(smtp_conn_id=self.conn_id) as hook:
                message = self.compose(str(hook.from_email))
                # The hook's own way to send knows HTML alone.
                refused = cast(smtplib.SMTP, hook._smtp_client).send_message(message)
        except Exception as error:
            note.fail(retried=True, cause="mail not sent", message=explain(error))
            raise
        if refused:  # not an error: another try would send the others a second mail
            self.log.warning("the server refused some of the recipients: %s", refused)
        note.succeed(to=self.to, subject=self.subject)
        self.log.info("sent %r to %s", self.subject, self.to)

    def compose(self, sender: str) -> EmailMessage:
        """Return the mail: text first, then the same as HTML, the form that readers prefer.

        Raises:
            ValueError: there is no recipient, or a header holds a line's end.
        """
        recipients = self.to if isinstance(self.to, str) else ", ".join(self.to)
        if not any(address for _, address in getaddresses([recipients])):
            raise ValueError(f"{recipients!r} is no recipient: set MAIL_TO in .env")
        message = EmailMessage()
        message["From"] = sender
        message["To"] = recipients
        message["Subject"] = self.subject
        message["Date"] = formatdate()
        message["Message-ID"] = make_msgid(domain="ad-click.invalid")
        message.set_content(self.text_content)
        message.add_alternative(self.html_content, subtype="html")
        return message


def explain(error: Exception) -> str:
    """Return why a mail was not sent, in one line."""
    words = " ".join(str(error).split())
    return f"{type(error).__name__}: {words}; `make smtp-test` names the setting to change"
