"""What several of these tests need: the wheels of the six packages, services for S3 and B2."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from threading import Lock
from typing import Any
from uuid import uuid4

import pytest
from b2_server import B2Server
from environments import ROOT

FOLDERS = ["expcore", "codesave", "persist-to-disk", "savethat", "ckpt", "torch-saveload"]


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The six wheels, built from the checkout, by folder name."""
    dist = tmp_path_factory.mktemp("dist")
    built = {}
    for name in FOLDERS:
        source, out = ROOT / "packages" / name, dist / name
        command = [sys.executable, "-m", "uv", "build", "-q", "--wheel", "--out-dir", out, source]
        subprocess.run(command, check=True)
        (built[name],) = out.glob("*.whl")
    return built


def claiming_in_one_step(app: Any) -> Any:
    """The application with one claim of a key at a time, as S3 has it.

    moto looks whether the key exists, and writes it afterwards.
    """
    lock = Lock()

    def claiming(environ: dict[str, Any], start_response: Any) -> Any:
        with lock if "HTTP_IF_NONE_MATCH" in environ else nullcontext():
            return app(environ, start_response)

    return claiming


@pytest.fixture(scope="session")
def s3_service() -> Iterator[dict[str, str]]:
    """An S3 service on the loopback interface: the variables that lead to it.

    One for the whole session, since s3fs keeps its clients, and with them their address.
    """
    moto = pytest.importorskip("moto.server")
    pytest.importorskip("s3fs")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    server._server.app = claiming_in_one_step(server._server.app)
    host, port = server.get_host_and_port()
    yield {
        "AWS_ACCESS_KEY_ID": "AKIATEST",
        "AWS_SECRET_ACCESS_KEY": "very-secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
    }
    server.stop()


@pytest.fixture
def s3_bucket(s3_service: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a new bucket, which this process's environment leads to."""
    import s3fs

    for name, value in s3_service.items():
        monkeypatch.setenv(name, value)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    bucket = f"bucket-{uuid4().hex[:12]}"
    s3fs.S3FileSystem(skip_instance_cache=True).mkdir(bucket)
    return f"s3://{bucket}"


@pytest.fixture
def s3_elsewhere(s3_service: dict[str, str]) -> tuple[str, dict[str, str]]:
    """The URL of a new bucket, and the environment of a process that is to reach it."""
    kept = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    reach = kept | s3_service
    bucket = f"bucket-{uuid4().hex[:12]}"
    made = f"import s3fs; s3fs.S3FileSystem().mkdir({bucket!r})"
    subprocess.run([sys.executable, "-c", made], env=reach, check=True)
    return f"s3://{bucket}", reach


@pytest.fixture
def b2_elsewhere() -> Iterator[tuple[str, dict[str, str]]]:
    """The URL of a bucket, and the environment of a process that is to reach its B2 service."""
    pytest.importorskip("b2sdk")
    with B2Server() as server:
        reach = {
            "B2_APPLICATION_KEY_ID": server.key_id,
            "B2_APPLICATION_KEY": server.key,
            "B2_REALM": server.url,
        }
        yield "b2://bucket", {**os.environ, **reach}


@pytest.fixture
def b2_bucket(b2_elsewhere: tuple[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a bucket on a B2 service that this process can reach."""
    bucket, reach = b2_elsewhere
    for name in ("B2_APPLICATION_KEY_ID", "B2_APPLICATION_KEY", "B2_REALM"):
        monkeypatch.setenv(name, reach[name])
    return bucket
