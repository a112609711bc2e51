"""What the monitor's pages load: taken from a registry as it was locked, or not at all."""

from __future__ import annotations

import base64
import datetime
import gzip
import hashlib
import importlib
import io
import ipaddress
import json
import os
import re
import ssl
import subprocess
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

ROOT = Path(__file__).resolve().parents[2]
MONITOR = ROOT / "images/monitor"
SCRIPT = b"let a = 1;\n//# sourceMappingURL=chart.min.js.map\n"
STYLE = b"a{color:red}\n/*# sourceMappingURL=chart.css.map */"
CHART = {
    "LICENSE.md": b"do as you like",
    "dist/chart.min.js": SCRIPT,
    "dist/chart.css": STYLE,
    "dist/unwanted.js": b"no",
}
CHART_FILES = ["LICENSE.md", "dist/chart.min.js", "dist/chart.css"]


def pack(files, extra=()):
    """Return an archive as npm packs it; ``extra`` are members with names of their own."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for member, content in extra:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return gzip.compress(buffer.getvalue(), mtime=0)  # the same bytes at each call


def integrity(archive):
    return "sha512-" + base64.b64encode(hashlib.sha512(archive).digest()).decode()


class Registry(ThreadingHTTPServer):
    """A registry on this machine that gives what a test put into ``answers``."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.answers = {}  # path: (status, headers, body), or a list of them for one try each
        self.asked = []  # (path, headers)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def paths(self):
        return [path for path, _ in self.asked]

    def publish(self, name, version, archive):
        path = f"/{name}/-/{name.rpartition('/')[2]}-{version}.tgz"
        self.answers[path] = (200, {"Content-Length": len(archive)}, archive)
        return path


class Answer(BaseHTTPRequestHandler):
    server: Registry

    def do_GET(self):
        self.server.asked.append((self.path, dict(self.headers)))
        answer = self.server.answers.get(self.path, (404, {}, b""))
        if isinstance(answer, list):
            answer = answer.pop(0)
        status, headers, body = answer
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def serve():
    server = Registry()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
    return server


@pytest.fixture
def registry(monkeypatch):
    server = serve()
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", server.url)
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def installer(monkeypatch, tmp_path):
    """The script as a module, with no secrets, no proxy and no pauses."""
    for name in ("npm_config_registry", "NPM_CONFIG_REGISTRY", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.syspath_prepend(ROOT / "scripts")
    module = importlib.import_module("install_assets")
    monkeypatch.setattr(module, "PAUSES_SECONDS", (0.0, 0.0, 0.0))
    monkeypatch.setattr(module, "SECRETS", tmp_path / "secrets")
    (tmp_path / "secrets").mkdir()
    return module


@pytest.fixture
def place(tmp_path):
    """A folder for the lock and the target, with a space in its path."""
    folder = tmp_path / "a place"
    folder.mkdir()
    return folder


def lock(place, archives, files):
    """Write a lock of these archives; with a dependency that no page needs."""
    versions = dict.fromkeys(archives, "1.2.3")
    entries = {
        f"node_modules/{name}": {"version": "1.2.3", "integrity": integrity(archive)}
        for name, archive in archives.items()
    }
    entries["node_modules/@scarf/scarf"] = {"version": "1.4.0", "integrity": integrity(b"tracker")}
    packages = {"": {"dependencies": versions}, **entries}
    (place / "package.json").write_text(json.dumps({"dependencies": versions, "assets": files}))
    (place / "package-lock.json").write_text(json.dumps({"packages": packages}))


@pytest.fixture
def chart(installer, registry, place):
    """One locked and published package; returns the path that it is asked for at."""
    archive = pack(CHART)
    lock(place, {"chart": archive}, {"chart": CHART_FILES})
    return registry.publish("chart", "1.2.3", archive)


def run(installer, place):
    return installer.main([str(place), str(place / "vendor")])


def content(place):
    """The installed files without the compressed copies and the stamp."""
    folder = place / "vendor"
    paths = [p for p in folder.rglob("*") if p.is_file() and p.suffix != ".gz"]
    return {str(p.relative_to(folder)): p.read_bytes() for p in paths if p.name != ".installed"}


def refused(installer, place, capsys, code):
    """Run, expect an exit code and one sentence, and return the sentence."""
    before = content(place)
    assert run(installer, place) == code
    assert content(place) == before
    assert {path.name for path in place.iterdir()} <= {
        "package.json",
        "package-lock.json",
        "vendor",
    }
    printed = capsys.readouterr()
    [line] = printed.err.splitlines()
    assert line.startswith("error: the browser assets are not installed: ")
    return line


def test_listed_files_and_the_licence_are_installed_and_no_others(installer, chart, place):
    assert run(installer, place) == 0
    assert content(place).keys() == {
        "chart/LICENSE.md",
        "chart/chart.min.js",
        "chart/chart.css",
    }
    assert content(place)["chart/LICENSE.md"] == CHART["LICENSE.md"]


def test_files_name_no_source_map_that_is_not_there(installer, chart, place):
    run(installer, place)
    assert content(place)["chart/chart.min.js"] == b"let a = 1;\n"
    assert content(place)["chart/chart.css"] == b"a{color:red}\n"


def test_styles_and_scripts_have_compressed_copies_that_are_always_the_same(
    installer, chart, place
):
    run(installer, place)
    copies = {path.name: path.read_bytes() for path in (place / "vendor").rglob("*.gz")}
    assert copies.keys() == {"chart.min.js.gz", "chart.css.gz"}
    assert gzip.decompress(copies["chart.min.js.gz"]) == b"let a = 1;\n"
    assert copies["chart.min.js.gz"][4:8] == bytes(4)  # no time


def test_every_user_may_read_what_was_installed(installer, chart, place):
    mask = os.umask(0o077)
    try:
        run(installer, place)
    finally:
        os.umask(mask)
    for path in (place / "vendor", *(place / "vendor").rglob("*")):
        assert path.stat().st_mode & 0o777 == (0o755 if path.is_dir() else 0o644), path


def test_package_that_another_one_depends_on_is_never_fetched(installer, chart, registry, place):
    run(installer, place)
    assert registry.paths == [chart]


def test_scoped_package_has_a_folder_below_its_scope(installer, registry, place):
    archive = pack({"a.js": b"a"})
    lock(place, {"@x/y": archive}, {"@x/y": ["a.js"]})
    assert registry.publish("@x/y", "1.2.3", archive) == "/@x/y/-/y-1.2.3.tgz"
    assert run(installer, place) == 0
    assert content(place) == {"@x/y/a.js": b"a"}


def test_second_call_does_nothing(installer, chart, registry, place, capsys):
    run(installer, place)
    assert "1 packages installed" in capsys.readouterr().out
    before = (place / "vendor/chart/chart.css").stat()
    registry.asked.clear()
    assert run(installer, place) == 0
    assert registry.asked == []
    assert capsys.readouterr().out == ""
    assert (place / "vendor/chart/chart.css").stat() == before


def test_deleted_file_is_installed_again(installer, chart, place):
    run(installer, place)
    (place / "vendor/chart/chart.css").unlink()
    run(installer, place)
    assert "chart/chart.css" in content(place)


def test_file_that_the_list_does_not_name_any_more_goes(installer, chart, place):
    run(installer, place)
    lock(place, {"chart": pack(CHART)}, {"chart": ["dist/chart.css"]})
    run(installer, place)
    assert content(place).keys() == {"chart/chart.css"}


def test_wrong_hash_exits_65_and_the_former_files_stay(
    installer, chart, registry, place, capsys, monkeypatch
):
    run(installer, place)
    capsys.readouterr()
    lock(place, {"chart": pack({**CHART, "dist/chart.css": b"new"})}, {"chart": CHART_FILES})
    # Nothing unpacks what has another hash.
    monkeypatch.setattr(installer, "unpack", None)
    line = refused(installer, place, capsys, 65)
    assert "chart 1.2.3 is not what was locked" in line
    assert content(place)["chart/chart.css"] == b"a{color:red}\n"


def test_package_that_the_registry_lacks_exits_69_at_once(
    installer, chart, registry, place, capsys
):
    del registry.answers[chart]
    line = refused(installer, place, capsys, 69)
    assert "answers HTTP 404: set NPM_CONFIG_REGISTRY" in line
    assert registry.paths == [chart]


def test_registry_that_does_not_answer_exits_69(installer, chart, registry, place, capsys):
    registry.shutdown()
    registry.server_close()
    line = refused(installer, place, capsys, 69)
    assert "cannot be reached (Connection refused): set https_proxy, or NPM_CONFIG" in line


def test_truncated_answer_is_asked_for_again_and_then_exits_69(
    installer, chart, registry, place, capsys
):
    status, headers, body = registry.answers[chart]
    registry.answers[chart] = (status, headers, body[:50])
    line = refused(installer, place, capsys, 69)
    assert "IncompleteRead(50 bytes read" in line
    assert registry.paths == [chart] * 4


def test_truncated_answer_without_a_length_has_the_wrong_hash(
    installer, chart, registry, place, capsys
):
    registry.answers[chart] = (200, {}, registry.answers[chart][2][:50])
    assert "is not what was locked" in refused(installer, place, capsys, 65)


def test_busy_registry_is_asked_again(installer, chart, registry, place):
    whole = registry.answers[chart]
    registry.answers[chart] = [(503, {}, b""), (429, {}, b""), whole]
    assert run(installer, place) == 0
    assert registry.paths == [chart] * 3


def test_proxy_of_the_environment_is_used(installer, chart, registry, place, monkeypatch):
    whole = registry.answers[chart]
    monkeypatch.setenv("http_proxy", registry.url)
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "http://registry.example")
    registry.answers["http://registry.example" + chart] = [(503, {}, b""), whole]
    assert run(installer, place) == 0
    assert registry.paths == ["http://registry.example" + chart] * 2


def link(name, target, kind):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member, b""


def test_nothing_is_written_outside_and_no_link_is_followed(installer, registry, place, tmp_path):
    (tmp_path / "secret").write_text("secret")
    extra = [
        (tarfile.TarInfo("package/../../../evil.js"), b"evil"),
        (tarfile.TarInfo(f"{tmp_path}/evil.js"), b"evil"),
        link("package/folder", str(tmp_path), tarfile.SYMTYPE),
        (tarfile.TarInfo("package/folder/evil.js"), b"evil"),
    ]
    archive = pack({"a.js": b"a"}, extra)
    lock(place, {"bad": archive}, {"bad": ["a.js"]})
    registry.publish("bad", "1.2.3", archive)
    assert run(installer, place) == 0
    assert content(place) == {"bad/a.js": b"a"}
    assert not list(tmp_path.rglob("evil*"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_wanted_file_that_is_a_link_counts_as_missing(
    installer, registry, place, tmp_path, capsys, kind
):
    (tmp_path / "secret").write_text("secret")
    archive = pack({}, [link("package/a.js", str(tmp_path / "secret"), kind)])
    lock(place, {"bad": archive}, {"bad": ["a.js"]})
    registry.publish("bad", "1.2.3", archive)
    assert "bad 1.2.3 has no file a.js" in refused(installer, place, capsys, 65)


def test_missing_file_exits_65_and_names_the_list(installer, registry, place, capsys):
    archive = pack(CHART)
    lock(place, {"chart": archive}, {"chart": ["dist/absent.js"]})
    registry.publish("chart", "1.2.3", archive)
    line = refused(installer, place, capsys, 65)
    assert "chart 1.2.3 has no file dist/absent.js: correct `assets` in package.json" in line


def test_locked_file_that_is_no_archive_exits_65(installer, registry, place, capsys):
    lock(place, {"chart": b"no archive"}, {"chart": ["a.js"]})
    registry.publish("chart", "1.2.3", b"no archive")
    assert "is no archive that can be read" in refused(installer, place, capsys, 65)


def test_lock_of_other_versions_exits_65(installer, chart, place, capsys):
    text = (place / "package.json").read_text()
    (place / "package.json").write_text(text.replace("1.2.3", "1.2.4"))
    assert "run 'make lock'" in refused(installer, place, capsys, 65)


def test_package_without_sha512_exits_65(installer, chart, place, capsys):
    text = (place / "package-lock.json").read_text()
    (place / "package-lock.json").write_text(text.replace("sha512-", "sha1-"))
    assert "has no sha512 of chart: run 'make lock'" in refused(installer, place, capsys, 65)


def test_missing_lock_exits_66(installer, chart, place, capsys):
    (place / "package-lock.json").unlink()
    assert "holds no lock that can be read" in refused(installer, place, capsys, 66)


def test_target_that_cannot_be_written_exits_73(installer, chart, place, capsys):
    (place / "file").write_text("")
    assert installer.main([str(place), str(place / "file/vendor")]) == 73
    assert "file/vendor cannot be written" in capsys.readouterr().err


def test_disk_that_fills_half_way_exits_73_and_the_former_files_stay(
    installer, chart, place, capsys, monkeypatch
):
    run(installer, place)
    capsys.readouterr()
    (place / "vendor/chart/chart.css").unlink()

    def fill(folder, files):
        folder.mkdir(parents=True)
        (folder / "half").write_text("")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(installer, "write", fill)
    assert "No space left" in refused(installer, place, capsys, 73)


def test_failed_switch_puts_the_former_files_back(installer, chart, place, capsys, monkeypatch):
    run(installer, place)
    capsys.readouterr()
    (place / "vendor/chart/chart.css").unlink()
    rename = Path.rename

    def fail_once(path, target):
        if path.name == "new":
            raise OSError(5, "Input/output error")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fail_once)
    refused(installer, place, capsys, 73)


def test_wrong_number_of_arguments_exits_2(installer, capsys):
    assert installer.main([]) == 2
    assert "usage: install_assets.py FOLDER TARGET" in capsys.readouterr().err


def test_registry_is_npms_own_unless_something_names_another(installer, monkeypatch, tmp_path):
    assert installer.find_registry() == "https://registry.npmjs.org"
    monkeypatch.setenv("npm_config_registry", "https://lower.example/")
    assert installer.find_registry() == "https://lower.example"
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "https://upper.example/npm/")
    assert installer.find_registry() == "https://upper.example/npm"
    (tmp_path / "secrets/npm").write_text("")
    assert installer.find_registry() == "https://upper.example/npm"
    (tmp_path / "secrets/npm").write_text("https://secret.example/\n")
    assert installer.find_registry() == "https://secret.example"


def test_registry_that_is_no_address_exits_69(installer, chart, place, capsys, monkeypatch):
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "registry.example")
    assert "no address that starts with https://" in refused(installer, place, capsys, 69)


def test_password_goes_to_its_registry_alone_and_into_no_message(
    installer, chart, registry, place, capsys, monkeypatch
):
    other = serve()
    try:
        other.answers[chart] = (404, {}, b"")
        registry.answers[chart] = (302, {"Location": other.url + chart}, b"")
        account = "me:pass%40word"
        address = f"http://{account}@127.0.0.1:{registry.server_port}"
        monkeypatch.setenv("NPM_CONFIG_REGISTRY", address)
        line = refused(installer, place, capsys, 69)
    finally:
        other.shutdown()
        other.server_close()
    word = base64.b64encode(b"me:pass@word").decode()
    assert registry.asked[0][1]["Authorization"] == f"Basic {word}"
    assert "Authorization" not in other.asked[0][1]
    assert "pass" not in line


def certificate(folder):
    """Write a certificate of 127.0.0.1, its own authority, and return it with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    form = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key").write_bytes(key.private_bytes(serialization.Encoding.PEM, *form))
    (folder / "ca").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    return folder / "ca", folder / "key"


@pytest.fixture
def over_tls(registry, tmp_path, monkeypatch):
    """The registry with a certificate that no host knows; returns the certificate."""
    ca, key = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(ca, key)
    registry.socket = context.wrap_socket(registry.socket, server_side=True)
    monkeypatch.setattr(registry, "handle_error", lambda *_: None)
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", f"https://127.0.0.1:{registry.server_port}")
    return ca


def test_unknown_certificate_exits_69_at_once(
    installer, chart, over_tls, registry, place, capsys, monkeypatch
):
    monkeypatch.setattr(installer, "PAUSES_SECONDS", (600.0,))
    line = refused(installer, place, capsys, 69)
    assert "certificate of 127.0.0.1:" in line
    assert "set SSL_CERT_FILE to the bundle" in line
    assert registry.asked == []


def test_authorities_of_a_builds_secret_are_trusted(installer, chart, over_tls, place, tmp_path):
    (tmp_path / "secrets/ca").write_bytes(over_tls.read_bytes())
    assert run(installer, place) == 0


def test_authorities_of_the_environment_are_trusted(installer, chart, over_tls, place, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(over_tls))
    assert run(installer, place) == 0


WANTED = json.loads((MONITOR / "package.json").read_text())
LOCKED = json.loads((MONITOR / "package-lock.json").read_text())["packages"]


@pytest.mark.parametrize("name", WANTED["dependencies"])
def test_package_is_locked_in_the_version_that_is_wanted(name):
    entry = LOCKED[f"node_modules/{name}"]
    assert entry["version"] == WANTED["dependencies"][name]
    assert re.fullmatch(r"\d+\.\d+\.\d+", entry["version"])
    assert len(base64.b64decode(entry["integrity"].removeprefix("sha512-"))) == 64


def test_lock_names_no_registry():
    assert not [name for name, entry in LOCKED.items() if "resolved" in entry]


def test_files_are_listed_for_each_package_and_the_licence_is_one_of_them():
    assert WANTED["assets"].keys() == WANTED["dependencies"].keys()
    for name, files in WANTED["assets"].items():
        names = [Path(file).name for file in files]
        assert len(set(names)) == len(names), name
        assert any(file.startswith("LICENSE") for file in names), name


def test_installed_files_are_in_no_commit():
    command = ["git", "ls-files", "images/monitor/static/vendor"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip("this is no git checkout")
    assert done.stdout == ""
