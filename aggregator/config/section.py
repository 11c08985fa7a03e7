"""What all sections of `config.yaml` have in common. Never holds a key of its own."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, model_validator

from aggregator.config.kinds import text

PATH = text("the path of a file or folder", limit=1_000)
Title = Annotated[str, text("a title", limit=200)]
Word = Annotated[str, text("text")]
Path_ = Annotated[str, PATH]


class Section(BaseModel):
    """What all sections share: unknown keys are mistakes, nothing changes after loading."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, validate_by_name=False)

    @model_validator(mode="before")
    @classmethod
    def drop_empty(cls, values: Any) -> Any:
        """``author:`` and ``author: ""`` say the same as no such line, where nothing is the default."""
        if not isinstance(values, dict):
            return values
        optional = {field.alias or name for name, field in cls.model_fields.items() if field.default in ("", None)}
        return {key: value for key, value in values.items() if value not in ("", None) or key not in optional}
