"""What stands in a message: a JSON object, or an Avro record of the schema in a file."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
from fastavro.schema import SchemaParseException

from . import SourceError, json_rows

# Before an Avro record: a zero, and the number by which a schema registry knows the schema.
REGISTRY_HEADER = 5


def from_json(value: bytes) -> dict[str, Any]:
    """Raises ValueError when it is no JSON object."""
    row = json_rows.parse(value)
    if not isinstance(row, dict):
        raise ValueError("not a JSON object")
    return row


def from_avro(schema_file: Path, registry_header: bool) -> Callable[[bytes], dict[str, Any]]:
    """What reads a record, and raises ValueError when it is none.

    Raises SourceError when the file does not have the schema of one.
    """
    try:
        schema = fastavro.parse_schema(json_rows.parse(schema_file.read_bytes()))
    except (OSError, ValueError, TypeError, LookupError, SchemaParseException) as error:
        raise SourceError(f"{schema_file} is not an Avro schema: {error}") from None
    if not isinstance(schema, dict) or schema["type"] != "record":
        raise SourceError(f"{schema_file} is not the Avro schema of a record")

    def read(value: bytes) -> dict[str, Any]:
        stream = BytesIO(value)
        if registry_header and stream.read(REGISTRY_HEADER)[:1] != b"\0":
            raise ValueError("no header of a schema registry")
        try:
            row = fastavro.schemaless_reader(stream, schema, None)
        # Bytes that are no record lead the reader astray in many ways.
        except Exception as error:
            raise ValueError(f"not a record of {schema_file} ({type(error).__name__})") from None
        if stream.read(1) or not isinstance(row, dict):
            raise ValueError(f"more than a record of {schema_file}: registry_header may be wrong")
        return row

    return read
