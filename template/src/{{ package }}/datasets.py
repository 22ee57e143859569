"""The datasets of the project: where each comes from, and the contract that it keeps."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from . import contract as contracts
from . import labels, sources
from .contract import Contract, ContractError
from .params import Params, ParamsError
from .settings import Settings
from .sources import Options


def of(project: Params, settings: Settings) -> dict[str, Options]:
    """Where each dataset comes from, the main one first.

    It is read from the files of ``data.source`` unless ``sources`` in params.yaml names it. Raises
    ParamsError when what params.yaml says of a source is not what its kind needs.
    """
    main = project.data.dataset
    files = {"kind": "files", "path": str(settings.data_source or project.data.source)}
    given = {main: files, **project.sources}
    return {name: _options(name, options, settings) for name, options in given.items()}


def _options(dataset: str, given: dict[str, Any], settings: Settings) -> Options:
    if given["kind"] == "files":
        # `retrain` works in another folder.
        given = given | {"path": str(settings.sources_folder / str(given.get("path", "")))}
    return parse_options(f"sources.{dataset}", given)


def parse_options(place: str, given: dict[str, Any]) -> Options:
    """What params.yaml says at a place, in the form of its kind; raise ParamsError."""
    try:
        options: Options = sources.kind(given["kind"]).Options.model_validate(given)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise ParamsError(f"params.yaml: {place}: {'; '.join(problems)}") from None
    return options


def contract_of(dataset: str, project: Params) -> Contract:
    """What a dataset promises of the rows that land; raise ContractError."""
    main = contracts.load(project.contract_path)
    if dataset == project.data.dataset:
        return main.landed
    if dataset == labels.DATASET:
        return labels.load(main).contract
    contract = contracts.read(Path("contracts") / f"{dataset}.odcs.yaml", _parse)
    if contract.name != dataset:
        raise ContractError(f"contracts/{dataset}.odcs.yaml is of the dataset {contract.name}")
    return contract


def beside(project: Params) -> list[Contract]:
    """The contracts of the datasets that sql/training.sql may join to the main one."""
    others = [
        name for name in project.sources if name not in (project.data.dataset, labels.DATASET)
    ]
    return [contract_of(name, project) for name in others]


def _parse(document: Any, digest: str) -> Contract:
    """A contract that needs no roles, for a dataset whose rows are not predicted."""
    schema = contracts.need(document, "schema", list, "the contract")[0]
    properties = contracts.need(schema, "properties", list, "the dataset")
    columns = tuple(map(contracts.parse_column, properties))
    names = [column.name for column in columns]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ContractError(f"column {', '.join(twice)} is described twice")
    version = str(contracts.need(document, "version", (str, int, float), "the contract"))
    name = contracts.need(schema, "name", str, "the dataset")
    return Contract(name, version, "", (), columns, digest)
