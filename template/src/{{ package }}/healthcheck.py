"""Asks a server in the same container whether it is well; exit code 0 says that it is.

The argument is a port and a path, say 9101/metrics; without one it is /healthz on $PORT.
"""

import http.client
import os
import sys

SECONDS = 2


def main() -> None:
    asked = sys.argv[1] if sys.argv[1:] else f"{os.environ['PORT']}/healthz"
    port, _, path = asked.partition("/")
    # Not urllib, which would ask a proxy.
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=SECONDS)
    try:
        connection.request("GET", f"/{path}")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        sys.exit(f"no answer: {error}")
    if status != http.HTTPStatus.OK:
        sys.exit(f"status {status}")


if __name__ == "__main__":
    main()
