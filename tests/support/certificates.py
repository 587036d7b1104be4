"""Certificates made by the ``openssl`` program, and servers that listen with them."""

from __future__ import annotations

import socket
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.support.raw import RawClient
from tests.support.servers import ServerProcess, free_port


def openssl(directory: Path, *argv: str, stdin: bytes = b"") -> bytes:
    """Run the program in ``directory``; what it printed."""
    return subprocess.run(["openssl", *argv], cwd=directory, input=stdin, capture_output=True, check=True).stdout


def _key(directory: Path, name: str) -> None:
    openssl(directory, "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", f"{name}.key")


def _authority(directory: Path, name: str) -> None:
    _key(directory, name)
    openssl(
        directory, "req", "-x509", "-key", f"{name}.key", "-subj", f"/CN={name}", "-days", "30", "-out", f"{name}.crt"
    )


def _signed(directory: Path, name: str, authority: str) -> None:
    _key(directory, name)
    request = openssl(directory, "req", "-new", "-key", f"{name}.key", "-subj", f"/CN={name}")
    (directory / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    signing = ("-CA", f"{authority}.crt", "-CAkey", f"{authority}.key", "-CAcreateserial", "-extfile", "names")
    openssl(directory, "x509", "-req", *signing, "-days", "30", "-out", f"{name}.crt", stdin=request)


@dataclass(frozen=True)
class Certificates:
    """A directory of files ``NAME.crt`` and ``NAME.key``.

    ``server``, ``renewed`` and ``client`` are signed by ``authority``, ``stranger`` by ``elsewhere``; ``locked.key`` is
    that of ``server`` behind the password ``secret``.
    """

    directory: Path

    def file(self, name: str) -> str:
        """A file's path."""
        return str(self.directory / name)

    def settings(self, server: str = "server", clients: str = "yes") -> dict[str, str]:
        """Directives for a server, without its port."""
        return {
            "tls-cert-file": self.file(f"{server}.crt"),
            "tls-key-file": self.file(f"{server}.key"),
            "tls-ca-cert-file": self.file("authority.crt"),
            "tls-auth-clients": clients,
        }

    def context(self, client: str = "client", authority: str = "authority") -> ssl.SSLContext:
        """What a client connects with; no certificate if ``client`` is empty."""
        context = ssl.create_default_context(cafile=self.file(f"{authority}.crt"))
        if client:
            context.load_cert_chain(self.file(f"{client}.crt"), self.file(f"{client}.key"))
        return context

    def connect(self, port: int, context: ssl.SSLContext | None = None) -> ssl.SSLSocket:
        """A connection whose handshake is over on this side."""
        sock = socket.create_connection(("127.0.0.1", port), timeout=60)
        try:
            return (context or self.context()).wrap_socket(sock, server_hostname="localhost")
        except BaseException:
            sock.close()
            raise

    def client(self, port: int, context: ssl.SSLContext | None = None) -> RawClient:
        """A raw client over TLS."""
        return RawClient(self.connect(port, context))


def make_certificates(directory: Path) -> Certificates:
    """All of them."""
    for authority in ("authority", "elsewhere"):
        _authority(directory, authority)
    for name in ("server", "renewed", "client"):
        _signed(directory, name, "authority")
    _signed(directory, "stranger", "elsewhere")
    openssl(directory, "pkey", "-in", "server.key", "-aes128", "-passout", "pass:secret", "-out", "locked.key")
    return Certificates(directory)


def listen_with(server: ServerProcess, settings: dict[str, str]) -> int:
    """Have a running server listen for TLS with these directives; the port."""
    client = RawClient(server.connect())
    pairs = [part for pair in settings.items() for part in pair]
    try:
        for _ in range(5):
            port = free_port()
            reply = client.call("CONFIG", "SET", *pairs, "tls-port", port)
            if reply == b"+OK\r\n":
                return port
        raise RuntimeError(reply)
    finally:
        client.close()


def outcome(files: Certificates, port: int, context: ssl.SSLContext) -> str:
    """``PONG`` and how it was said, or which end refused."""
    try:
        sock = files.connect(port, context)
    except ssl.SSLCertVerificationError:
        return "the client refuses"
    except (ssl.SSLError, ConnectionError) as e:
        return f"no handshake: {getattr(e, 'reason', None) or 'closed'}"
    client = RawClient(sock)
    try:
        reply = client.call("PING").decode().strip()
        cipher = sock.cipher()
        return f"{reply} {sock.version()} {cipher[0] if cipher else None}"
    except (ssl.SSLError, ConnectionError, EOFError):
        return "refused"  # the alert that says why may get lost when the connection is closed
    finally:
        client.close()
