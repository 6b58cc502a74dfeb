"""A throw-away PKI: authorities, certificates with the names that DOTS peers have, PSK files."""

import base64
import dataclasses
import datetime
import hashlib
import ipaddress
import pathlib
import secrets

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)


@dataclasses.dataclass(frozen=True)
class Certificate:
    """What one peer shows: certificate and key as PEM files, and the anchors it trusts."""

    cert: pathlib.Path
    key: pathlib.Path
    anchors: pathlib.Path
    spki_sha256: str

    def config(self):
        return {"certificate": str(self.cert), "private-key": str(self.key), "trust-anchors": str(self.anchors)}


@dataclasses.dataclass(frozen=True)
class Psk:
    """A pre-shared key: identity, key, and the file that has the key."""

    identity: str
    key: bytes
    file: pathlib.Path

    def config(self):
        return {"psk": self.identity, "key-file": str(self.file)}


def write_private(path, data):
    path.touch(mode=0o600)
    path.write_bytes(data)


class Authority:
    """Issues certificates below one root; `expired` makes one whose time is over."""

    def __init__(self, directory, name):
        self.directory = directory
        self.key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = self._builder(subject, subject, self.key, -DAY, 30 * DAY)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.subject = subject
        self.file = directory / f"{name}.pem"
        self.file.write_bytes(builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    @staticmethod
    def _builder(subject, issuer, key, start, end):
        now = datetime.datetime.now(datetime.timezone.utc)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + start)
            .not_valid_after(now + end)
        )

    def issue(self, name, *sans, expired=False, anchors=None):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        start, end = (-10 * DAY, -DAY) if expired else (-DAY, 10 * DAY)
        usage = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
        certificate = (
            self._builder(subject, self.subject, key, start, end)
            .add_extension(x509.SubjectAlternativeName([general_name(san) for san in sans or (name,)]), critical=False)
            .add_extension(x509.ExtendedKeyUsage(usage), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        stem = f"{name}{'-expired' if expired else ''}-{secrets.token_hex(4)}"
        files = self.directory / f"{stem}.crt", self.directory / f"{stem}.key"
        files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        write_private(
            files[1],
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ),
        )
        spki = key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return Certificate(*files, anchors or self.file, hashlib.sha256(spki).hexdigest())


def general_name(text):
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.UniformResourceIdentifier(text) if ":" in text else x509.DNSName(text)


class Pki:
    """Everyone who takes part in the tests, each made when first asked for."""

    def __init__(self, directory):
        self.directory = directory
        self.authority = Authority(directory, "authority")
        self.stranger = Authority(directory, "stranger")  # nobody trusts it
        self._made = {}

    def certificate(self, name, *sans):
        """The certificate of `name`, the same one each time."""
        if name not in self._made:
            self._made[name] = self.authority.issue(name, *sans)
        return self._made[name]

    def expired(self, name):
        return self.authority.issue(name, expired=True)

    def foreign(self, name):
        """Issued by an authority that nobody here trusts; its holder trusts ours."""
        return self.stranger.issue(name, anchors=self.authority.file)

    def psk(self, identity):
        if ("psk", identity) not in self._made:
            self._made["psk", identity] = self.other_key(identity)
        return self._made["psk", identity]

    def other_key(self, identity):
        """A key file for the identity with a key of its own."""
        key = secrets.token_bytes(32)
        file = self.directory / f"{identity}-{secrets.token_hex(4)}.psk"
        write_private(file, key.hex().encode() + b"\n")
        return Psk(identity, key, file)


def derived_cuid(credentials):
    """RFC 9132 section 4.4.1.1: the first 16 bytes of a SHA-256, base64url without padding."""
    if isinstance(credentials, Psk):
        digest = hashlib.sha256(credentials.identity.encode()).digest()
    else:
        digest = bytes.fromhex(credentials.spki_sha256)
    return base64.urlsafe_b64encode(digest[:16]).decode().rstrip("=")
