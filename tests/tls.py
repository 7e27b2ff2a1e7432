"""A PostgreSQL server that speaks TLS only, with a certificate authority made for the test."""

import datetime as dt
import ipaddress
import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.servers import (
    Server,
    UnavailableError,
    await_server,
    owned_folder,
    postgres_binaries,
    run_folder,
    shared,
    start_postgres,
)

HBA = "hostssl all all 127.0.0.1/32 scram-sha-256\n"
Authority = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


@dataclass(frozen=True)
class TlsPostgres:
    """A running server, the authority that signed for it, and one that did not."""

    server: Server
    ca: Path
    other_ca: Path

    def url(self, sslmode: str = "verify-full", ca: Path | None = None, host: str = "localhost") -> str:
        """Give the URL of the server's own database with TLS parameters."""
        found = self.server
        query = f"sslmode={sslmode}&sslrootcert={quote(str(ca or self.ca))}"
        return f"postgresql://{found.user}:{found.password}@{host}:{found.port}/postgres?{query}"


def start_tls_postgres(folder: Path) -> TlsPostgres:
    """Start a private server whose certificate names localhost, for one worker."""
    binaries = postgres_binaries("1[5-8]")
    if not binaries:
        raise UnavailableError("PostgreSQL's server programs are not installed")
    authority = _authority("smalls test CA")
    ca = _write(folder / "ca.pem", authority[0])
    other_ca = _write(folder / "other-ca.pem", _authority("another CA")[0])
    name = f"postgres-tls-{os.getpid()}"
    certificate, key = _server_files(run_folder() / f"{name}-keys", authority)
    options = ("ssl=on", f"ssl_cert_file={certificate}", f"ssl_key_file={key}")
    with shared(name) as record:
        found = start_postgres(name, binaries, run_folder() / name, *options, hba=HBA)
        record.write_text(json.dumps(asdict(found)))
    await_server(found)
    return TlsPostgres(found, ca, other_ca)


def _server_files(folder: Path, authority: Authority) -> tuple[Path, Path]:
    owned_folder(folder, "postgres")
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    builder = _builder("localhost", authority[0].subject, key)
    signed = builder.add_extension(x509.SubjectAlternativeName(names), critical=False).sign(
        authority[1], hashes.SHA256()
    )
    private = folder / "server.key"
    private.touch(mode=0o600)
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    if os.geteuid() == 0:
        shutil.chown(private, "postgres")
    return _write(folder / "server.pem", signed), private


def _authority(name: str) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(name, x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), key)
    constraints = x509.BasicConstraints(ca=True, path_length=None)
    return builder.add_extension(constraints, critical=True).sign(key, hashes.SHA256()), key


def _builder(name: str, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=2))
    )


def _write(path: Path, certificate: x509.Certificate) -> Path:
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return path
