"""Messages of a Kafka topic (see topic.Options); values come as text (see json_rows).

Which of them were read stands in the landing, with their rows, and nowhere else: a reading that is
killed loses none and doubles none, and nothing is committed to the broker.
"""

import json
import logging
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
from confluent_kafka import (
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)

from . import BATCH_ROWS, Batch, Position, Reading, SourceError, json_rows, messages
from .topic import TIMEOUT, Broker, Options, starts

Decode = Callable[[bytes], dict[str, Any]]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BATCH_BYTES = 32 * 1024**2
# Messages that are fetched in one call.
AT_ONCE = 1000
# Rows that wait to be sent, and seconds until one of them is given up.
QUEUED = 10_000
DELIVERY = 120.0


def read(options: Options, after: Position | None) -> Reading:
    """The messages from the position on, up to the last that is there when reading begins."""
    return Reading(_batches(options, after), anew=False, documents=options.schema_file is None)


def _batches(options: Options, after: Position | None) -> Iterator[Batch]:
    """The position has the offset of the next message of each partition.

    A message without a value says that its key is no more, and is no row.
    """
    decode: Decode = messages.from_json
    if options.schema_file:
        decode = messages.from_avro(options.schema_file, options.registry_header)
    broker = Broker(options)
    with broker.consumer() as consumer:
        offsets = broker.offsets(consumer)
        position = starts(options, offsets, after or {})
        ends = {at: high for at, (_, high) in offsets.items() if position[at] < high}
        consumer.assign([TopicPartition(options.topic, at, position[at]) for at in ends])
        rows: list[dict[str, Any]] = []
        size = 0
        while ends:
            for message in _next(broker, consumer):
                partition, offset = int(message.partition() or 0), int(message.offset() or 0)
                if partition not in ends:
                    continue
                if message.error() is None:
                    rows += _rows(options, message, decode)
                    size += len(message)
                    offset += 1
                # The end may come without a message: of a transaction, or one that is compacted.
                position[partition] = offset
                if message.error() is not None or offset >= ends[partition]:
                    del ends[partition]
            if len(rows) >= BATCH_ROWS or size >= BATCH_BYTES or not ends:
                yield Batch(json_rows.table(rows), {str(at): position[at] for at in position})
                rows, size = [], 0


def _next(broker: Broker, consumer: Consumer) -> list[Message]:
    """Some messages, and signs that a partition ends; raise SourceError when none comes."""
    end = time.monotonic() + TIMEOUT
    while time.monotonic() < end:
        if found := consumer.consume(AT_ONCE, timeout=0.2):
            for message in found:
                error = message.error()
                if error is not None and error.code() != KafkaError._PARTITION_EOF:
                    raise broker.error(error)
            return found
    raise broker.error(f"no message has come for {TIMEOUT:.0f} s")


def _rows(options: Options, message: Message, decode: Decode) -> list[dict[str, Any]]:
    """The row of a message, if it is one."""
    value = message.value()
    if value is None:
        return []
    try:
        row = decode(value)
    except ValueError as error:
        where = f"{options.name}, partition {message.partition()}, offset {message.offset()}"
        if options.unreadable == "skip":
            logging.getLogger(__name__).warning("%s is left out: %s", where, error)
            return []
        raise SourceError(
            f"{where}: {error}; `unreadable: skip` leaves such messages out"
        ) from None
    if options.key_column:
        key = message.key()
        row[options.key_column] = None if key is None else key.decode("utf-8", "replace")
    if options.time_column:
        kind, since = message.timestamp()
        known = kind != TIMESTAMP_NOT_AVAILABLE
        row[options.time_column] = EPOCH + timedelta(milliseconds=since) if known else None
    return [row]


def write(options: Options, table: pl.DataFrame, key: list[str]) -> None:
    """Send rows as JSON objects. Where the topic is compacted, the last row of a key is what stays.

    The broker drops what the client sends twice; rows that are written again are there again.
    """
    broker = Broker(options)
    with broker.consumer() as consumer:
        broker.offsets(consumer)
    failed: list[KafkaError] = []

    def delivered(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            failed.append(error)

    own = {"enable.idempotence": True, "message.timeout.ms": int(DELIVERY * 1000)}
    try:
        producer = Producer(broker.settings(own))
        for values, line in zip(table.select(key).iter_rows(), json_rows.lines(table), strict=True):
            name = str(values[0]) if len(values) == 1 else json.dumps(values, default=str)
            while len(producer) >= QUEUED:
                producer.poll(0.1)
            producer.produce(options.topic, value=line, key=name, on_delivery=delivered)
        left = producer.flush(DELIVERY + TIMEOUT)
    except (KafkaException, BufferError) as error:
        raise broker.error(error) from None
    if failed or left:
        many = f"{len(failed) + left:,} of {table.height:,} rows were not taken"
        raise broker.error(f"{many}: {failed[0].str()}" if failed else many)
