"""A topic as params.yaml describes it, and the clients that reach it."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Self

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from pydantic import Field, model_validator

from . import Options as BaseOptions
from . import Position, SourceError, hidden, secret

# Seconds until a broker has answered, and until something has come that is known to be there.
TIMEOUT = 30.0


class Options(BaseOptions):
    """Where the topic is, and what its messages are: JSON objects, or Avro with ``schema_file``.

    ``client`` has settings of librdkafka by their names, such as ``security.protocol``. With
    ``key_column`` and ``time_column`` the key and the time of a message are columns too. Messages
    that the broker deleted before they were read, and ones that are not what they should be, stop
    the reading unless ``deleted`` or ``unreadable`` says ``skip``.
    """

    kind: Literal["stream"]
    servers: str
    topic: str
    schema_file: Path | None = None
    registry_header: bool = False
    key_column: str | None = None
    time_column: str | None = None
    deleted: Literal["stop", "skip"] = "stop"
    unreadable: Literal["stop", "skip"] = "stop"
    client: dict[str, str] = Field(default_factory=dict)
    password_from: str | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name in self.client:
            if name.endswith(("password", "secret", ".pem")):
                raise ValueError(f"{name} is secret: password_from names a variable for it")
        return self

    @property
    def name(self) -> str:
        return f"topic {self.topic} at {self.servers}"


class Broker:
    """What the clients need, and what they last complained of, which they say only in passing."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self._password = secret(options.password_from) if options.password_from else ""
        self._complaints: deque[KafkaError] = deque(maxlen=100)

    def settings(self, own: dict[str, Any]) -> dict[str, Any]:
        password = {"sasl.password": self._password} if self._password else {}
        return {
            "bootstrap.servers": self.options.servers,
            # What librdkafka logs it also reports, and a log has no place for it.
            "log_level": 0,
            "error_cb": self._complaints.append,
            **self.options.client,
            **password,
            **own,
        }

    def error(self, error: Exception | KafkaError | str) -> SourceError:
        """What was wrong, with the reason that the clients found: a refused password, say."""
        if isinstance(error, KafkaException):
            error = error.args[0]
        said = error.str() if isinstance(error, KafkaError) else str(error)
        told = sorted(self._complaints, key=lambda told: told.code() == KafkaError._AUTHENTICATION)
        reason = f" ({told[-1].str()})" if told else ""
        said = hidden(SourceError(f"{said}{reason}"), self._password)
        return SourceError(f"{self.options.name}: {said}")

    @contextmanager
    def consumer(self) -> Iterator[Consumer]:
        """A consumer of no group, but librdkafka wants the name of one."""
        own = {
            "group.id": "unused",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
        }
        try:
            consumer = Consumer(self.settings(own))
        except KafkaException as error:
            raise self.error(error) from None
        try:
            yield consumer
        except KafkaException as error:
            consumer.poll(0)
            raise self.error(error) from None
        finally:
            consumer.close()

    def offsets(self, consumer: Consumer) -> dict[int, tuple[int, int]]:
        """Of each partition, the offset of the first message that is there and that of the next."""
        topic = self.options.topic
        found = consumer.list_topics(topic, timeout=TIMEOUT).topics[topic]
        if found.error is not None:
            raise self.error(found.error)
        return {
            partition: consumer.get_watermark_offsets(
                TopicPartition(topic, partition), timeout=TIMEOUT
            )
            for partition in sorted(found.partitions)
        }


def starts(
    options: Options, offsets: dict[int, tuple[int, int]], after: Position
) -> dict[int, int]:
    """Where to go on in each partition; raise SourceError where messages are missing there."""
    if gone := {int(partition) for partition in after} - offsets.keys():
        raise _other(options, f"has no partition {min(gone)} any more")
    found = {}
    for partition, (low, high) in offsets.items():
        start = after.get(str(partition), low)
        if start > high:
            raise _other(options, f"ends at {high} in partition {partition}, before {start}")
        if start < low and options.deleted == "stop":
            raise SourceError(
                f"{options.name}: the messages {start} to {low - 1} of partition {partition} were "
                "deleted there before they were read; `deleted: skip` goes on without them"
            )
        found[partition] = max(start, low)
    return found


def _other(options: Options, said: str) -> SourceError:
    return SourceError(
        f"{options.name} {said}: it is another topic of that name, so ingest it with --anew"
    )
