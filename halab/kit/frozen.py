"""The base of all models of what files say: their values do not change, and an unknown key is refused."""

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
