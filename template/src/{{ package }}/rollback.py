"""Back to an earlier champion, in seconds and with a reason."""

from .settings import MODEL_NAME, Settings
from .store import Champion, ModelStore, StoreError


def rollback(settings: Settings, start: str | None, reason: str) -> Champion:
    """Let the champion before serve again, or the model whose digest begins so.

    Raises StoreError when there is none, and Unblessed when it has no passing verdict.
    """
    store = ModelStore(settings.model_store, MODEL_NAME)
    store.correct()
    before = store.champion()
    digest = store.previous() if start is None else store.find(start)
    if digest is None:
        raise StoreError(
            f"{store.audit.path} tells of no champion before this one; "
            f"`{MODEL_NAME} rollback DIGEST` takes any model with a passing verdict"
        )
    if before is not None and before.digest == digest:
        raise StoreError(f"model {digest[:12]} is the champion already")
    return store.move("rollback", digest, reason, before=before)


def mirror(settings: Settings, champion: Champion) -> str:
    """Let MLflow's alias follow; return what hinders it, if anything. The model serves already."""
    try:
        from . import tracking

        return tracking.point(settings, "champion", champion.digest)
    except Exception as error:
        return f"MLflow's alias champion stays where it was: {error}"
