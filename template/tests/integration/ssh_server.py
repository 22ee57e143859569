"""An SSH server on this machine."""

import asyncio
import getpass
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncssh


@contextmanager
def running(home: Path) -> Iterator[str]:
    """Its URL; it lets in whoever has this home folder."""
    folder = home / ".ssh"
    folder.mkdir(parents=True)
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(folder / "id_ed25519")
    key.write_public_key(folder / "id_ed25519.pub")
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(
        asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[key],
            authorized_client_keys=str(folder / "id_ed25519.pub"),
            sftp_factory=True,
        )
    )
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield f"ssh://{getpass.getuser()}@127.0.0.1:{server.get_port()}"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        loop.run_until_complete(server.wait_closed())
        loop.close()
