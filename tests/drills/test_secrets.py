"""The secrets of .env stay where they belong, and each can be given a new value."""

from __future__ import annotations

import base64
import contextlib
import http.cookiejar
import json
import os
import re
import secrets
import stat
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography.fernet import Fernet, InvalidToken
from tests.conftest import DAG, ROOT, SETTINGS, Stack, docker, make, read_settings
from tests.drills.secrets_search import (
    SECRETS,
    ProcessLists,
    Search,
    flat,
    forms,
    read_secrets,
)

pytestmark = [pytest.mark.drill, pytest.mark.stack]

WATCHDOG = "flask_api_monitoring"
SERVER = Path(__file__).with_name("secrets_mail_server.py")
AIRFLOW = ("airflow-init", "airflow-apiserver", "airflow-scheduler", "airflow-dag-processor")
SERVICES = (*AIRFLOW, "postgres", "docker-proxy", "mailbox", "monitor", "predictor")
# Those that say something only when something is wrong.
QUIET = ("airflow-scheduler", "docker-proxy", "mailbox")
PREDICTIONS = "predict_advertising"
SPARK = "ml_pipeline_advertising_spark"
STAGES = {path.parent.name for path in ROOT.glob("images/*/stage.toml")}
# Addresses that are asked of Airflow besides those of its own list.
MORE_OF_AIRFLOW = (
    "/ui/config",
    "/ui/auth/me",
    "/ui/auth/menus",
    "/ui/connections/hook_meta",
    "/auth/fab/v1/users",
    "/auth/fab/v1/roles",
    "/execution/connections/smtp_default",
    "/execution/connections/partner",
    "/execution/variables/partner_secret",
    "/execution/variables/tosend",
    "/auth/login/",
    "/api/v2/variables/tosend",
    "/api/v2/connections/smtp_default",
)
AIRFLOW_OPTIONS = (
    ("core", "fernet_key"),
    ("api_auth", "jwt_secret"),
    ("api", "secret_key"),
    ("database", "sql_alchemy_conn"),
)
MOST_PAGES = 400


@dataclass
class Drill:
    """A stack with a secret in each setting, and all that it said while it was used."""

    stack: Stack
    secrets: dict[str, str]
    search: Search
    mail_password: Path  # what the mail server with a login takes
    printed: str = ""  # by make up, run, status, smtp-test
    green: str = ""
    red: str = ""
    unsent: str = ""  # the run whose mail the server refused
    command_lines: bytes = b""
    stage_containers: dict[str, str] = field(default_factory=dict)  # as docker inspect shows them

    @property
    def project(self) -> str:
        """The name of the stack."""
        return str(self.stack.settings["COMPOSE_PROJECT_NAME"])

    def container(self, service: str) -> str:
        """Return the name of a service's container."""
        return f"{self.project}-{service}-1"

    def logs(self) -> list[str]:
        """Return what is found in the logs of all services."""
        found = []
        for service in SERVICES:
            log = ("docker", "logs", self.container(service))
            least = 0 if service in QUIET else 1
            found.append(self.search.output(f"the log of {service}", *log, least=least))
        return flat(found)


def write(**values: str) -> None:
    """Give settings of the tests' own stack other values."""
    lines = SETTINGS.read_text().splitlines()
    names = [line.partition("=")[0] for line in lines]
    for name, value in values.items():
        lines[names.index(name)] = f"{name}={value}"
    SETTINGS.write_text("\n".join(lines) + "\n")


def refresh(stack: Stack) -> None:
    """Let a stack, and all tests that share it, know the settings of this moment."""
    stack.settings.update(read_settings())
    stack.token = ""
    stack.log_in(stack.settings["AIRFLOW_ADMIN_USER"], stack.settings["AIRFLOW_ADMIN_PASSWORD"])


def settle(stack: Stack) -> None:
    """Wait until no run is at work, neither one of the pipeline nor one of the watchdog."""
    path = "/api/v2/dags/~/dagRuns?state=running&state=queued"
    stack.until(lambda: str(stack.airflow("GET", path)["total_entries"]), {"0"})


@contextlib.contextmanager
def mail_server(stack: Stack, folder: Path) -> Iterator[str]:
    """A mail server that asks for a login, beside the mailbox; yields its name there."""
    project, tag = stack.settings["COMPOSE_PROJECT_NAME"], stack.settings["IMAGE_TAG"]
    name = f"{project}-login-mail"
    options = ["--network", f"{project}_mail", "--network-alias", "login-mail", "--read-only"]
    options += ["--volume", f"{stack.volume.resolve()}/mailbox:/mailbox"]
    options += ["--volume", f"{folder}:/password:ro", "--volume", f"{SERVER}:/server.py:ro"]
    image = f"localhost/ad-click/mailbox:{tag}"
    docker(
        "run", "--detach", "--name", name, *options, "--entrypoint", "python3", image, "/server.py"
    )
    try:
        yield "login-mail"
    finally:
        docker("rm", "--force", "--volumes", name)


def restore(stack: Stack, before: str) -> None:
    """Give the stack back what is no secret of its own; if it can't start so, start it anew."""
    empty = ("MONITOR_PASSWORD", "SMTP_HOST", "SMTP_USERNAME", "SMTP_PASSWORD")
    write(**dict(re.findall(rf"^({'|'.join(empty)})=(.*)$", before, re.MULTILINE)))
    if make("up", check=False).returncode != 0:
        make("down", VOLUMES="1")
        SETTINGS.write_text(before)
        make("up")
    refresh(stack)
    for address in ("connections/partner", "variables/partner_secret"):
        with contextlib.suppress(urllib.error.HTTPError):
            delete(stack, f"/api/v2/{address}")


def delete(stack: Stack, path: str) -> None:
    """Delete something in Airflow."""
    url = f"http://127.0.0.1:{stack.settings['AIRFLOW_PORT']}{path}"
    headers = {"Authorization": f"Bearer {stack.token}"}
    urllib.request.urlopen(urllib.request.Request(url, headers=headers, method="DELETE")).close()


@pytest.fixture(scope="module")
def planted(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drill]:
    """The stack with a secret in each setting, a login at the mail server, and people's own."""
    before = SETTINGS.read_text()
    folder = tmp_path_factory.mktemp("password")
    folder.chmod(0o755)
    password = folder / "value"
    # Signs that each way of writing a text down treats in its own way; a piece stays.
    smtp = f'mail "of\\ <a> & $b %c {secrets.token_hex(16)}'
    monitor = f'page "of\\ <a> & $b %c {secrets.token_hex(16)}'
    people = {"CONNECTION": secrets.token_hex(16), "VARIABLE": secrets.token_hex(16)}
    password.write_text(smtp)
    try:
        with mail_server(stack, folder) as host:
            settle(stack)
            write(MONITOR_PASSWORD=f"'{monitor}'", SMTP_PASSWORD=f"'{smtp}'")
            write(SMTP_HOST=host, SMTP_USERNAME="canary")
            up = make("up")
            refresh(stack)
            known = read_secrets(SETTINGS)
            assert known.keys() == set(SECRETS)
            search = Search(known | people, tmp_path_factory.mktemp("search"))
            add_what_people_keep(stack, people)
            yield Drill(stack, known | people, search, password, printed=up.stdout + up.stderr)
    finally:
        restore(stack, before)


def add_what_people_keep(stack: Stack, people: dict[str, str]) -> None:
    """Add a connection and a variable in Airflow, as people do in its page."""
    connection = {"connection_id": "partner", "conn_type": "http", "host": "partner.example"}
    connection |= {"login": "ad-click", "password": people["CONNECTION"]}
    stack.airflow("POST", "/api/v2/connections", connection)
    variable = {"key": "partner_secret", "value": people["VARIABLE"]}
    stack.airflow("POST", "/api/v2/variables", variable)


@pytest.fixture(scope="module")
def used(planted: Drill) -> Drill:
    """That stack after a green run, a red one, one whose mail is refused, and what people do."""
    stack = planted.stack
    with ProcessLists() as processes:
        planted.green = follow(planted, stack.trigger())
        for dag in (PREDICTIONS, SPARK):
            follow(planted, stack.trigger(dag), dag)
        for _ in range(5):  # a container that lives for half a second may not be met at once
            if planted.stage_containers.keys() >= STAGES:
                break
            follow(planted, stack.trigger())
        bad = stack.add_data("no table.csv", b"neither rows nor columns\n")
        run = make("run", SOURCE=bad, check=False)
        planted.red = json.loads(run.stdout.splitlines()[-1])["run_id"]
        right = planted.mail_password.read_text()
        planted.mail_password.write_text("another one")
        test = make("smtp-test", check=False)
        planted.unsent = follow(planted, stack.trigger(source=bad))
        planted.mail_password.write_text(right)
        for done in (run, test, make("up"), make("status"), make("smtp-test")):
            planted.printed += done.stdout + done.stderr
        planted.command_lines = processes.lines
    settle(stack)
    return planted


def follow(drill: Drill, run_id: str, dag: str = DAG) -> str:
    """Follow a run to its end, and keep what the engine tells of the stages' containers."""
    stack = drill.stack
    path = f"/api/v2/dags/{dag}/dagRuns/{urllib.parse.quote(run_id, safe='')}"
    ours = ("--filter", f"label=ad-click.project={drill.project}")
    deadline = time.monotonic() + 900
    met: set[str] = set()
    while stack.airflow("GET", path)["state"] not in ("success", "failed"):
        assert time.monotonic() < deadline
        for container in set(docker("ps", "--all", "--quiet", *ours).split()) - met:
            met.add(container)
            with contextlib.suppress(AssertionError):  # it has ended meanwhile
                seen = docker("inspect", container)
                labels = json.loads(seen)[0]["Config"]["Labels"]
                # The watchdog's container looks after a stage and is none.
                drill.stage_containers[labels.get("ad-click.stage", "the watchdog")] = seen
        time.sleep(0.02)
    return run_id


def test_a_secret_is_found_in_each_form_that_programs_give_it(tmp_path: Path) -> None:
    """A secret is planted in a text as it is, quoted, escaped, as hex and in base64."""
    secret = 'one "two\\ <three> & $four %5 0123456789abcdef'
    search = Search({"IT": secret}, tmp_path)
    texts = [text for _, text in forms(secret)]
    texts += [base64.b64encode(f"{user}:{secret}".encode()).decode() for user in ("a", "ab", "abc")]
    texts += [json.dumps({"a": json.dumps({"b": secret})})]
    assert [text for text in texts if not search.text("it", f"x{text}y")] == []
    assert search.text("it", secret[:12]) == []
    (told, *_) = search.text("a place", f"12{secret}")
    assert told == "IT (as it is) in a place, byte 2"
    (told, *_) = search.output("a place", "printf", "%s", f"12{secret}")
    assert told == "IT (as it is) in a place, byte 2"


def test_the_runs_were_the_ones_that_the_search_needs(used: Drill) -> None:
    """A run is green, one is red, and the mail of one is refused by the mail server."""
    stack = used.stack
    assert stack.tasks(used.green)["success_email"]["state"] == "success"
    assert stack.tasks(used.red)["load_data"]["state"] == "failed"
    assert stack.tasks(used.red)["failure_email"]["state"] == "success"
    assert stack.tasks(used.unsent)["failure_email"]["state"] == "failed"
    assert len(stack.mails(used.green)) == len(stack.mails(used.red)) == 1
    assert stack.mails(used.unsent) == []
    assert "refuses the login" in used.printed


def test_no_log_holds_a_secret(used: Drill) -> None:
    """Every service's log, every task's log and what make printed is searched."""
    scheduler = used.container("airflow-scheduler")
    logs = ("docker", "exec", scheduler, "tar", "--create", "--directory", "/opt/airflow", "logs")
    found = used.logs()
    found += used.search.output("Airflow's logs", *logs, least=50_000)
    found += used.search.text("what make printed", used.printed)
    assert found == []


def test_no_table_of_the_database_holds_a_secret(used: Drill) -> None:
    """The whole database is dumped, and its files with the log of its changes are read."""
    postgres = used.container("postgres")
    dump = "PGPASSWORD=$POSTGRES_PASSWORD exec pg_dump --username airflow airflow"
    text = docker("exec", postgres, "sh", "-c", dump)
    for table in ("serialized_dag", "rendered_task_instance_fields", "xcom", "log", "connection"):
        assert rows_of(text, table), table
    for table in ("task_instance", "variable", "ab_user", "dag_code", "dag_run"):
        assert rows_of(text, table), table
    assert used.search.text("the database", text) == []
    files = ("docker", "exec", postgres, "sh", "-c", 'exec tar --create --directory "$PGDATA" .')
    # It is written to meanwhile, which tar says with a code of its own.
    files = (*files[:-1], f"{files[-1].removeprefix('exec ')} || [ $? = 1 ]")
    assert used.search.output("the database's files", *files, least=10_000_000) == []


def test_passwords_of_accounts_are_kept_as_hashes_and_connections_encrypted(used: Drill) -> None:
    """Those tables of the dump are read that have to hold something made of a secret."""
    dump = "PGPASSWORD=$POSTGRES_PASSWORD exec pg_dump --username airflow airflow"
    text = docker("exec", used.container("postgres"), "sh", "-c", dump)
    accounts = [row for row in rows_of(text, "ab_user") if re.search(r"\t(admin|monitor)\t", row)]
    assert len(accounts) == 2
    assert all(re.search(r"\t(scrypt|pbkdf2):[^\t]+\$[^\t]+\$[0-9a-f]{64,}\t", a) for a in accounts)
    key = Fernet(used.secrets["AIRFLOW_FERNET_KEY"])
    (connection,) = [row for row in rows_of(text, "connection") if "\tpartner\t" in row]
    (variable,) = [row for row in rows_of(text, "variable") if "\tpartner_secret\t" in row]
    for row, name in ((connection, "CONNECTION"), (variable, "VARIABLE")):
        encrypted = re.findall(r"\b(gAAAA[\w=-]+)", row)
        assert used.secrets[name] in [key.decrypt(value).decode() for value in encrypted]


def rows_of(dump: str, table: str) -> list[str]:
    """Return the rows of a table of a dump, their columns apart by tabs."""
    found = re.search(rf"^COPY public\.{table} .*?;\n(.*?)^\\\.$", dump, re.MULTILINE | re.DOTALL)
    assert found, table
    return found[1].splitlines()


def test_no_file_but_the_settings_holds_a_secret(used: Drill) -> None:
    """The shared volume with reports and mails, the monitor's index, the checkout are searched."""
    stack, search = used.stack, used.search
    for name in (
        f"runs/{used.green}/load_data/report.json",
        f"runs/{used.red}/load_data/task.json",
    ):
        assert (stack.volume / name).is_file()
    for run in (used.green, used.red):
        for mail in stack.mails(run):  # search its parts too, as they are encoded on the way
            for part in mail.walk():
                if not part.is_multipart():
                    assert search.text(f"the mail of {run}", part.get_content()) == []
    index = ("docker", "exec", used.container("monitor"), "tar", "--create", "/index")
    assert search.output("the monitor's index", *index, least=10_000) == []
    volume = ("tar", "--create", "--directory", str(stack.volume), ".")
    assert search.output("the shared volume", *volume, least=100_000) == []
    others = ("--exclude=./.git", f"--exclude=./{SETTINGS.relative_to(ROOT)}")
    checkout = ("tar", "--create", *others, "--exclude=.venv", "--directory", str(ROOT), ".")
    # Other tests may write caches there meanwhile, which tar says with a code of its own.
    checkout = ("bash", "-c", '"$@" || [ $? = 1 ]', "bash", *checkout)
    assert search.output("the checkout", *checkout, least=100_000) == []
    assert stat.S_IMODE(SETTINGS.stat().st_mode) == 0o600


def test_no_page_of_the_monitor_holds_a_secret(used: Drill) -> None:
    """Every page and answer that a link of the monitor leads to is fetched; its login is failed."""
    monitor = Monitor(used.stack, used.secrets["MONITOR_PASSWORD"])
    first = ["/home", "/api/openapi.json", "/metrics", "/ready", "/health", "/nowhere"]
    for run in (used.green, used.red, used.unsent):
        first += [f"/runs/{run}", f"/api/runs/{run}", f"/embed/runs/{run}"]
    seen = monitor.crawl(first)
    assert {"/home", "/runs", "/model", "/mails", "/metrics", f"/runs/{used.red}"} <= seen.keys()
    assert len(seen) > 60
    seen["/login of a stranger"] = Monitor(used.stack, "").get("/home")
    wrong = urllib.parse.urlencode({"password": "something else"}).encode()
    seen["/login, wrong"] = Monitor(used.stack, "").get("/login", wrong)
    right = urllib.parse.urlencode({"password": used.secrets["MONITOR_PASSWORD"]}).encode()
    seen["/login, right"] = Monitor(used.stack, "").get("/login", right)
    assert (
        flat(used.search.text(f"the monitor's {name}", page) for name, page in seen.items()) == []
    )


class Monitor:
    """The monitor with its login."""

    def __init__(self, stack: Stack, password: str) -> None:
        self.url = stack.monitor_url
        login = base64.b64encode(f"anybody:{password}".encode()).decode()
        self.headers = {"Authorization": f"Basic {login}"} if password else {}
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self.opener = urllib.request.build_opener(jar)

    def get(self, path: str, body: bytes | None = None) -> bytes:
        """Return an answer whatever its status is: head and body."""
        request = urllib.request.Request(self.url + path, body, self.headers)
        try:
            with self.opener.open(request, timeout=120) as answer:
                self.status = answer.status
                return str(answer.headers).encode() + answer.read()
        except urllib.error.HTTPError as error:
            with error:
                self.status = error.code
                return str(error.headers).encode() + error.read()

    def crawl(self, addresses: list[str]) -> dict[str, bytes]:
        """Return the answers at these addresses and at all that they lead to."""
        waiting, seen = list(addresses), dict[str, bytes]()
        while waiting and len(seen) < MOST_PAGES:
            address = waiting.pop(0)
            if address in seen:
                continue
            seen[address] = answer = self.get(address)
            links = re.findall(rb'(?:href|src|action)="(/[^"#/][^"#]*)', answer)
            waiting += [link.decode().replace("&amp;", "&") for link in links]
        return seen


@pytest.mark.parametrize("user", ["admin", "monitor", "nobody"])
def test_no_answer_of_airflow_holds_a_secret(used: Drill, user: str) -> None:
    """All of Airflow's API that reads is called by the administrator, the viewer and nobody."""
    stack = Stack(used.stack.settings)
    if user != "nobody":
        name = "AIRFLOW_ADMIN_PASSWORD" if user == "admin" else "AIRFLOW_VIEWER_PASSWORD"
        stack.log_in(user, used.secrets[name])
    answers = {path: ask(stack, path) for path in airflow_addresses(used)}
    codes = {path: code for path, (code, _) in answers.items()}
    texts = {path: text for path, (_, text) in answers.items()}
    connection, log = "/api/v2/connections/partner", "/taskInstances/load_data/logs/1"
    (log,) = [path for path in codes if used.red in urllib.parse.unquote(path) and log in path]
    expected = {"admin": (200, 200), "monitor": (403, 200), "nobody": (401, 401)}[user]
    assert (codes[connection], codes[log]) == expected
    if user == "admin":
        assert b"partner.example" in texts[connection]
        assert sum(code == 200 for code in codes.values()) > 60
    refused = {path: code for path, code in codes.items() if path.startswith("/execution/")}
    assert all(code >= 400 for code in refused.values()), refused
    found = flat(used.search.text(f"Airflow's {path}", text) for path, text in texts.items())
    assert found == []


def airflow_addresses(drill: Drill) -> list[str]:
    """Return every address of Airflow's API that only reads, filled in with what is there."""
    values = {
        "dag_id": DAG,
        "connection_id": "partner",
        "variable_key": "partner_secret",
        "pool_name": "default_pool",
        "xcom_key": "return_value",
        "map_index": "-1",
    }
    found = list(MORE_OF_AIRFLOW)
    for path, methods in drill.stack.airflow("GET", "/openapi.json")["paths"].items():
        if "get" not in methods:
            continue
        if "{section}" in path:
            found += [path.format(section=s, option=o) for s, o in AIRFLOW_OPTIONS]
            continue
        names = re.findall(r"{(\w+)}", path)
        runs = [drill.green, drill.red, drill.unsent] if "dag_run_id" in names else [""]
        tasks = ["load_data", "success_email", "failure_email"] if "task_id" in names else [""]
        for run in runs:
            for task in tasks:
                given = values | {"dag_run_id": run, "task_id": task}
                filled = {n: urllib.parse.quote(given.get(n, "1"), safe="") for n in names}
                query = "?interval=1" if path.endswith("/wait") else "?limit=1000"
                found.append(path.format(**filled) + query * (not path.endswith("}")))
    assert len(found) > 100
    return found


def ask(stack: Stack, path: str) -> tuple[int, bytes]:
    """Return status and text of an answer of Airflow, whatever it is."""
    url = f"http://127.0.0.1:{stack.settings['AIRFLOW_PORT']}{path}"
    headers = {"Authorization": f"Bearer {stack.token}"} if stack.token else {}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=120) as a:
            return a.status, str(a.headers).encode() + a.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_no_image_holds_a_secret(used: Drill) -> None:
    """The history and every layer of every image of the stack are read."""
    tag = used.stack.settings["IMAGE_TAG"]
    images = docker(
        "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", f"localhost/ad-click/*:{tag}"
    ).split()
    assert len(images) >= len(STAGES) + 4
    images.append(used.stack.settings["POSTGRES_IMAGE"])
    for image in images:
        told = docker("history", "--no-trunc", image) + docker("image", "inspect", image)
        assert used.search.text(f"the history of {image}", told) == []
    # All at once, so that what they have in common is read once; nothing of it is kept.
    layers = ("docker", "save", *images)
    assert used.search.output("the layers of the images", *layers, least=100_000_000) == []


def test_no_command_line_holds_a_secret(used: Drill) -> None:
    """The host's list of processes is read ten times a second during runs, make and a test mail."""
    for word in (b"run_pipeline.py", b"smtp_test.py", b"postgres", b"gunicorn", b"docker"):
        assert word in used.command_lines, word
    found = used.search.text("a command line", used.command_lines)
    for service in SERVICES[1:]:  # airflow-init has ended
        found += used.search.text(
            service, docker("top", used.container(service), "-eo", "pid,args")
        )
    assert found == []


def test_only_the_services_of_the_table_hold_a_secret_and_only_as_an_environment(
    used: Drill,
) -> None:
    """All that the engine tells of each service's container is compared with docs/security.md."""
    own = Search({name: used.secrets[name] for name in SECRETS}, used.search.patterns.parent)
    held: dict[str, set[str]] = {}
    for service in SERVICES:
        (seen,) = json.loads(docker("inspect", used.container(service)))
        environment = seen["Config"].pop("Env")
        assert own.text(f"docker inspect of {service}", json.dumps(seen)) == []
        found = own.text(service, "\n".join(environment))
        held[service] = {one.split()[0] for one in found}
    assert held == services_of_the_table()


def services_of_the_table() -> dict[str, set[str]]:
    """Return which secrets a service gets, by the table of docs/security.md."""
    text = (ROOT / "docs" / "security.md").read_text()
    held: dict[str, set[str]] = {service: set() for service in SERVICES}
    rows = re.findall(r"^\| (`[A-Z_`, ]+`) \| (.*) \|$", text, re.MULTILINE)
    assert {name for names, _ in rows for name in re.findall(r"\w+", names)} == set(SECRETS)
    for names, services in rows:
        who = services.replace("the parts of Airflow", ", ".join(AIRFLOW))
        for service in SERVICES:
            if re.search(rf"(?<![\w-]){service}(?![\w-])", who):
                held[service] |= set(re.findall(r"\w+", names))
    return held


def test_no_stage_gets_a_secret(used: Drill) -> None:
    """The container of each stage is looked at while it works."""
    assert used.stage_containers.keys() >= STAGES
    found = [used.search.text(stage, seen) for stage, seen in used.stage_containers.items()]
    assert flat(found) == []


# From here on secrets are changed: what was searched above is over.


@dataclass
class Rotation:
    """Changes a secret as docs/operations.md says, and holds what each change has to keep."""

    drill: Drill
    folder: Path

    def rotate(self, name: str, given: str | None = None) -> tuple[str, str]:
        """Run `make rotate` and return the secret before and after."""
        stack = self.drill.stack
        settle(stack)
        runs = self.runs()
        before = SETTINGS.read_text()
        old = read_secrets(SETTINGS)
        environment = {**os.environ, "ENV_FILE": str(SETTINGS.relative_to(ROOT))}
        with ProcessLists() as processes:
            done = subprocess.run(
                ["make", "rotate", f"SECRET={name}"],
                cwd=ROOT,
                env=environment,
                input=given or "",
                capture_output=True,
                text=True,
                check=False,
            )
            seen = processes.lines
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        new = read_secrets(SETTINGS)
        assert new.keys() == set(SECRETS)
        assert {n for n in SECRETS if new[n] != old[n]} == {name}
        line = rf"^{name}=.*$"
        assert re.sub(line, "", before, flags=re.M) == re.sub(
            line, "", SETTINGS.read_text(), flags=re.M
        )
        assert stat.S_IMODE(SETTINGS.stat().st_mode) == 0o600
        assert [path.name for path in SETTINGS.parent.glob(".env*")] == [".env"]
        refresh(stack)
        both = Search({"OLD": old[name], "NEW": new[name]}, self.folder)
        assert both.text("what make printed", done.stdout + done.stderr) == []
        assert both.text("a command line", seen) == []
        logs = [("docker", "logs", self.drill.container(service)) for service in SERVICES]
        assert flat(both.output(log[-1], *log, least=0) for log in logs) == []
        assert runs <= self.runs()
        assert make("status").returncode == 0
        return old[name], new[name]

    def runs(self) -> set[str]:
        """Return the runs that Airflow knows."""
        answer = self.drill.stack.airflow("GET", f"/api/v2/dags/{DAG}/dagRuns?limit=1000")
        return {run["dag_run_id"] for run in answer["dag_runs"]}

    def still_green(self) -> None:
        """Run the pipeline."""
        run_id, state = self.drill.stack.run()
        assert state == "success", self.drill.stack.tasks(run_id)


@pytest.fixture
def rotation(planted: Drill, tmp_path: Path) -> Rotation:
    return Rotation(planted, tmp_path)


def may_log_in(stack: Stack, user: str, password: str) -> bool:
    """Tell whether Airflow takes a password."""
    try:
        Stack(stack.settings).log_in(user, password)
    except urllib.error.HTTPError as error:
        with error:
            if error.code != 401:
                raise
            return False
    return True


def test_the_administrators_password_is_changed_by_one_command(rotation: Rotation) -> None:
    """AIRFLOW_ADMIN_PASSWORD is rotated; who has logged in before stays so, as is documented."""
    stack = rotation.drill.stack
    user, token = stack.settings["AIRFLOW_ADMIN_USER"], stack.token
    old, new = rotation.rotate("AIRFLOW_ADMIN_PASSWORD")
    assert (may_log_in(stack, user, old), may_log_in(stack, user, new)) == (False, True)
    former = Stack(stack.settings, token=token)
    assert ask(former, "/api/v2/dags")[0] == 200


def test_the_viewers_password_is_changed_by_one_command(rotation: Rotation) -> None:
    """AIRFLOW_VIEWER_PASSWORD is rotated, which Airflow, the monitor and the scheduler know."""
    stack = rotation.drill.stack
    old, new = rotation.rotate("AIRFLOW_VIEWER_PASSWORD")
    assert (may_log_in(stack, "monitor", old), may_log_in(stack, "monitor", new)) == (False, True)
    monitor = Monitor(stack, read_secrets(SETTINGS)["MONITOR_PASSWORD"])

    def airflow() -> str:
        return str(json.loads(monitor.get("/ready").partition(b"\n\n")[2])["airflow"])

    # It asks now and then, and less often while Airflow, which was started anew, does not answer.
    stack.until(airflow, {"answers"})
    assert (
        b"no container was looked for"
        not in docker("logs", rotation.drill.container("airflow-scheduler")).encode()
    )


def test_the_secret_of_the_tokens_is_changed_by_one_command(rotation: Rotation) -> None:
    """AIRFLOW_JWT_SECRET is rotated; everybody has to log in again."""
    stack = rotation.drill.stack
    token = stack.token
    rotation.rotate("AIRFLOW_JWT_SECRET")
    assert ask(stack, "/api/v2/dags")[0] == 200
    former = Stack(stack.settings, token=token)
    assert ask(former, "/api/v2/dags")[0] in (401, 403)


def test_the_secret_of_the_sessions_is_changed_by_one_command(rotation: Rotation) -> None:
    """AIRFLOW_SECRET_KEY is rotated; a login form that was open before is refused."""
    stack = rotation.drill.stack
    browser, form = open_form(stack)
    assert send_form(browser, form, stack)
    other, old_form = open_form(stack)
    rotation.rotate("AIRFLOW_SECRET_KEY")
    assert not send_form(other, old_form, stack)
    assert send_form(*open_form(stack), stack)


def open_form(stack: Stack) -> tuple[urllib.request.OpenerDirector, str]:
    """Open Airflow's login form; return the browser and the form's signed value."""
    jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
    opener = urllib.request.build_opener(jar)
    with opener.open(f"http://127.0.0.1:{stack.settings['AIRFLOW_PORT']}/auth/login/") as answer:
        found = re.search(
            r'name="csrf_token" type="hidden" value="([^"]+)"', answer.read().decode()
        )
    assert found
    return opener, found[1]


def send_form(browser: urllib.request.OpenerDirector, form: str, stack: Stack) -> bool:
    """Send the form with the right password; tell whether it was let in."""
    settings = stack.settings
    fields = {"csrf_token": form, "username": settings["AIRFLOW_ADMIN_USER"]}
    fields["password"] = settings["AIRFLOW_ADMIN_PASSWORD"]
    url = f"http://127.0.0.1:{settings['AIRFLOW_PORT']}"
    try:
        browser.open(f"{url}/auth/login/", urllib.parse.urlencode(fields).encode()).close()
        browser.open(f"{url}/ui/auth/me").close()
    except urllib.error.HTTPError as error:
        with error:
            return False
    return True


def test_the_fernet_key_is_changed_by_one_command_and_what_people_added_stays_readable(
    rotation: Rotation,
) -> None:
    """AIRFLOW_FERNET_KEY is rotated under a connection and a variable that people have added."""
    drill = rotation.drill
    kept = encrypted(drill)
    old, new = rotation.rotate("AIRFLOW_FERNET_KEY")
    now = encrypted(drill)
    assert len(now) == len(kept) >= 2
    for value in now:
        with pytest.raises(InvalidToken):
            Fernet(old).decrypt(value)
    known = {Fernet(new).decrypt(value).decode() for value in now}
    assert {drill.secrets["CONNECTION"], drill.secrets["VARIABLE"]} <= known
    read = make("airflow", "ARGS=connections get partner --output json").stdout
    assert drill.secrets["CONNECTION"] in read
    assert drill.secrets["VARIABLE"] in make("airflow", "ARGS=variables get partner_secret").stdout


def encrypted(drill: Drill) -> list[str]:
    """Return what stands encrypted in the tables of connections and variables."""
    ask = "select password from connection union all select val from variable"
    command = f'PGPASSWORD=$POSTGRES_PASSWORD psql --username airflow -At -c "{ask}"'
    return docker("exec", drill.container("postgres"), "sh", "-c", command).split()


def test_the_databases_password_is_changed_by_one_command_even_if_nobody_knows_it(
    rotation: Rotation,
) -> None:
    """POSTGRES_PASSWORD is lost from .env and then rotated; the database and its history stay."""
    drill = rotation.drill
    known, lost = read_secrets(SETTINGS)["POSTGRES_PASSWORD"], "a quite long password"
    write(POSTGRES_PASSWORD=f"'{lost}'")
    try:
        _, new = rotation.rotate("POSTGRES_PASSWORD")
    finally:
        if read_secrets(SETTINGS)["POSTGRES_PASSWORD"] == lost:  # nothing was changed
            write(POSTGRES_PASSWORD=known)
    assert database_takes(drill, new)
    assert not database_takes(drill, known)
    assert not database_takes(drill, lost)


def database_takes(drill: Drill, password: str) -> bool:
    """Tell whether the database lets Airflow's user in by the network with a password."""
    script = (
        "read -r PGPASSWORD; export PGPASSWORD; "
        "exec psql --host postgres --username airflow -At -c 'select 6 * 7'"
    )
    command = ["docker", "exec", "-i", drill.container("postgres"), "sh", "-c", script]
    done = subprocess.run(command, input=password, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "42" or "password authentication failed" in done.stderr
    return done.returncode == 0


def test_the_monitors_password_is_changed_by_one_command_and_ends_its_sessions(
    rotation: Rotation,
) -> None:
    """MONITOR_PASSWORD is rotated while somebody has logged in to the monitor."""
    stack = rotation.drill.stack
    reader = Monitor(stack, "")
    old = read_secrets(SETTINGS)["MONITOR_PASSWORD"]
    reader.get("/login", urllib.parse.urlencode({"password": old}).encode())
    assert b"/login?" not in reader.get("/api/runs")
    assert reader.status == 200
    _, new = rotation.rotate("MONITOR_PASSWORD")
    assert [status(stack, password, "/api/runs") for password in (old, new)] == [401, 200]
    reader.get("/api/runs")
    assert reader.status == 401


def status(stack: Stack, password: str, path: str) -> int:
    """Return the status of an answer of the monitor."""
    monitor = Monitor(stack, password)
    monitor.get(path)
    return monitor.status


def test_the_mail_servers_password_is_changed_by_one_command(rotation: Rotation) -> None:
    """The mail server takes another password, which is then given to `make rotate`."""
    drill = rotation.drill
    given = secrets.token_hex(8) + " #$"
    drill.mail_password.write_text(given)
    refused = make("smtp-test", check=False)
    assert "refuses the login" in refused.stderr
    _, new = rotation.rotate("SMTP_PASSWORD", given)
    assert new == given
    assert "the server answered: 250" in make("smtp-test").stdout
    rotation.still_green()  # with all that was changed before
