"""The TLS settings of one server: certificates, protocols and ciphers of the directives, as a context of :mod:`ssl`.

What Python's :mod:`ssl` cannot set is refused where the directives are declared: suites of TLS 1.3, the session cache.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pyredis.core.options import Config

_VERSIONS: Final = {
    "tlsv1": (ssl.TLSVersion.TLSv1, ssl.Options.OP_NO_TLSv1),
    "tlsv1.1": (ssl.TLSVersion.TLSv1_1, ssl.Options.OP_NO_TLSv1_1),
    "tlsv1.2": (ssl.TLSVersion.TLSv1_2, ssl.Options.OP_NO_TLSv1_2),
    "tlsv1.3": (ssl.TLSVersion.TLSv1_3, ssl.Options.OP_NO_TLSv1_3),
}
"""Protocol as ``tls-protocols`` names it, in ascending order → version, and the option that leaves it out."""
_DEFAULT_PROTOCOLS: Final = "TLSv1.2 TLSv1.3"
_VERIFY: Final = {"yes": ssl.CERT_REQUIRED, "optional": ssl.CERT_OPTIONAL, "no": ssl.CERT_NONE}


class TlsError(Exception):
    """The TLS settings cannot be used; the text says why, and names the file at fault."""


def server_context(config: Config) -> ssl.SSLContext:
    """What accepts connections as the directives say. Reads the files. Raises TlsError, in Redis's order of checks."""
    if not config.tls_cert_file:
        raise TlsError("No tls-cert-file configured!")
    if not config.tls_key_file:
        raise TlsError("No tls-key-file configured!")
    verifies = config.tls_auth_clients != "no" or config.tls_cluster or config.tls_replication
    if verifies and not config.tls_ca_cert_file and not config.tls_ca_cert_dir:
        raise TlsError(
            "Either tls-ca-cert-file or tls-ca-cert-dir must be specified when tls-cluster, tls-replication or "
            "tls-auth-clients are enabled!"
        )
    protocols = _protocols(config.tls_protocols)
    context = _context(ssl.PROTOCOL_TLS_SERVER, config, protocols)
    _load_chain(context, config.tls_cert_file, config.tls_key_file, config.tls_key_file_pass)
    _load_authorities(context, config)
    context.verify_mode = _VERIFY[config.tls_auth_clients]
    _set_ciphers(context, config)
    # A peer that has Redis's ear may not make it do the handshake's arithmetic again and again.
    context.options |= ssl.OP_NO_RENEGOTIATION
    if config.tls_prefer_server_ciphers:
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    else:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    if config.tls_dh_params_file:
        _load_dh_params(context, config.tls_dh_params_file)
    if config.tls_client_cert_file and config.tls_client_key_file:
        client_context(config)
    return context


def client_context(config: Config) -> ssl.SSLContext:
    """What this server connects to others with: its client certificate, or else the one it shows to clients.

    Raises TlsError.
    """
    context = _context(ssl.PROTOCOL_TLS_CLIENT, config, _protocols(config.tls_protocols))
    if config.tls_client_cert_file and config.tls_client_key_file:
        files = (config.tls_client_cert_file, config.tls_client_key_file, config.tls_client_key_file_pass)
    else:
        files = (config.tls_cert_file, config.tls_key_file, config.tls_key_file_pass)
    _load_chain(context, *files)
    _load_authorities(context, config)
    _set_ciphers(context, config)
    # Redis asks for a certificate that an authority has signed, whatever name it carries.
    context.check_hostname = False
    return context


def _context(kind: int, config: Config, protocols: list[str]) -> ssl.SSLContext:
    context = ssl.SSLContext(kind)
    context.minimum_version = _VERSIONS[protocols[0]][0]
    context.maximum_version = _VERSIONS[protocols[-1]][0]
    for name, (_, without) in _VERSIONS.items():
        if protocols[0] < name < protocols[-1] and name not in protocols:
            context.options |= without
    return context


def _protocols(text: str) -> list[str]:
    """The protocols' names in ascending order. Raises TlsError."""
    wanted = (text or _DEFAULT_PROTOCOLS).lower().split(" ")
    if not all(name in _VERSIONS for name in wanted):
        raise TlsError(
            "Invalid tls-protocols specified. Use a combination of 'TLSv1', 'TLSv1.1', 'TLSv1.2' and 'TLSv1.3'."
        )
    return [name for name in _VERSIONS if name in wanted]


def _load_chain(context: ssl.SSLContext, cert_file: str, key_file: str, password: str) -> None:
    """The certificate and its key; the error names the one of both files that is at fault."""
    for path, what in ((cert_file, "certificate"), (key_file, "private key")):
        try:
            with open(path, "rb"):
                pass
        except OSError as e:
            raise TlsError(f"Failed to load {what}: {path}: {e.strerror}") from None
    try:
        # A password is given in any case: without one OpenSSL would ask for it on the terminal.
        context.load_cert_chain(cert_file, key_file, password=lambda: password)
    except (OSError, ValueError) as e:
        why = reason(e) if isinstance(e, ssl.SSLError) and e.reason else ""
        if _is_certificate(cert_file):
            why = why or "no private key in PEM, or not one that tls-key-file-pass opens"
            raise TlsError(f"Failed to load private key: {key_file}: {why}") from None
        raise TlsError(f"Failed to load certificate: {cert_file}: {why or 'no certificate in PEM'}") from None


def _is_certificate(path: str) -> bool:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(path)
    except OSError:
        return False
    return True


def _load_authorities(context: ssl.SSLContext, config: Config) -> None:
    file, directory = config.tls_ca_cert_file, config.tls_ca_cert_dir
    if not file and not directory:
        return
    try:
        context.load_verify_locations(file or None, directory or None)
    except OSError as e:
        where = " ".join([path for path in (file, directory) if path])
        raise TlsError(f"Failed to configure CA certificate(s) file/directory: {where}: {reason(e)}") from None


def _set_ciphers(context: ssl.SSLContext, config: Config) -> None:
    """The ciphers of TLS 1.2 and older; without the directive OpenSSL's choice rather than Python's, as in Redis."""
    try:
        context.set_ciphers(config.tls_ciphers or "DEFAULT")
    except (OSError, ValueError):
        raise TlsError(f"Failed to configure ciphers: {config.tls_ciphers}") from None


def _load_dh_params(context: ssl.SSLContext, path: str) -> None:
    try:
        context.load_dh_params(path)
    except ssl.SSLError:
        raise TlsError(f"{path}: failed to read DH params.") from None
    except OSError as e:
        raise TlsError(f"Failed to load {path}: {e.strerror}") from None


def reason(e: Exception) -> str:
    """What went wrong, in the words of OpenSSL or the system: ``SSL routines: wrong version number``."""
    if isinstance(e, ssl.SSLCertVerificationError):
        return f"certificate verify failed: {e.verify_message}"
    if isinstance(e, ssl.SSLError) and e.reason:
        return f"{e.library or 'SSL'} routines: {e.reason.replace('_', ' ').lower()}"
    return (e.strerror if isinstance(e, OSError) else None) or str(e) or type(e).__name__
