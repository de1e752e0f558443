"""Uploads to a B2 service on the loopback interface: one large file, and many small ones.

The service runs in a process of its own, as does each client. The large file takes turns with a
raw PUT: one HTTP request with the same bytes to the same service, without any digest on the
client's side.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVERS = Path(__file__).parents[2] / "integration-tests"
MEMORY = Path("/dev/shm")  # a file system without a disk, where there is one
PART_BYTES = 100_000_000  # what Backblaze recommends
SERVE = """
import sys
sys.path.insert(0, sys.argv[1])
from b2_server import B2Server
with B2Server(latency_s=float(sys.argv[2]), part_size=int(sys.argv[3])) as server:
    print(server.url, server.key_id, server.key, flush=True)
    sys.stdin.read()
"""
UPLOAD = """
import sys, time, savethat
storage = savethat.get_storage(sys.argv[1])
storage.remote.exists("nothing")  # authorized
start = time.perf_counter()
storage.upload(sys.argv[2])
print(time.perf_counter() - start)
"""
PUT = """
import base64, hashlib, http.client, json, sys, time, urllib.request
url, key_id, key, path, checked = sys.argv[1:]
def ask(url, token, body):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Authorization": token})
    return json.load(urllib.request.urlopen(request))
basic = "Basic " + base64.b64encode(f"{key_id}:{key}".encode()).decode()
account = ask(f"{url}/b2api/v2/b2_authorize_account", basic, {})
token = account["authorizationToken"]
found = ask(f"{url}/b2api/v2/b2_list_buckets", token, {"accountId": "a"})
bucket = found["buckets"][0]["bucketId"]
to = ask(f"{url}/b2api/v2/b2_get_upload_url", token, {"bucketId": bucket})
headers = {"Authorization": to["authorizationToken"], "X-Bz-File-Name": "raw",
           "Content-Type": "b2/x-auto", "X-Bz-Content-Sha1": "do_not_verify"}
connection = http.client.HTTPConnection(url.removeprefix("http://"), blocksize=1 << 20)
start = time.perf_counter()
with open(path, "rb") as file:
    if checked == "checked":
        sha1 = hashlib.file_digest(file, "sha1")
        headers["X-Bz-Content-Sha1"] = sha1.hexdigest()
    headers["Content-Length"] = str(file.seek(0, 2))
    file.seek(0)
    connection.request("POST", to["uploadUrl"].removeprefix(url), file, headers)
    reply = connection.getresponse()
    reply.read()
assert reply.status == 200
print(time.perf_counter() - start)
"""


@contextmanager
def service(latency_s: float) -> Iterator[list[str]]:
    """A service; gives its URL, key id and key."""
    place = str(MEMORY) if MEMORY.is_dir() else tempfile.gettempdir()
    command = [sys.executable, "-c", SERVE, str(SERVERS), str(latency_s), str(PART_BYTES)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={"TMPDIR": place}
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().split()
        assert process.stdin is not None
        process.stdin.close()


def seconds(script: str, *words: str) -> float:
    """What a client in a fresh process says it took."""
    command = [sys.executable, "-c", script, *words]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout)


def configure(folder: Path, reach: list[str], prefix: str) -> str:
    """Write a configuration whose remote is the service; its path."""
    url, key_id, key = reach
    toml = folder / f"{prefix}.toml"
    toml.write_text(
        f'local_path = "{folder}"\nb2_bucket = "bucket"\nb2_prefix = "{prefix}"\n'
        f'b2_key_id = "{key_id}"\nb2_key = "{key}"\nb2_realm = "{url}"\n'
    )
    return str(toml)


def large_file(folder: Path, rounds: int, size: int) -> dict[str, list[float]]:
    """Seconds of each upload, and of raw PUTs before it: plain, and with the SHA-1 of the file."""
    path = folder / "large.bin"
    with path.open("wb") as file:
        piece = bytes(range(256)) * 4096
        for _ in range(size // len(piece)):
            file.write(piece)
    found: dict[str, list[float]] = {"raw": [], "checked": [], "savethat": []}
    for turn in range(rounds):
        for name in ("raw", "checked"):
            with service(0) as reach:
                found[name].append(seconds(PUT, *reach, str(path), name))
        with service(0) as reach:
            toml = configure(folder, reach, f"large{turn}")
            found["savethat"].append(seconds(UPLOAD, toml, path.name))
    return found


def small_files(folder: Path, rounds: int, number: int) -> list[float]:
    """Seconds of each upload of so many files of 4 kB, at 100 ms latency."""
    (folder / "small").mkdir()
    for i in range(number):
        (folder / "small" / f"{i:04d}.bin").write_bytes(i.to_bytes(4, "big") * 1024)
    found: list[float] = []
    for turn in range(rounds):
        with service(0.1) as reach:
            found.append(seconds(UPLOAD, configure(folder, reach, f"small{turn}"), "small"))
    return found
