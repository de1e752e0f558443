"""A Backblaze B2 service on the loopback interface, with faults on request.

It speaks enough of B2's native API (v2 to v4) for b2sdk, the ``b2`` command and rclone:
buckets, small and large files, versions, listings, ranges. Contents are plain files in a
folder; everything else is in memory. Standard library only.

>>> with B2Server() as server:
...     server.fail("upload", status=503, times=2)
...     # B2Storage("bucket", realm=server.url, key_id=server.key_id, key=server.key)
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, quote, unquote, urlsplit

MEBIBYTE = 1 << 20


class Refusal(Exception):
    """An error that B2 would answer with."""

    def __init__(self, status: int, code: str, message: str = "") -> None:
        super().__init__(status, code, message)
        self.status, self.code, self.message = status, code, message or code


class Hangup(Exception):
    """The connection is to be dropped without a reply."""


@dataclass
class Fault:
    """Something that goes wrong with the next requests of one kind.

    Kinds of ``what``: ``status`` (answered at once), ``drop`` (the connection breaks in the
    middle of the body), ``lose_reply`` (done, but nobody is told), ``corrupt`` (one bit of a
    download differs), ``stall`` (silence until the server closes).
    """

    operation: str
    what: str = "status"
    times: int = 1
    status: int = 503
    code: str = "service_unavailable"
    retry_after: float | None = None


@dataclass
class Version:
    id: str
    bucket: str
    name: str
    action: str  # upload, hide, start
    size: int = 0
    sha1: str | None = None
    time: int = 0
    content_type: str = "application/octet-stream"
    info: dict[str, str] = field(default_factory=dict)
    parts: dict[int, tuple[int, str]] = field(default_factory=dict)


class B2Server:
    """The service; as a context manager it runs in threads of this process."""

    def __init__(self, *, part_size: int = 5 * MEBIBYTE, latency_s: float = 0.0) -> None:
        self.key_id, self.key = "0014key", "K001-secret-of-the-tests"
        self.part_size, self.latency_s = part_size, latency_s
        self.requests: Counter[str] = Counter()
        self.bytes_received = self.bytes_sent = 0
        self.faults: list[Fault] = []
        self.buckets: dict[str, str] = {}  # name by id
        self.versions: dict[str, Version] = {}
        self.tokens: set[str] = set()
        self.lock = threading.RLock()
        self.stopping = threading.Event()
        self.numbers = itertools.count(1)
        self.clock = itertools.count(int(time.time() * 1000))
        self.folder = Path(tempfile.mkdtemp(prefix="b2-server-"))
        self.http = Service(("127.0.0.1", 0), Handler)
        self.http.b2 = self  # type: ignore[attr-defined]
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        self.create_bucket("bucket")

    def __enter__(self) -> B2Server:
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self.http.shutdown()
        self.http.server_close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def fail(self, operation: str, **how: Any) -> None:
        """Let the next requests of a kind fail; see :class:`Fault`."""
        with self.lock:
            self.faults.append(Fault(operation, **how))

    def expire_tokens(self) -> None:
        """Make every token that was given out invalid."""
        self.tokens.clear()

    def create_bucket(self, name: str) -> str:
        bucket = f"bucket{next(self.numbers):04d}"
        self.buckets[bucket] = name
        return bucket

    def put(self, name: str, data: bytes = b"") -> None:
        """Place a file as if another client had uploaded it, whatever its name is."""
        bucket = next(iter(self.buckets))
        version = self.new_version(bucket, name, "upload")
        self.path(version.id).write_bytes(data)
        version.size, version.sha1 = len(data), hashlib.sha1(data).hexdigest()

    def take_fault(self, operation: str) -> Fault | None:
        with self.lock:
            self.requests[operation] += 1
            for fault in self.faults:
                if fault.operation in {operation, "any"} and fault.times > 0:
                    fault.times -= 1
                    return fault
        return None

    def path(self, file_id: str, part: int = 0) -> Path:
        return self.folder / f"{file_id}.{part}"

    def pieces(self, version: Version, start: int, stop: int) -> Iterator[bytes]:
        """Yield a range of a file, which may lie in several parts."""
        for path in [self.path(version.id, part) for part in sorted(version.parts) or [0]]:
            size = path.stat().st_size
            with path.open("rb") as file:
                file.seek(min(start, size))
                while start < min(stop, size) and (
                    piece := file.read(min(MEBIBYTE, stop - start))
                ):
                    start += len(piece)
                    yield piece
            start, stop = max(0, start - size), stop - size

    def new_version(self, bucket: str, name: str, action: str, **more: Any) -> Version:
        with self.lock:
            version = Version(
                f"4_z{next(self.numbers):08d}", bucket, name, action, time=next(self.clock), **more
            )
            self.versions[version.id] = version
        return version

    def of_bucket(self, bucket: str, *, started: bool = False) -> list[Version]:
        """Return the versions in a bucket by name, of each name the newest first."""
        with self.lock:
            found = [
                version
                for version in self.versions.values()
                if version.bucket == bucket and (version.action == "start") == started
            ]
        return sorted(found, key=lambda version: (version.name.encode(), -version.time))

    def newest(self, bucket: str, name: str) -> Version:
        for version in self.of_bucket(bucket):
            if version.name == name:
                if version.action == "upload":
                    return version
                break
        raise Refusal(404, "not_found")

    def get(self, file_id: str) -> Version:
        try:
            return self.versions[file_id]
        except KeyError:
            raise Refusal(400, "file_not_present", file_id) from None

    # The operations of the API, by their names; each takes the request's JSON.

    def b2_create_bucket(self, ask: Any) -> Any:
        if ask["bucketName"] in self.buckets.values():
            raise Refusal(400, "duplicate_bucket_name")
        return self.bucket_reply(self.create_bucket(ask["bucketName"]))

    def b2_list_buckets(self, ask: Any) -> Any:
        wanted = [
            id_
            for id_, name in self.buckets.items()
            if ask.get("bucketName") in {None, name} and ask.get("bucketId") in {None, id_}
        ]
        return {"buckets": [self.bucket_reply(id_) for id_ in wanted]}

    def b2_delete_bucket(self, ask: Any) -> Any:
        reply = self.bucket_reply(ask["bucketId"])
        del self.buckets[ask["bucketId"]]
        return reply

    def b2_get_upload_url(self, ask: Any) -> Any:
        return self.upload_reply("upload", ask["bucketId"]) | {"bucketId": ask["bucketId"]}

    def b2_get_upload_part_url(self, ask: Any) -> Any:
        return self.upload_reply("upload_part", ask["fileId"]) | {"fileId": ask["fileId"]}

    def b2_start_large_file(self, ask: Any) -> Any:
        version = self.new_version(
            ask["bucketId"],
            ask["fileName"],
            "start",
            content_type=ask["contentType"],
            info=ask.get("fileInfo") or {},
        )
        return self.file_reply(version)

    def b2_list_parts(self, ask: Any) -> Any:
        parts = sorted(self.get(ask["fileId"]).parts.items())
        start = ask.get("startPartNumber") or 1
        return {
            "nextPartNumber": None,
            "parts": [
                self.part_reply(ask["fileId"], number, size, sha1)
                for number, (size, sha1) in parts
                if number >= start
            ],
        }

    def b2_list_unfinished_large_files(self, ask: Any) -> Any:
        prefix = ask.get("namePrefix") or ""
        found = [
            v for v in self.of_bucket(ask["bucketId"], started=True) if v.name.startswith(prefix)
        ]
        return {"files": [self.file_reply(version) for version in found], "nextFileId": None}

    def b2_finish_large_file(self, ask: Any) -> Any:
        version = self.get(ask["fileId"])
        told = ask["partSha1Array"]
        if [version.parts.get(i + 1, (0, ""))[1] for i in range(len(told))] != told:
            raise Refusal(400, "part_sha1_mismatch")
        with self.lock:
            version.action, version.time = "upload", next(self.clock)
            version.size = sum(size for size, _ in version.parts.values())
        return self.file_reply(version)

    def b2_cancel_large_file(self, ask: Any) -> Any:
        return self.remove(ask["fileId"])

    def b2_list_file_names(self, ask: Any) -> Any:
        newest = itertools.groupby(self.of_bucket(ask["bucketId"]), lambda version: version.name)
        heads = [next(group) for _, group in newest]
        return self.page([head for head in heads if head.action == "upload"], ask, "nextFileName")

    def b2_list_file_versions(self, ask: Any) -> Any:
        found = self.of_bucket(ask["bucketId"])
        if start := ask.get("startFileId"):
            ids = [version.id for version in found]
            found = found[ids.index(start) :] if start in ids else found
        reply = self.page(found, ask, "nextFileName")
        return {"nextFileId": reply.pop("next_id", None), **reply}

    def page(self, found: list[Version], ask: Any, next_key: str) -> Any:
        prefix, start = ask.get("prefix") or "", (ask.get("startFileName") or "").encode()
        limit, delimiter = ask.get("maxFileCount") or 100, ask.get("delimiter")
        files: list[Any] = []
        reply: dict[str, Any] = {"files": files, next_key: None}
        for version in found:
            if not version.name.startswith(prefix) or version.name.encode() < start:
                continue
            if len(files) == limit:
                reply |= {next_key: version.name, "next_id": version.id}
                break
            end = version.name.find(delimiter, len(prefix)) if delimiter else -1
            if end < 0:
                files.append(self.file_reply(version))
            elif not files or files[-1]["fileName"] != version.name[: end + 1]:
                files.append(
                    {"action": "folder", "fileName": version.name[: end + 1], "fileId": None}
                )
        return reply

    def b2_get_file_info(self, ask: Any) -> Any:
        return self.file_reply(self.get(ask["fileId"]))

    def b2_hide_file(self, ask: Any) -> Any:
        self.newest(ask["bucketId"], ask["fileName"])
        return self.file_reply(self.new_version(ask["bucketId"], ask["fileName"], "hide"))

    def b2_delete_file_version(self, ask: Any) -> Any:
        return self.remove(ask["fileId"])

    def b2_copy_file(self, ask: Any) -> Any:
        source = self.get(ask["sourceFileId"])
        bucket = ask.get("destinationBucketId") or source.bucket
        copy = self.new_version(bucket, ask["fileName"], "start", info=source.info)
        with self.path(copy.id).open("wb") as file:
            file.writelines(self.pieces(source, 0, source.size))
        copy.size, copy.sha1, copy.action = source.size, source.sha1, "upload"
        return self.file_reply(copy)

    def remove(self, file_id: str) -> Any:
        with self.lock:
            version = self.get(file_id)
            del self.versions[file_id]
        for path in self.folder.glob(f"{file_id}.*"):
            path.unlink(missing_ok=True)
        return {"fileId": file_id, "fileName": version.name, "bucketId": version.bucket,
                "accountId": "account"}  # fmt: skip

    # What several of them answer.

    def token(self) -> str:
        token = f"4_token{next(self.numbers):08d}"
        self.tokens.add(token)
        return token

    def authorization(self, api: str) -> Any:
        storage = {
            "apiUrl": self.url, "downloadUrl": self.url, "s3ApiUrl": self.url,
            "absoluteMinimumPartSize": min(self.part_size, 5 * MEBIBYTE),
            "recommendedPartSize": self.part_size,
        }  # fmt: skip
        capabilities = ["listBuckets", "listFiles", "readFiles", "writeFiles", "deleteFiles"]
        allowed: dict[str, Any] = {"capabilities": capabilities, "namePrefix": None}
        base = {"accountId": "account", "authorizationToken": self.token()}
        if api == "v2":
            return base | storage | {"allowed": allowed | {"bucketId": None, "bucketName": None}}
        flat = {"bucketId": None, "bucketName": None} if api == "v3" else {"buckets": None}
        return base | {
            "apiInfo": {"storageApi": storage | allowed | flat | {"allowed": allowed | flat}}
        }

    def bucket_reply(self, bucket: str) -> Any:
        if bucket not in self.buckets:
            raise Refusal(400, "bad_bucket_id")
        return {
            "accountId": "account", "bucketId": bucket, "bucketName": self.buckets[bucket],
            "bucketType": "allPrivate", "bucketInfo": {}, "corsRules": [], "lifecycleRules": [],
            "revision": 1, "options": [],
            "defaultServerSideEncryption": readable({"mode": None, "algorithm": None}),
            "fileLockConfiguration": readable(
                {"isFileLockEnabled": False, "defaultRetention": {"mode": None, "period": None}}
            ),
            "replicationConfiguration": None,
        }  # fmt: skip

    def upload_reply(self, kind: str, target: str) -> Any:
        return {"uploadUrl": f"{self.url}/{kind}/{target}", "authorizationToken": self.token()}

    def part_reply(self, file_id: str, number: int, size: int, sha1: str) -> Any:
        return {"fileId": file_id, "partNumber": number, "contentLength": size,
                "contentSha1": sha1, "uploadTimestamp": next(self.clock)}  # fmt: skip

    def file_reply(self, version: Version) -> Any:
        return {
            "accountId": "account", "action": version.action, "bucketId": version.bucket,
            "contentLength": version.size, "contentSha1": version.sha1 or "none",
            "contentType": version.content_type, "fileId": version.id, "fileInfo": version.info,
            "fileName": version.name, "uploadTimestamp": version.time,
            "fileRetention": readable({"mode": None, "retainUntilTimestamp": None}),
            "legalHold": readable(None),
            "serverSideEncryption": {"mode": None, "algorithm": None},
        }  # fmt: skip


def readable(value: Any) -> Any:
    """Wrap a setting as B2 does for clients that may see it."""
    return {"isClientAuthorizedToRead": True, "value": value}


class Service(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that went away."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize: ClassVar[int] = MEBIBYTE

    def log_message(self, *_: object) -> None:
        pass

    @property
    def b2(self) -> B2Server:
        server: B2Server = self.server.b2  # type: ignore[attr-defined]
        return server

    def do_POST(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def do_HEAD(self) -> None:
        self.answer()

    def answer(self) -> None:
        url = urlsplit(self.path)
        parts = unquote(url.path).split("/", 3)[1:]
        operation = {"b2api": parts[-1], "file": "download"}.get(parts[0], parts[0])
        self.fault = self.b2.take_fault(operation)
        self.body_left = int(self.headers.get("Content-Length") or 0)
        if self.b2.latency_s:
            self.b2.stopping.wait(self.b2.latency_s)
        try:
            self.go_wrong(("status", "stall"))
            if parts[0] == "file":
                bucket = next((i for i, name in self.b2.buckets.items() if name == parts[1]), "")
                self.authorized()
                self.download(self.b2.newest(bucket, "/".join(parts[2:])))
            elif operation == "b2_download_file_by_id":
                self.authorized()
                self.download(self.b2.get(parse_qs(url.query)["fileId"][0]))
            elif operation == "b2_authorize_account":
                self.reply(200, self.authorize(parts[1]))
            elif parts[0] in {"upload", "upload_part"}:
                self.authorized()
                self.reply(200, self.receive(parts[0], parts[1]))
            elif parts[0] == "b2api" and hasattr(self.b2, operation):
                self.authorized()
                ask = json.loads(self.read_body() or b"{}")
                self.reply(200, getattr(self.b2, operation)(ask))
            else:
                raise Refusal(400, "bad_request", f"unknown operation {operation}")  # noqa: TRY301
        except Refusal as refusal:
            self.refuse(refusal)
        except (Hangup, ConnectionError):
            self.close_connection = True
            self.connection.close()

    def go_wrong(self, kinds: tuple[str, ...]) -> None:
        fault = self.fault
        if fault is None or fault.what not in kinds:
            return
        if fault.what == "status":
            raise Refusal(fault.status, fault.code)
        if fault.what == "stall":
            self.b2.stopping.wait()
        raise Hangup

    def authorize(self, api: str) -> Any:
        self.read_body()
        told = self.headers.get("Authorization", "").removeprefix("Basic ")
        if base64.b64decode(told).decode() != f"{self.b2.key_id}:{self.b2.key}":
            raise Refusal(401, "unauthorized", "invalid application key")
        return self.b2.authorization(api)

    def authorized(self) -> None:
        if self.headers.get("Authorization") not in self.b2.tokens:
            raise Refusal(401, "expired_auth_token")

    def read_body(self) -> bytes:
        data = self.rfile.read(self.body_left)
        self.body_left = 0
        return data

    def receive(self, kind: str, target: str) -> Any:
        """Take a small file or a part; its SHA-1 is in the header, or the body's last 40 bytes."""
        told = self.headers["X-Bz-Content-Sha1"]
        at_end = told == "hex_digits_at_end"
        size = self.body_left - (40 if at_end else 0)
        temporary = self.b2.folder / f"incoming{next(self.b2.numbers)}"
        sha1 = hashlib.sha1()
        with temporary.open("wb") as file:
            left = size
            while left:
                piece = self.rfile.read(min(left, MEBIBYTE))
                if not piece or (self.fault and self.fault.what == "drop"):
                    raise Hangup
                sha1.update(piece)
                file.write(piece)
                left -= len(piece)
        if at_end:
            told = self.rfile.read(40).decode()
        self.body_left = 0
        self.b2.bytes_received += size
        if self.fault and self.fault.what == "corrupt":
            sha1.update(b"?")
        if told not in {"do_not_verify", sha1.hexdigest()}:
            raise Refusal(400, "bad_request", "Sha1 did not match data received")
        if kind == "upload_part":
            number = int(self.headers["X-Bz-Part-Number"])
            temporary.rename(self.b2.path(target, number))
            self.b2.get(target).parts[number] = size, sha1.hexdigest()
            reply = self.b2.part_reply(target, number, size, sha1.hexdigest())
        else:
            info = {
                unquote(name[len("x-bz-info-") :]): unquote(value)
                for name, value in self.headers.items()
                if name.lower().startswith("x-bz-info-")
            }
            name = unquote(self.headers["X-Bz-File-Name"])
            kind = self.headers["Content-Type"]
            version = self.b2.new_version(
                target,
                name,
                "start",
                size=size,
                sha1=sha1.hexdigest(),
                info=info,
                content_type=kind,
            )
            temporary.rename(self.b2.path(version.id))
            version.action = "upload"
            reply = self.b2.file_reply(version)
        self.go_wrong(("lose_reply",))
        return reply

    def download(self, version: Version) -> None:
        start, stop = 0, version.size
        if told := self.headers.get("Range"):
            first, _, last = told.removeprefix("bytes=").partition("-")
            start = int(first)
            stop = min(version.size, int(last) + 1 if last else version.size)
            if start >= version.size:
                raise Refusal(416, "range_not_satisfiable")
        self.send_response(206 if told else 200)
        self.send_header("Content-Length", str(stop - start))
        self.send_header("Content-Type", version.content_type)
        self.send_header("x-bz-file-id", version.id)
        self.send_header("x-bz-file-name", quote(version.name))
        self.send_header("x-bz-content-sha1", version.sha1 or "none")
        self.send_header("x-bz-upload-timestamp", str(version.time))
        for name, value in version.info.items():
            self.send_header(f"x-bz-info-{name}", quote(value))
        if told:
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{version.size}")
        self.end_headers()
        if self.command == "HEAD":
            return
        for piece in self.b2.pieces(version, start, stop):
            if self.fault and self.fault.what == "corrupt":
                piece = bytes([piece[0] ^ 1]) + piece[1:]
            if self.fault and self.fault.what == "drop":
                self.wfile.write(piece[: len(piece) // 2])
                self.wfile.flush()
                raise Hangup
            self.wfile.write(piece)
            with self.b2.lock:
                self.b2.bytes_sent += len(piece)

    def refuse(self, refusal: Refusal) -> None:
        # An early answer would meet a client that is still sending.
        while self.body_left > 0:
            self.body_left -= len(
                self.rfile.read(min(self.body_left, MEBIBYTE)) or b"x" * self.body_left
            )
        body = {"status": refusal.status, "code": refusal.code, "message": refusal.message}
        asked = self.fault.retry_after if self.fault else None
        self.reply(refusal.status, body, {} if asked is None else {"Retry-After": f"{asked:g}"})

    def reply(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        self.go_wrong(("lose_reply", "drop"))
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


if __name__ == "__main__":
    with B2Server() as running:
        print(f"realm {running.url}\nkey id {running.key_id}\nkey {running.key}")
        running.stopping.wait()
