"""Start the database servers that the tests talk to, share them among workers, and stop them.

Every server is our own: private, on loopback, with throw-away data. It comes from the first of
an address in the environment (`SMALLS_TEST_POSTGRES15=postgresql://user:password@host:port`),
binaries on this machine, a local Docker image. A server of yours is never touched unasked.
"""

import contextlib
import fcntl
import functools
import glob
import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import psycopg2
import pymysql
from pymysql.constants import CLIENT

SQLITE = ("sqlite",)
POSTGRES = ("postgres15", "postgres17")
MYSQL = ("mariadb10", "mariadb11", "mysql9")
ENGINES = (*SQLITE, *POSTGRES, *MYSQL)

RUN_DIR = "SMALLS_TEST_RUN_DIR"
OWNER_PID = "SMALLS_TEST_OWNER_PID"
START_SECONDS = 90
CONNECT_SECONDS = 10


class UnavailableError(Exception):
    """A server cannot be had on this machine; the text says why and how to get it."""


@dataclass(frozen=True)
class Server:
    """A running server and its administrator's credentials."""

    engine: str
    port: int
    user: str
    password: str
    host: str = "127.0.0.1"
    socket: str | None = None  # PostgreSQL: the folder; MySQL and MariaDB: the file
    pid: int | None = None
    container: str | None = None

    def url(self, database: str, user: str | None = None, password: str | None = None) -> str:
        """Give the URL of a database, with percent-encoded credentials."""
        who = _credentials(user or self.user, self.password if password is None else password)
        return f"{scheme(self.engine)}://{who}@{self.host}:{self.port}/{quote(database, safe='')}"

    def socket_url(self, database: str) -> str:
        """Give the URL of a database through the server's Unix socket."""
        if self.socket is None:
            raise UnavailableError(f"{self.engine} has no Unix socket on this machine")
        postgres = family(self.engine) == "postgres"
        key, port = ("host", f":{self.port}") if postgres else ("unix_socket", "")
        who = _credentials(self.user, self.password)
        name = quote(database, safe="")
        return f"{scheme(self.engine)}://{who}@{port}/{name}?{key}={quote(self.socket, safe='/')}"

    def connect(self, database: str | None = None) -> "psycopg2.extensions.connection | pymysql.Connection":
        """Open a raw driver connection that commits by itself."""
        if family(self.engine) == "postgres":
            return self._connect_postgres(database or "postgres")
        return pymysql.connect(
            host=self.host,
            port=self.port,
            user=self.user,
            password=self.password,
            database=database,
            autocommit=True,
            connect_timeout=CONNECT_SECONDS,
            client_flag=CLIENT.MULTI_STATEMENTS,
        )

    def _connect_postgres(self, database: str) -> psycopg2.extensions.connection:
        connection = psycopg2.connect(
            host=self.host,
            port=self.port,
            user=self.user,
            password=self.password,
            dbname=database,
            connect_timeout=CONNECT_SECONDS,
        )
        connection.autocommit = True
        return connection


def family(engine: str) -> str:
    """Name the kind of an engine: sqlite, postgres or mysql."""
    if engine in SQLITE:
        return "sqlite"
    return "mysql" if engine in MYSQL else "postgres"


def scheme(engine: str) -> str:
    """Name the URL scheme of an engine."""
    return {"postgres": "postgresql"}.get(family(engine), family(engine))


def _credentials(user: str, password: str) -> str:
    return quote(user, safe="") + (":" + quote(password, safe="") if password else "")


@functools.cache
def server(engine: str) -> Server:
    """Give the running server of an engine; the first to ask in a test run starts it."""
    if address := os.environ.get(f"SMALLS_TEST_{engine.upper()}"):
        return _from_address(engine, address)
    with shared(engine) as record:
        if record.exists():
            found = Server(**json.loads(record.read_text()))
        else:
            found = _start(engine)
            record.write_text(json.dumps(asdict(found)))
    await_server(found)  # also where another worker started it, a moment ago
    return found


def _from_address(engine: str, address: str) -> Server:
    parts = urlsplit(address)
    port = parts.port or (5432 if family(engine) == "postgres" else 3306)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return Server(engine, port, user, password, host=parts.hostname or "127.0.0.1")


def _start(engine: str) -> Server:
    starters: dict[str, tuple[Callable[[str], Server | None], ...]] = {
        "postgres15": (_postgres_binaries, start_container),
        "postgres17": (start_container,),
        "mariadb10": (_mariadb_binaries, start_container),
        "mariadb11": (start_container,),
        "mysql9": (start_container,),
    }
    for starter in starters[engine]:
        if found := starter(engine):
            return found
    raise UnavailableError(
        f"neither its programs nor a local Docker image {IMAGES[engine]} is here, "
        f"and SMALLS_TEST_{engine.upper()} names no server"
    )


def await_server(found: Server) -> None:
    """Wait until a server takes connections."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            found.connect().close()
        except (psycopg2.OperationalError, pymysql.OperationalError) as error:
            if time.monotonic() > deadline:
                raise UnavailableError(f"{found.engine} did not come up: {error}") from error
            time.sleep(0.1)
        else:
            return


# ---- the run: one folder, shared by all workers of a test session


def begin_run() -> None:
    """Make the folder that the workers of this test run share."""
    # The folder's name is in names of images and containers, which allow no "-_".
    folder = Path(tempfile.gettempdir(), f"smalls-{secrets.token_hex(4)}")
    folder.mkdir(mode=0o700)
    folder.chmod(0o711)  # the servers run as users of their own
    os.environ[RUN_DIR] = str(folder)
    os.environ[OWNER_PID] = str(os.getpid())


def end_run(folder: Path) -> None:
    """Stop every server that the run started, and remove its folder."""
    for record in folder.glob("*.server"):
        stop(Server(**json.loads(record.read_text())))
    for record in sorted(folder.glob("*.undo"), key=os.path.getmtime, reverse=True):
        docker(*json.loads(record.read_text()))
    shutil.rmtree(folder, ignore_errors=True)


def stop(found: Server) -> None:
    """Stop a server at once; its data are not kept."""
    if found.container:
        docker("rm", "--force", "--volumes", found.container)
    if found.pid:
        with contextlib.suppress(ProcessLookupError):
            os.kill(found.pid, signal.SIGQUIT if found.engine.startswith("postgres") else signal.SIGKILL)


def at_end(name: str, *words: str) -> None:
    """Have `docker WORDS` run when this test run ends, or is killed."""
    (run_folder() / f"{name}.undo").write_text(json.dumps(words))


def run_folder() -> Path:
    """Give the folder of this test run."""
    return Path(os.environ[RUN_DIR])


@contextlib.contextmanager
def shared(name: str) -> Iterator[Path]:
    """Hold the run's lock on a name, and give the record that says what was started under it."""
    with (run_folder() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _watch()
        yield run_folder() / f"{name}.server"


def _watch() -> None:
    """Have the servers stopped even if this test run is killed."""
    mark = run_folder() / "watched"
    with contextlib.suppress(FileExistsError):
        mark.touch(exist_ok=False)
        command = [sys.executable, "-m", "tests.servers", os.environ[OWNER_PID], os.environ[RUN_DIR]]
        _detach(command, cwd=Path(__file__).parent.parent)


def _outlive(owner: int, folder: Path) -> None:
    while folder.exists() and _alive(owner):
        time.sleep(1)
    if folder.exists():
        end_run(folder)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


# ---- servers from binaries on this machine


def _postgres_binaries(engine: str) -> Server | None:
    binaries = postgres_binaries()
    return start_postgres(engine, binaries, run_folder() / engine) if binaries else None


def postgres_binaries(version: str = "15") -> Path | None:
    """Find the folder of PostgreSQL's server programs."""
    found = sorted(glob.glob(f"/usr/lib/postgresql/{version}/bin/initdb"))  # noqa: PTH207 - absolute
    return Path(found[0]).parent if found else None


def start_postgres(
    engine: str, binaries: Path, folder: Path, *options: str, hba: str = "", standby: bool = False
) -> Server:
    """Make a private PostgreSQL cluster in a folder and start it, also as a standby, on a free port of loopback."""
    owned_folder(folder, "postgres")
    password = secrets.token_hex(8)
    (folder / "password").write_text(password)
    data, log = folder / "data", folder / "log"
    init = [binaries / "initdb", "-D", data, "-U", "postgres", "-A", "scram-sha-256"]
    _run_as("postgres", [*init, "-E", "UTF8", "--no-sync", "--pwfile", folder / "password"])
    if hba:
        (data / "pg_hba.conf").write_text(hba)
    if standby:
        (data / "standby.signal").touch()
    port = free_port()
    settings = [f"port={port}", f"unix_socket_directories={folder}", *THROW_AWAY, *options]
    command = [binaries / "postgres", "-D", data, *(f"--{setting}" for setting in settings)]
    pid = _detach(command, user="postgres", log=log, cwd=folder)
    return Server(engine, port, "postgres", password, socket=str(folder), pid=pid)


def _mariadb_binaries(engine: str) -> Server | None:
    return start_mariadb(engine, run_folder() / engine)


def start_mariadb(engine: str, folder: Path, *more: str) -> Server | None:
    """Make a private MariaDB 10 in a folder and start it on a free port; None where its programs are missing."""
    program, installer = find_program("mariadbd"), find_program("mariadb-install-db")
    if not program or not installer or " 10." not in subprocess.check_output([program, "--version"], text=True):
        return None
    data, sock, setup, scratch = folder / "data", folder / "sock", folder / "setup.sql", folder / "tmp"
    owned_folder(folder, "mysql")
    owned_folder(scratch, "mysql")  # in one that servers share, each removes the others' files when it starts
    password, port = secrets.token_hex(8), free_port()
    options = ["--no-defaults", f"--datadir={data}", f"--tmpdir={scratch}"]
    install = [installer, *options, "--auth-root-authentication-method=normal"]
    _run_as("mysql", [*install, "--skip-test-db"])
    setup.write_text(
        f"ALTER USER root@localhost IDENTIFIED BY '{password}';\n"
        "DELETE FROM mysql.global_priv WHERE User='';\n"
        "FLUSH PRIVILEGES;\n"
        f"CREATE USER root@'%' IDENTIFIED BY '{password}';\n"
        "GRANT ALL ON *.* TO root@'%' WITH GRANT OPTION;\n"
    )
    options += [f"--port={port}", "--bind-address=127.0.0.1", f"--socket={sock}", f"--init-file={setup}"]
    command = [program, *options, *more, "--innodb-flush-log-at-trx-commit=0", "--innodb-use-native-aio=0"]
    pid = _detach(command, user="mysql", log=folder / "log", cwd=folder)
    return Server(engine, port, "root", password, socket=str(sock), pid=pid)


THROW_AWAY = ("listen_addresses=127.0.0.1", "fsync=off", "full_page_writes=off", "max_connections=200")


def owned_folder(folder: Path, user: str) -> None:
    """Make a folder that belongs to a server's user, where we may give it away."""
    folder.mkdir(mode=0o755)
    if os.geteuid() == 0:
        try:
            shutil.chown(folder, user, user)
        except LookupError as error:
            raise UnavailableError(f"there is no user {user} on this machine") from error


def _identity(user: str | None) -> dict:
    """Give Popen's arguments for running as a user; only root can, everybody else stays themself."""
    if user is None or os.geteuid() != 0:
        return {}
    entry = pwd.getpwnam(user)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _run_as(user: str, command: list) -> None:
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False, cwd="/", **_identity(user)
    )
    if done.returncode:
        raise UnavailableError(f"{command[0]} failed: {(done.stderr or done.stdout).strip()[-500:]}")


def _detach(command: list, *, user: str | None = None, log: Path | None = None, cwd: Path | None = None) -> int:
    """Start a process that outlives this worker, and give its id."""
    with (log or Path(os.devnull)).open("ab") as output:
        process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=cwd,
            start_new_session=True,
            **_identity(user),
        )
    process.returncode = 0  # not ours to wait for: the end of the run stops it
    return process.pid


def start_pgbouncer(upstream: Server, mode: str = "transaction") -> Server:
    """Start PgBouncer before a PostgreSQL server, in transaction mode unless said otherwise."""
    program = find_program("pgbouncer")
    if not program:
        raise UnavailableError("pgbouncer is not installed")
    folder = run_folder() / f"pgbouncer-{secrets.token_hex(4)}"
    owned_folder(folder, "postgres")
    port = free_port()
    (folder / "users").write_text(f'"{upstream.user}" "{upstream.password}"\n')
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n* = host={upstream.host} port={upstream.port}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = plain\nauth_file = {folder}/users\npool_mode = {mode}\n"
        "max_client_conn = 200\ndefault_pool_size = 20\n"
        "ignore_startup_parameters = extra_float_digits\n"
    )
    command = [program, folder / "pgbouncer.ini"]
    pid = _detach(command, user="postgres", log=folder / "log", cwd=folder)
    found = Server("pgbouncer", port, upstream.user, upstream.password, pid=pid)
    (run_folder() / f"{folder.name}.server").write_text(json.dumps(asdict(found)))
    await_server(found)
    return found


def find_program(name: str) -> str | None:
    """Find a program, also where only root's PATH leads."""
    return shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin")


def free_port() -> int:
    """Find a TCP port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# ---- servers in containers

IMAGES = {
    "postgres15": "postgres:15",
    "postgres17": "postgres:17",
    "mariadb10": "mariadb:10.11",
    "mariadb11": "mariadb:11",
    "mysql9": "mysql:9",
}
MYSQL_OPTIONS = ("--bind-address=127.0.0.1", "--innodb-flush-log-at-trx-commit=0")
OPTIONS = {
    "postgres": tuple(word for setting in THROW_AWAY for word in ("-c", setting)),
    "mariadb": MYSQL_OPTIONS,
    "mysql": (*MYSQL_OPTIONS, "--mysqlx=OFF", "--skip-log-bin"),
}
DATA = {"postgres": ["/var/lib/postgresql/data"]}  # kept in memory
MYSQL_DATA = ["/var/lib/mysql", "/var/lib/mysql-data"]


def start_container(engine: str, suffix: str = "") -> Server | None:
    """Start the engine's image on a free port of loopback; None where the image is missing."""
    image = IMAGES[engine]
    if not have_image(image):
        return None
    kind, _, _ = image.partition(":")
    password, port = secrets.token_hex(8), free_port()
    variable = "POSTGRES_PASSWORD" if kind == "postgres" else f"{kind.upper()}_ROOT_PASSWORD"
    name = f"{run_folder().name}-{engine}{suffix}"
    memory = [f"--tmpfs={folder}" for folder in DATA.get(kind, MYSQL_DATA)]
    ports = ["-c", f"port={port}"] if kind == "postgres" else [f"--port={port}"]
    how = ["--detach", "--rm", "--network=host", f"--name={name}", f"--env={variable}", *memory]
    done = docker("run", *how, image, *OPTIONS[kind], *ports, env={variable: password})
    if done.returncode:
        raise UnavailableError(f"docker run {image} failed: {done.stderr.strip()}")
    user = "postgres" if kind == "postgres" else "root"
    return Server(engine, port, user, password, container=name)


@functools.cache
def have_docker() -> bool:
    """Tell whether a Docker engine answers."""
    return shutil.which("docker") is not None and docker("info").returncode == 0


def have_image(image: str) -> bool:
    """Tell whether an image is on this machine; nothing is pulled."""
    return have_docker() and docker("image", "inspect", image).returncode == 0


def docker(*words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess:
    """Run the docker client to its end."""
    environment = {**os.environ, **(env or {})}
    return subprocess.run(["docker", *words], capture_output=True, text=True, check=False, env=environment)


if __name__ == "__main__":
    _outlive(int(sys.argv[1]), Path(sys.argv[2]))
