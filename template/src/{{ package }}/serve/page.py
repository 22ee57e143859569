"""One page for a person who opens the service in a browser; it loads nothing from elsewhere."""

import json
import shlex
from html import escape

from ..contract import Column
from ..settings import MODEL_NAME
from .champion import Served

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 56rem; margin: auto; padding: 1rem }}
pre {{ background: #f2f2f2; padding: 1rem; white-space: pre-wrap; overflow-wrap: anywhere }}
td, th {{ text-align: left; padding: .2rem 1rem .2rem 0; vertical-align: top }}
</style>
</head>
<body>
<h1>{title}</h1>
{content}
<p><a href="openapi.json">openapi.json</a> · <a href="readyz">readyz</a> ·
<a href="metrics">metrics</a></p>
</body>
</html>
"""
NOT_READY = "<p>No model serves yet: run <code>{name} register</code>.</p>"
READY = """<p>Predicts <b>{target}</b>{description} with the model <code>{digest}</code>
under version {version} of the contract {contract}.</p>
<pre>{command}</pre>
<table>
<tr><th>input</th><th>type</th><th></th><th>meaning</th></tr>
{rows}
</table>"""


def render(base_url: str, served: Served | None) -> str:
    content = NOT_READY.format(name=escape(MODEL_NAME))
    if served:
        contract = served.model.contract
        target = contract.target
        content = READY.format(
            target=escape(target.name),
            description=f" ({escape(target.description)})" if target.description else "",
            digest=served.model.digest[:12],
            version=escape(str(contract.version)),
            contract=escape(contract.name),
            command=escape(_command(base_url, served)),
            rows="\n".join(_row(column) for column in served.schema.columns),
        )
    return PAGE.format(title=escape(MODEL_NAME), content=content)


def _command(base_url: str, served: Served) -> str:
    row = json.dumps(served.schema.example(), ensure_ascii=False)
    return f"curl -H 'content-type: application/json' -d {shlex.quote(row)} {base_url}predict"


def _row(column: Column) -> str:
    needed = "required" if column.required and column.role != "id" else ""
    cells = (column.name, column.type, needed, column.description)
    return "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"
