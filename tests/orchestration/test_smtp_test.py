"""`make smtp-test`'s program against real servers: one line, with the setting to change."""

from __future__ import annotations

import datetime
import email
import email.policy
import importlib.util
import ipaddress
import socket
import ssl
import threading
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

# One that the tests want: the servers ask for a login on a connection that is not encrypted.
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")

SOURCE = Path(__file__).resolve().parents[2] / "orchestration" / "smtp_test.py"
ME = {"SMTP_USERNAME": "me", "SMTP_PASSWORD": "secret"}


@pytest.fixture(scope="module")
def program() -> Any:
    spec = importlib.util.spec_from_file_location("smtp_test", SOURCE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Makes a self-signed certificate for a name; returns its file, which also has the key."""

    def make(name: x509.GeneralName) -> Path:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
        now = datetime.datetime.now(datetime.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([name]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        path = tmp_path_factory.mktemp("certificate") / "both.pem"
        form, encoding = serialization.PrivateFormat.PKCS8, serialization.Encoding.PEM
        secret = key.private_bytes(encoding, form, serialization.NoEncryption())
        path.write_bytes(secret + certificate.public_bytes(encoding))
        return path

    return make


@pytest.fixture(scope="module")
def certificate(certificates: Any) -> Path:
    return certificates(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))


def tls(path: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


@pytest.fixture
def run(program: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs the program with settings; returns its exit code and what it said."""

    def run(port: object, **settings: str) -> tuple[int, str]:
        given = {
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(port),
            "SMTP_EMAIL": "ad-click@example.com",
            "AIRFLOW_VAR_TOSEND": "you@example.com",
        }
        known = ("SMTP_STARTTLS", "SMTP_SSL", "SMTP_USERNAME", "SMTP_PASSWORD")
        for name, value in (dict.fromkeys(known, "") | given | settings).items():
            monkeypatch.setenv(name, value)
        try:
            program.main(timeout=3)
        except SystemExit as end:
            # A text is what Python prints before it ends with 1.
            return (1, end.code) if isinstance(end.code, str) else (end.code, "")
        return 0, capsys.readouterr().out

    return run


def assert_one_line(said: tuple[int, str], *words: str) -> None:
    code, line = said
    assert code == 1
    assert line.startswith("error: ")
    assert line.isprintable()
    for word in words:
        assert word in line


def test_answer_of_the_server_is_said(run, serve):
    server = serve()
    code, said = run(server.port)
    assert code == 0
    assert said.startswith(f"sent to you@example.com through 127.0.0.1:{server.port}; ")
    assert said.endswith("the server answered: 250 kept\n")


def test_mail_is_one_that_every_server_takes(run, serve):
    server = serve()
    run(server.port)
    (envelope,) = server.handler.mails
    mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
    assert (mail["From"], mail["To"]) == ("ad-click@example.com", "you@example.com")
    assert mail["Date"]
    assert mail["Message-ID"]
    assert b"\n" not in envelope.content.replace(b"\r\n", b"")


def test_each_recipient_of_a_list_gets_the_mail(run, serve):
    server = serve()
    assert run(server.port, AIRFLOW_VAR_TOSEND="A <a@example.com>, b@example.com")[0] == 0
    assert server.handler.mails[0].rcpt_tos == ["a@example.com", "b@example.com"]


def test_login_that_is_right_sends(run, serve):
    server = serve(login=True)
    assert run(server.port, **ME)[0] == 0
    assert len(server.handler.mails) == 1


def test_wrong_password_names_the_account(run, serve):
    server = serve(login=True)
    said = run(server.port, **ME | {"SMTP_PASSWORD": "wrong"})
    assert_one_line(said, "refuses the login", "535", "SMTP_USERNAME and SMTP_PASSWORD")
    assert "wrong" not in said[1]


def test_missing_login_names_the_account(run, serve):
    said = run(serve(login=True).port)
    assert_one_line(said, "wants more first", "530", "SMTP_USERNAME with SMTP_PASSWORD")


def test_login_where_there_is_none_names_the_account(run, serve):
    assert_one_line(run(serve().port, **ME), "offers no login", "leave SMTP_USERNAME empty")


def test_missing_starttls_names_the_setting(run, serve, certificate):
    server = serve(tls_context=tls(certificate), require_starttls=True)
    assert_one_line(run(server.port), "wants more first", "530", "set SMTP_STARTTLS=true")


def test_starttls_where_there_is_none_names_the_setting(run, serve):
    said = run(serve().port, SMTP_STARTTLS="true")
    assert_one_line(said, "offers no STARTTLS", "SMTP_STARTTLS=false")


def test_starttls_with_a_trusted_certificate_sends(run, serve, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    server = serve(tls_context=tls(certificate), require_starttls=True)
    assert run(server.port, SMTP_STARTTLS="true")[0] == 0


def test_implicit_tls_with_a_trusted_certificate_sends(run, serve, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    server = serve(implicit_tls=tls(certificate))
    assert run(server.port, SMTP_SSL="true")[0] == 0


@pytest.mark.parametrize(
    ("mode", "setting"), [("tls_context", "SMTP_STARTTLS"), ("implicit_tls", "SMTP_SSL")]
)
def test_certificate_of_an_unknown_authority_is_said(run, serve, certificate, mode, setting):
    server = serve(**{mode: tls(certificate)})
    said = run(server.port, **{setting: "true"})
    assert_one_line(said, "is not trusted", "self-signed", "SMTP_HOST")


def test_certificate_of_another_name_says_to_change_the_host(run, serve, certificates, monkeypatch):
    path = certificates(x509.DNSName("mail.example.com"))
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    said = run(serve(tls_context=tls(path)).port, SMTP_STARTTLS="true")
    assert_one_line(said, "is not trusted", "mismatch", "set SMTP_HOST to the name in it")


def test_tls_to_a_plain_server_names_the_setting(run, serve):
    said = run(serve().port, SMTP_SSL="true")
    assert_one_line(said, "does not start with TLS", "SMTP_SSL=false")


def test_plain_to_a_tls_server_names_the_setting(run, serve, certificate):
    said = run(serve(implicit_tls=tls(certificate)).port)
    assert_one_line(said, "does not greet", "SMTP_SSL=true and SMTP_STARTTLS=false")


def test_refused_connection_names_host_and_port(run, unused_port):
    said = run(unused_port)
    assert_one_line(said, f"nothing answers at 127.0.0.1:{unused_port}", "SMTP_HOST and SMTP_PORT")


def test_timeout_of_a_connection_names_host_and_port(program):
    settings = {"SMTP_HOST": "far", "SMTP_PORT": "25"}
    line = program.explain(TimeoutError("timed out"), settings)
    assert line == "nothing answers at far:25 (timed out): correct SMTP_HOST and SMTP_PORT"


def test_unknown_host_is_named(run):
    said = run(25, SMTP_HOST="no-such-host.invalid")
    assert_one_line(said, "no host 'no-such-host.invalid'", "correct SMTP_HOST")


def test_refused_recipient_names_the_addresses(run, serve):
    said = run(serve().port, AIRFLOW_VAR_TOSEND="you@refused.example")
    assert_one_line(said, "refuses the mail", "550 5.1.1 no such", "SMTP_EMAIL and MAIL_TO")


def test_server_that_hangs_up_after_its_greeting_is_said(run):
    listener = socket.create_server(("127.0.0.1", 0))

    def hang_up() -> None:
        client, _ = listener.accept()
        with client:
            client.sendall(b"220 hello\r\n")
            client.recv(100)

    thread = threading.Thread(target=hang_up)
    thread.start()
    said = run(listener.getsockname()[1])
    thread.join()
    listener.close()
    assert_one_line(said, "ends the conversation", "SMTP_USERNAME")


def test_nobody_to_send_to_names_the_setting(run):
    assert_one_line(run(25, AIRFLOW_VAR_TOSEND=""), "set MAIL_TO in .env")
