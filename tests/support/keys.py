"""API keys and certificates for tests."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from service.auth.api_keys import hashed, new_key

ROLES = {"operator": "operator"}


@dataclass(frozen=True)
class Keys:
    """Keys by their names, and the file of their hashes."""

    file: Path
    by_name: dict[str, str]

    def header(self, name: str) -> dict[str, str]:
        """What an HTTP call with that key carries."""
        return {"authorization": f"Bearer {self.by_name[name]}"}

    def metadata(self, name: str) -> tuple[tuple[str, str], ...]:
        """What a gRPC call with that key carries."""
        return tuple(self.header(name).items())


def make_keys(path: Path, **limits: dict[str, int]) -> Keys:
    """A keys file with a key of each name and its limits; the one named `operator` is an operator's."""
    keys = {name: new_key(name) for name in limits}
    records = [
        {"id": name, "sha256": hashed(key), "limits": limits[name], "role": ROLES.get(name, "client")}
        for name, key in keys.items()
    ]
    path.write_text(json.dumps({"keys": records}))
    return Keys(path, keys)


@dataclass(frozen=True)
class Certificate:
    """A certificate for 127.0.0.1 that vouches for itself, and its private key."""

    cert_file: Path
    key_file: Path

    @property
    def pem(self) -> bytes:
        """What a client trusts."""
        return self.cert_file.read_bytes()


def make_certificate(folder: Path) -> Certificate:
    """A new one, good for a day."""
    if shutil.which("openssl") is None:
        pytest.fail("openssl is not installed", pytrace=False)
    made = Certificate(folder / "cert.pem", folder / "key.pem")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(made.key_file))
    name = ("-subj", "/CN=kinepose test", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost")
    command = ["openssl", "req", "-x509", *key, "-out", str(made.cert_file), "-days", "1", *name]
    subprocess.run(command, check=True, capture_output=True)
    return made
