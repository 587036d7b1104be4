"""TLS beside redis-server: who may connect, certificates that are changed or cannot be used, ports."""

from __future__ import annotations

import re
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.certificates import Certificates, listen_with, make_certificates, openssl, outcome
from tests.support.raw import RawClient
from tests.support.servers import ORACLE, ServerProcess, free_port, start_oracle, start_ours

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl program")

OURS = [sys.executable, "-m", "pyredis"]
Starts = tuple[Callable[..., ServerProcess], Callable[..., ServerProcess]]


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


class Pair:
    """Ours and redis-server, each with a port for TLS."""

    def __init__(self, servers: list[ServerProcess], files: Certificates) -> None:
        self.servers = servers
        self.files = files
        self.ports = [0, 0]
        self.plain = [RawClient(server.connect()) for server in servers]

    def configure(self, **settings: str) -> None:
        """Listen on new ports, with nothing left of earlier settings."""
        for client in self.plain:
            names = ("tls-protocols", "tls-ciphers", "tls-dh-params-file", "tls-key-file-pass")
            empty = [part for name in names for part in (name, "")]
            assert client.call("CONFIG", "SET", "tls-port", 0, "tls-prefer-server-ciphers", "no", *empty) == b"+OK\r\n"
        wanted = self.files.settings() | {name.replace("_", "-"): value for name, value in settings.items()}
        self.ports = [listen_with(server, wanted) for server in self.servers]

    def ask(self, *argv: str | int) -> bytes:
        """The reply that both give over their plain connections."""
        ours, theirs = [client.call(*argv) for client in self.plain]
        assert ours == theirs, argv
        return ours

    def outcomes(self, context: ssl.SSLContext) -> tuple[str, str]:
        """What comes of a PING over TLS, at ours and at theirs."""
        ours, theirs = [outcome(self.files, port, context) for port in self.ports]
        return ours, theirs


@pytest.fixture(scope="module")
def _pair(tmp_path_factory: pytest.TempPathFactory, files: Certificates) -> Iterator[Pair]:
    servers = [start_ours(tmp_path_factory.mktemp("ours")), start_oracle(tmp_path_factory.mktemp("oracle"))]
    yield Pair(servers, files)
    for server in servers:
        server.stop()


@pytest.fixture
def pair(_pair: Pair) -> Iterator[Pair]:
    yield _pair
    assert _pair.servers[0].alive(), _pair.servers[0].log()


# --- who may connect --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("clients", ["yes", "no", "optional"])
def test_certificates_of_clients(pair: Pair, files: Certificates, clients: str) -> None:
    pair.configure(tls_auth_clients=clients)
    for client in ("client", "", "stranger"):
        for authority in ("authority", "elsewhere"):
            ours, theirs = pair.outcomes(files.context(client, authority))
            assert ours == theirs, (client, authority)
    good, _ = pair.outcomes(files.context())
    none, _ = pair.outcomes(files.context(""))
    strange, _ = pair.outcomes(files.context("stranger"))
    assert good.startswith("+PONG TLSv1.3")
    assert none.startswith("+PONG") == (clients != "yes")
    assert strange.startswith("+PONG") == (clients == "no")


@pytest.mark.parametrize(
    "settings",
    [
        {"tls_protocols": "TLSv1.2"},
        {"tls_protocols": "TLSv1.3"},
        {"tls_protocols": "tlsv1.3 TLSV1.2"},
        {"tls_protocols": "TLSv1.2", "tls_ciphers": "ECDHE-ECDSA-CHACHA20-POLY1305"},
        {"tls_protocols": "TLSv1.2", "tls_ciphers": "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384"},
        {
            "tls_protocols": "TLSv1.2",
            "tls_ciphers": "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384",
            "tls_prefer_server_ciphers": "yes",
        },
    ],
)
def test_protocols_and_ciphers(pair: Pair, files: Certificates, settings: dict[str, str]) -> None:
    """Each kind of client comes through, or not, with the same protocol and cipher as at redis-server."""
    pair.configure(**settings)
    seen = set()
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        for order in ("ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"):
            context = files.context()
            context.minimum_version = context.maximum_version = version
            context.set_ciphers(order)
            ours, theirs = pair.outcomes(context)
            assert ours == theirs, (version, order)
            seen.add(ours)
    assert any(one.startswith("+PONG") for one in seen)


def test_parameters_for_diffie_hellman(pair: Pair, files: Certificates) -> None:
    group = ("-algorithm", "DH", "-pkeyopt", "group:ffdhe2048")
    openssl(files.directory, "genpkey", "-genparam", *group, "-out", "dh.pem")
    openssl(files.directory, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "rsa.key", "-out", "rsa.crt",
            "-subj", "/CN=rsa", "-addext", "subjectAltName=DNS:localhost")  # fmt: skip
    context = files.context("", "rsa")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("DHE-RSA-AES256-GCM-SHA384")
    pair.configure(**{name.replace("-", "_"): value for name, value in files.settings("rsa", "no").items()},
                   tls_dh_params_file=files.file("dh.pem"))  # fmt: skip
    assert pair.outcomes(context) == ("+PONG TLSv1.2 DHE-RSA-AES256-GCM-SHA384",) * 2


def test_a_key_with_a_password(pair: Pair, files: Certificates) -> None:
    pair.configure(tls_key_file=files.file("locked.key"), tls_key_file_pass="secret")
    ours, theirs = pair.outcomes(files.context())
    assert ours == theirs
    assert ours.startswith("+PONG")
    assert b"secret" in pair.ask("CONFIG", "GET", "tls-key-file-pass")
    for wrong in ("", "wrong"):
        assert b"Unable to update TLS" in pair.ask("CONFIG", "SET", "tls-key-file-pass", wrong)
    assert pair.outcomes(files.context()) == (ours, theirs)


def test_no_other_sessions_than_openssl_keeps(server: ServerProcess) -> None:
    """What the ssl module cannot set is refused, not ignored; its own values are taken."""
    client = RawClient(server.connect())
    for name, value in (
        ("tls-ciphersuites", "TLS_AES_128_GCM_SHA256"),
        ("tls-session-caching", "no"),
        ("tls-session-cache-size", "5000"),
        ("tls-session-cache-timeout", "60"),
    ):
        assert b" needs a setting of Python's ssl module" in client.call("CONFIG", "SET", name, value)
    suites = "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256"
    for name, value in (("tls-ciphersuites", suites), ("tls-session-cache-size", "20480"), ("tls-ciphersuites", "")):
        assert client.call("CONFIG", "SET", name, value) == b"+OK\r\n"
    client.close()


# --- certificates that change, and bad ones ---------------------------------------------------------------------------


def subject(files: Certificates, port: int) -> str:
    """Whose certificate a new connection is shown."""
    with files.connect(port) as sock:
        shown = sock.getpeercert()
        assert shown is not None
        return str(dict(part for line in shown["subject"] for part in line)["commonName"])


def test_reload(pair: Pair, files: Certificates) -> None:
    """New connections see the new certificate, the old ones live on; what cannot be used changes nothing."""
    pair.configure()
    old = [files.client(port) for port in pair.ports]
    renewed = ("tls-cert-file", files.file("renewed.crt"), "tls-key-file", files.file("renewed.key"))
    assert pair.ask("CONFIG", "SET", *renewed) == b"+OK\r\n"
    assert [subject(files, port) for port in pair.ports] == ["renewed"] * 2
    for name, value in (
        ("tls-cert-file", files.file("server.crt")),  # not the key's
        ("tls-cert-file", files.file("nowhere.crt")),
        ("tls-cert-file", files.file("server.key")),
        ("tls-cert-file", ""),
        ("tls-key-file", files.file("server.key")),
        ("tls-key-file", files.file("names")),
        ("tls-key-file", ""),
        ("tls-ca-cert-file", files.file("nowhere.crt")),
        ("tls-ca-cert-file", files.file("names")),
        ("tls-ca-cert-file", ""),
        ("tls-dh-params-file", files.file("nowhere.pem")),
        ("tls-dh-params-file", files.file("names")),
        ("tls-protocols", "TLSv1.2 SSLv3"),
        ("tls-protocols", " "),
        ("tls-ciphers", "nothing"),
    ):
        before = pair.plain[0].call("CONFIG", "GET", "tls-*")
        reply = pair.ask("CONFIG", "SET", name, value, "hz", "50")
        assert reply == (
            b"-ERR CONFIG SET failed (possibly related to argument '%b') - Unable to update TLS configuration. Check "
            b"server logs.\r\n" % name.encode()
        )
        assert pair.plain[0].call("CONFIG", "GET", "tls-*") == before
        assert pair.ask("CONFIG", "GET", "hz") == b"*2\r\n$2\r\nhz\r\n$2\r\n10\r\n"
    assert files.file("nowhere.pem") in pair.servers[0].log()
    assert [subject(files, port) for port in pair.ports] == ["renewed"] * 2
    for client in old:
        assert client.call("PING") == b"+PONG\r\n"
        client.close()


def test_the_same_file_with_another_content(pair: Pair, files: Certificates, tmp_path: Path) -> None:
    for name in ("crt", "key"):
        shutil.copy(files.file(f"server.{name}"), tmp_path / f"live.{name}")
    live = {"tls-cert-file": str(tmp_path / "live.crt"), "tls-key-file": str(tmp_path / "live.key")}
    pair.configure(**{name.replace("-", "_"): value for name, value in live.items()})
    for name in ("crt", "key"):
        shutil.copy(files.file(f"renewed.{name}"), tmp_path / f"live.{name}")
    assert [subject(files, port) for port in pair.ports] == ["server"] * 2
    assert pair.ask("CONFIG", "SET", "tls-cert-file", live["tls-cert-file"]) == b"+OK\r\n"
    assert [subject(files, port) for port in pair.ports] == ["renewed"] * 2
    (tmp_path / "live.crt").write_text("damaged")
    assert b"Unable to update TLS" in pair.ask("CONFIG", "SET", "tls-cert-file", live["tls-cert-file"])
    assert [subject(files, port) for port in pair.ports] == ["renewed"] * 2


BAD: list[dict[str, str]] = [
    {"tls-cert-file": ""},
    {"tls-key-file": ""},
    {"tls-ca-cert-file": ""},
    {"tls-cert-file": "nowhere.crt"},
    {"tls-cert-file": "server.key"},
    {"tls-cert-file": "."},
    {"tls-key-file": "nowhere.key"},
    {"tls-key-file": "client.key"},
    {"tls-key-file": "server.crt"},
    {"tls-key-file": "locked.key"},
    {"tls-key-file": "locked.key", "tls-key-file-pass": "wrong"},
    {"tls-ca-cert-file": "nowhere.crt"},
    {"tls-ca-cert-file": "names"},
    {"tls-dh-params-file": "nowhere.pem"},
    {"tls-dh-params-file": "names"},
    {"tls-protocols": "TLSv1.4"},
    {"tls-ciphers": "NOTHING"},
    {"tls-client-cert-file": "client.crt", "tls-client-key-file": "server.key"},
]


def complaint(command: list[str], files: Certificates, changes: dict[str, str], cwd: Path) -> tuple[int, list[str]]:
    """The exit code of a server that cannot start, and its warnings as far as its own words go."""
    settings = files.settings() | changes
    port = str(free_port())
    argv = [part for name, value in settings.items() for part in (f"--{name}", value)]
    done = subprocess.run(
        [*command, "--port", "0", "--tls-port", port, *argv], cwd=files.directory, capture_output=True, timeout=60
    )
    log = (done.stdout + done.stderr).decode()
    return done.returncode, re.findall(r"^\d+:M [^#]* # (.*)$", log, re.MULTILINE)


@pytest.mark.parametrize("changes", BAD, ids=lambda changes: " ".join(map("=".join, changes.items())))
def test_a_start_that_fails(files: Certificates, tmp_path: Path, changes: dict[str, str]) -> None:
    """Exit code 1, and the log names the file or the directive at fault, as that of redis-server."""
    code, ours = complaint(OURS, files, changes, tmp_path)
    their_code, theirs = complaint([ORACLE], files, changes, tmp_path)
    assert code == their_code == 1
    assert ours[-1] == theirs[-1] == "Failed to configure TLS. Check logs for more info."
    known = theirs[-2].partition(": error:")[0]
    assert ours[-2].startswith(known)
    name, value = list(changes.items())[0 if len(changes) == 1 or "pass" in list(changes)[1] else 1]
    assert (name if not value or name == "tls-protocols" else value) in ours[-2]


# --- ports ------------------------------------------------------------------------------------------------------------


def test_ports(pair: Pair, files: Certificates) -> None:
    """TLS alone: INFO names that port; back to both; a port that is taken changes nothing."""
    pair.configure()
    over_tls = [files.client(port) for port in pair.ports]
    main = [server.port for server in pair.servers]
    for client, port in zip(over_tls, pair.ports, strict=True):
        assert client.call("CONFIG", "SET", "port", 0) == b"+OK\r\n"
        assert b"tcp_port:%d\r\n" % port in client.call("INFO", "server")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", main[over_tls.index(client)]))
    for client, port, server in zip(over_tls, pair.ports, pair.servers, strict=True):
        assert client.call("CONFIG", "SET", "port", server.port) == b"+OK\r\n"
        assert b"tcp_port:%d\r\n" % server.port in client.call("INFO", "server")
        RawClient(server.connect()).close()
        reply = client.call("CONFIG", "SET", "tls-port", server.port)
        assert reply.startswith(b"-ERR CONFIG SET failed (possibly related to argument 'tls-port') - Unable to listen")
        assert subject(files, port) == "server"
        assert client.call("CONFIG", "SET", "tls-port", 0) == b"+OK\r\n"
        with pytest.raises(ConnectionRefusedError):
            files.connect(port)
        assert client.call("PING") == b"+PONG\r\n"
        client.close()


def test_bind_moves_both_ports(pair: Pair, files: Certificates) -> None:
    pair.configure()
    kept = [files.client(port) for port in pair.ports]
    try:
        assert pair.ask("CONFIG", "SET", "bind", "127.0.0.1 127.0.0.2") == b"+OK\r\n"
        for port in pair.ports:
            assert subject(files, port) == "server"
            socket.create_connection(("127.0.0.2", port)).close()
    finally:
        assert pair.ask("CONFIG", "SET", "bind", "* -::*") == b"+OK\r\n"
    for client in kept:
        assert client.call("PING") == b"+PONG\r\n"
        client.close()


def test_rewritten_configuration(files: Certificates, tmp_path: Path) -> None:
    texts = []
    for start in (start_ours, start_oracle):
        file = tmp_path / f"{start.__name__}.conf"
        file.write_text("# nothing yet\n")
        server = start(tmp_path, file=file)
        port = listen_with(server, files.settings(clients="optional") | {"tls-prefer-server-ciphers": "yes"})
        client = files.client(port)
        assert client.call("CONFIG", "REWRITE") == b"+OK\r\n"
        client.close()
        server.stop()
        lines = [line.replace(str(port), "PORT") for line in file.read_text().split("\n") if line.startswith("tls")]
        texts.append(sorted(lines))
    assert texts[0] == texts[1]
    assert "tls-port PORT" in texts[0]
