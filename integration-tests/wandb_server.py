"""A wandb server on the loopback address: enough of its API for runs, files and code artifacts.

``python wandb_server.py`` prints its address and serves until it is stopped. Data live in memory.
GraphQL is answered by the name of the operation, whatever fields it asks for; an unknown one gets
400, which the client does not retry.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote, unquote

ENTITY = "me"
TIME = "2024-01-01T00:00:00Z"


@dataclass
class State:
    """Everything the server was told."""

    url: str = ""
    blobs: dict[str, bytes] = field(default_factory=dict)
    """Bytes by path: run files as ``run/<project>/<run>/<name>``, all else as the URL says."""
    runs: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    artifacts: dict[str, dict[str, Any]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    """Operations and uploads in the order they came."""
    unknown: list[str] = field(default_factory=list)

    def link(self, path: str) -> str:
        """The URL under which a blob is read and written."""
        return f"{self.url}/storage/{quote(path)}"

    def run_files(self, project: str, run: str) -> dict[str, bytes]:
        """The files of a run by name."""
        prefix = f"run/{project}/{run}/"
        return {k.removeprefix(prefix): v for k, v in self.blobs.items() if k.startswith(prefix)}


def connection(nodes: list[dict[str, Any]]) -> dict[str, Any]:
    """A page of GraphQL nodes, the only one."""
    return {
        "edges": [{"node": node, "cursor": str(i)} for i, node in enumerate(nodes)],
        "pageInfo": {"endCursor": None, "hasNextPage": False},
        "totalCount": len(nodes),
    }


def project_node(name: str) -> dict[str, Any]:
    return {
        "__typename": "Project",
        "id": name,
        "internalId": "1",
        "name": name,
        "entity": {"__typename": "Entity", "id": ENTITY, "name": ENTITY},
    }


class Operations:
    """One method per GraphQL operation; the arguments are its variables."""

    def __init__(self, state: State) -> None:
        self.state = state

    def Viewer(self, **_: Any) -> Any:
        viewer = {"id": "1", "entity": ENTITY, "username": ENTITY, "email": "me@example.org"}
        teams = connection([{"name": ENTITY}])
        return {
            "viewer": {**viewer, "name": ENTITY, "flags": "{}", "admin": False, "teams": teams}
        }

    def GetDefaultEntity(self, **_: Any) -> Any:
        return self.Viewer()

    def ServerFeaturesQuery(self, **_: Any) -> Any:
        return {"serverInfo": {"features": []}}

    def OrganizationCoreWeaveOrganizationID(self, **_: Any) -> Any:
        return {"entity": {"organization": None}}

    def UpsertBucket(self, name: str, project: str = "uncategorized", **rest: Any) -> Any:
        new = (project, name) not in self.state.runs
        run = self.state.runs.setdefault((project, name), {"name": name, "config": "{}"})
        run.update({key: value for key, value in rest.items() if value is not None})
        about = {"id": name, "name": name, "displayName": name, "sweepName": None}
        bucket = {**about, "description": None, "config": "{}", "historyLineCount": 0}
        return {
            "upsertBucket": {
                "bucket": {**bucket, "project": project_node(project)},
                "inserted": new,
            }
        }

    def CreateRunFiles(self, project: str, run: str, files: list[str], **_: Any) -> Any:
        links = [
            {"name": name, "uploadUrl": self.state.link(f"run/{project}/{run}/{name}")}
            for name in files
        ]
        return {"createRunFiles": {"runID": run, "uploadHeaders": [], "files": links}}

    def RunStoppedStatus(self, **_: Any) -> Any:
        return {"project": {"run": {"stopped": False}}}

    def MarkRunFilesUploaded(self, **_: Any) -> Any:
        return {"markRunFilesUploaded": {"success": True}}

    def Run(self, project: str, name: str, **_: Any) -> Any:
        if (project, name) not in self.state.runs:
            return {"project": None}
        text = ("sweepName", "group", "jobType", "commit", "description", "notes")
        empty = dict.fromkeys((*text, "systemMetrics", "historyKeys"))
        run = {
            **empty,
            "id": name,
            "projectId": 1,
            "tags": [],
            "name": name,
            "displayName": name,
            "state": "finished",
            "config": "{}",
            "summaryMetrics": "{}",
            "readOnly": False,
            "createdAt": TIME,
            "heartbeatAt": TIME,
            "historyLineCount": 0,
            "user": {"name": ENTITY, "username": ENTITY},
        }
        return {"project": {"internalId": "1", "run": run}}

    def RunFiles(self, project: str, name: str, fileNames: list[str] = [], **_: Any) -> Any:  # noqa: B006
        found = self.state.run_files(project, name)
        nodes = [
            {
                "id": file,
                "name": file,
                "url": self.state.link(f"run/{project}/{name}/{file}"),
                "directUrl": self.state.link(f"run/{project}/{name}/{file}"),
                "sizeBytes": len(data),
                "mimetype": None,
                "updatedAt": TIME,
                "md5": None,
            }
            for file, data in sorted(found.items())
            if not fileNames or file in fileNames
        ]
        run = {"fileCount": len(nodes), "files": connection(nodes)}
        return {"project": {"internalId": "1", "run": run}}

    def CreateArtifact(self, input: dict[str, Any]) -> Any:  # noqa: A002
        key = f"artifact{len(self.state.artifacts)}"
        self.state.artifacts[key] = {"id": key, **input}
        sequence = {"id": "s", "name": input["artifactCollectionName"], "latestArtifact": None}
        return {
            "createArtifact": {
                "artifact": {"id": key, "state": "PENDING", "artifactSequence": sequence}
            }
        }

    def CreateArtifactManifest(self, artifactID: str, **_: Any) -> Any:
        key = f"manifest/{artifactID}"
        file = {"id": key, "uploadUrl": self.state.link(key), "uploadHeaders": []}
        return {"createArtifactManifest": {"artifactManifest": {"id": key, "file": file}}}

    def CreateArtifactFiles(self, input: dict[str, Any]) -> Any:  # noqa: A002
        nodes = []
        for spec in input["artifactFiles"]:
            key = f"artifact/{spec['artifactID']}/{spec['name']}"
            nodes.append(
                {
                    "storagePath": key,
                    "uploadUrl": self.state.link(key),
                    "uploadHeaders": [],
                    "uploadMultipartUrls": None,
                    "artifact": {"id": spec["artifactID"]},
                }
            )
        return {"createArtifactFiles": {"files": connection(nodes)}}

    def CommitArtifact(self, artifactID: str) -> Any:
        artifact = self.state.artifacts[artifactID]
        return {"commitArtifact": {"artifact": {"id": artifactID, "digest": artifact["digest"]}}}

    def ArtifactType(self, **_: Any) -> Any:
        return {"project": {"artifact": {"artifactType": {"name": "code"}}}}

    def FetchArtifactDigestAlgorithm(self, **_: Any) -> Any:
        return {"project": {"artifactType": None}}

    def RunOutputArtifacts(self, project: str, run: str, **_: Any) -> Any:
        nodes = [
            self._artifact(artifact)
            for artifact in self.state.artifacts.values()
            if (artifact["projectName"], artifact["runName"]) == (project, run)
        ]
        found = {"artifacts": connection(nodes)}
        return {"project": {"internalId": "1", "run": found}}

    def _artifact(self, artifact: dict[str, Any]) -> dict[str, Any]:
        collection = {
            "__typename": "ArtifactSequence",
            "id": "s",
            "name": artifact["artifactCollectionName"],
            "project": project_node(artifact["projectName"]),
        }
        empty = dict.fromkeys(("description", "historyStep", "commitHash"))
        alias = {"__typename": "ArtifactAlias", "id": "a", "alias": "latest"}
        return {
            **empty,
            "__typename": "Artifact",
            "id": artifact["id"],
            "artifactSequence": collection,
            "versionIndex": 0,
            "artifactType": {"__typename": "ArtifactType", "name": artifact["artifactTypeName"]},
            "metadata": "{}",
            "ttlDurationSeconds": 0,
            "ttlIsInherited": False,
            "tags": [],
            "state": "COMMITTED",
            "size": 1,
            "digest": artifact["digest"],
            "digestAlgorithm": artifact.get("digestAlgorithm"),
            "fileCount": 1,
            "createdAt": TIME,
            "updatedAt": TIME,
            "aliases": [{**alias, "artifactCollection": collection}],
        }

    def FetchArtifactManifest(self, id: str) -> Any:  # noqa: A002
        link = self.state.link(f"manifest/{id}")
        manifest = {"__typename": "ArtifactManifest", "file": {"directUrl": link}}
        return {"artifact": {"currentManifest": manifest}}

    def GetArtifactMembershipFileUrls(self, project: str, collection: str, **_: Any) -> Any:
        nodes = [
            {
                "__typename": "File",
                "name": path.split("/", 2)[2],
                "directUrl": self.state.link(path),
            }
            for path in self.state.blobs
            if path.startswith("artifact/")
            and self.state.artifacts[path.split("/")[1]]["artifactCollectionName"] == collection
        ]
        membership = {"files": connection(nodes)}
        found = {"__typename": "ArtifactSequence", "artifactMembership": membership}
        return {"project": {"artifactCollection": found}}


def handler(state: State) -> type[BaseHTTPRequestHandler]:
    """The HTTP face of a state."""
    operations = Operations(state)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if not self.path.startswith("/graphql"):
                state.requests.append(f"POST {self.path}")
                self.answer(200, {})  # file_stream: the run's output and its end
                return
            query = json.loads(body)
            found = re.search(r"(?:query|mutation)\s+(\w+)", query["query"])
            name = found[1] if found else "?"
            state.requests.append(name)
            types = re.findall(r"(\w+)\s*:\s*__type\(", query["query"])
            if types:  # old clients ask what the server has beyond the first one
                known = [name for name in vars(Operations) if not name.startswith("_")]
                fields = [{"name": name[0].lower() + name[1:]} for name in known]
                parts = {"fields": fields, "inputFields": []}
                self.answer(200, {"data": dict.fromkeys(types, parts)})
                return
            operation = getattr(operations, name, None)
            if operation is None:
                state.unknown.append(query["query"])
                self.answer(400, {"errors": [{"message": f"unknown operation {name}"}]})
                return
            self.answer(200, {"data": operation(**(query.get("variables") or {}))})

        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = unquote(self.path.removeprefix("/storage/"))
            state.requests.append(f"PUT {path}")
            state.blobs[path] = body
            self.answer(200, {})

        def do_GET(self) -> None:
            data = state.blobs.get(unquote(self.path.removeprefix("/storage/")))
            if data is None:
                self.answer(404, {"errors": [{"message": "no such file"}]})
            else:
                self.reply(200, data, "application/octet-stream")

        def answer(self, status: int, value: Any) -> None:
            self.reply(status, json.dumps(value).encode(), "application/json")

        def reply(self, status: int, data: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Say nothing."""

    return Handler


class Server(ThreadingHTTPServer):
    """Serve each connection in a thread of its own."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """The client drops its idle connections when it ends; that is no error."""


@contextmanager
def serve() -> Iterator[State]:
    """Serve on a free port until the block ends."""
    state = State()
    server = Server(("127.0.0.1", 0), handler(state))
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


if __name__ == "__main__":
    with serve() as running:
        print(running.url, flush=True)
        threading.Event().wait()
