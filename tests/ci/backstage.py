"""Backstage's own judgement of entities, from its package @backstage/catalog-model."""

import json
import subprocess
from typing import Any

from support import npm

MODEL = "@backstage/catalog-model@1.10.1"
SCRIPT = """\
const model = require("@backstage/catalog-model");
const kinds = {
  API: model.apiEntityV1alpha1Validator,
  Component: model.componentEntityV1alpha1Validator,
  Resource: model.resourceEntityV1alpha1Validator,
};
const policies = model.EntityPolicies.allOf([
  new model.SchemaValidEntityPolicy(),
  new model.DefaultNamespaceEntityPolicy(),
  new model.FieldFormatEntityPolicy(),
  new model.NoForeignRootFieldsEntityPolicy(),
]);
async function problem(entity) {
  try {
    const kept = await policies.enforce(entity);
    if (!(await kinds[kept.kind].check(kept))) return "another apiVersion";
    for (const one of [kept.spec.owner, ...(kept.spec.dependsOn || [])])
      model.parseEntityRef(one, { defaultKind: "group", defaultNamespace: "default" });
    return null;
  } catch (error) {
    return error.message;
  }
}
const entities = JSON.parse(require("fs").readFileSync(0, "utf8"));
Promise.all(entities.map(problem)).then((found) => console.log(JSON.stringify(found)));
"""


def problems(entities: list[dict[str, Any]]) -> list[str | None]:
    """What Backstage has against each of these entities."""
    done = subprocess.run(
        ["node", "-e", SCRIPT],
        cwd=npm.installed(MODEL, "--ignore-scripts").parent,
        input=json.dumps(entities),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: list[str | None] = json.loads(done.stdout)
    return found
