"""FsspecStorage over SFTP: fsspec's client (paramiko) against asyncssh's server."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import ClassVar
from uuid import uuid4

import pytest

pytest.importorskip("asyncssh")
pytest.importorskip("paramiko")
pytest.importorskip("fsspec")

import asyncssh

from expcore import FsspecStorage, KeyExists, Storage, StorageUnavailable
from expcore.testing import StorageContract

pytestmark = [
    # cryptography, paramiko and asyncssh about themselves
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


class AnyUser(asyncssh.SSHServer):
    connections: ClassVar[list[asyncssh.SSHServerConnection]] = []

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self.connections.append(conn)

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return password == "secret-of-the-tests"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A server on loopback whose root is a folder of the tests."""
    root = tmp_path_factory.mktemp("sftp")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_factory=AnyUser,
            server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
            sftp_factory=lambda chan: asyncssh.SFTPServer(chan, chroot=str(root).encode()),
        )

    server = asyncio.run_coroutine_threadsafe(start(), loop).result(30)
    yield server.get_port()

    async def stop() -> None:
        server.close()
        await server.wait_closed()
        for connection in AnyUser.connections:
            connection.abort()
            await connection.wait_closed()
        await asyncio.sleep(0)  # the transports close in the loop's next round

    asyncio.run_coroutine_threadsafe(stop(), loop).result(30)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(30)
    loop.close()


class TestSftp(StorageContract):
    # One claim after another is; many at once on one connection of paramiko's have hung.
    claims_are_atomic = False

    @pytest.fixture
    def storage(self, port: int) -> Iterator[Storage]:
        storage = FsspecStorage(
            f"sftp://127.0.0.1/{uuid4().hex}",
            port=port,
            username="someone",
            password="secret-of-the-tests",
            look_for_keys=False,
            allow_agent=False,
            skip_instance_cache=True,
        )
        yield storage
        storage._fs.client.close()

    def test_a_claim_leaves_nothing_beside_it(self, storage: FsspecStorage) -> None:
        storage.write_new("a/k", b"1")
        with pytest.raises(KeyExists):
            storage.write_new("a/k", b"2")

        assert [name.rpartition("/")[2] for name in storage._fs.ls(f"{storage._root}/a")] == ["k"]

    def test_a_server_that_is_gone_is_said_to_be_so(self) -> None:
        with pytest.raises(StorageUnavailable, match="connect"):
            FsspecStorage("sftp://127.0.0.1/x", port=1, skip_instance_cache=True)

    def test_secrets_are_not_shown(self, storage: Storage) -> None:
        assert "secret" not in repr(storage) + storage.url
