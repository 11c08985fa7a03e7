"""The shape of `interests:`: a paragraph, words with points, and tags and feeds with points. Never reads a wish."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from aggregator.config.kinds import number, show_value, text
from aggregator.config.section import Section
from aggregator.config.words import INTEREST

POINTS = number("points", least=-100, most=100)
_TEXT = text("what you care for in plain words", limit=5_000, lines=True)
_WORDS = text("a word or a few words", limit=80)


class Interests(Section):
    """What the editor cares for. Any other key is a tag or the address of a feed, with its points."""

    model_config = ConfigDict(extra="allow")

    words: dict[Annotated[str, _WORDS], Annotated[float, POINTS]] = Field(
        {}, description="Words in title or excerpt -> points added to the score of the story."
    )
    text: Annotated[str, _TEXT] = Field("", description="A few sentences: what you want more of, and less of.")

    __pydantic_extra__: dict[Annotated[str, INTEREST], Annotated[float, POINTS]]

    @model_validator(mode="before")
    @classmethod
    def take_paragraph(cls, values: Any) -> Any:
        """``interests: We care about...`` says the same as its key ``text``."""
        if isinstance(values, str):
            return {"text": values}
        if not isinstance(values, dict):
            message = f"found {show_value(values)}, expected sentences, or a mapping of tags with points"
            raise PydanticCustomError("unfit", "{text}", {"text": message})
        return values

    @property
    def points(self) -> dict[str, float]:
        """Tag slug or feed address -> points."""
        return dict(self.__pydantic_extra__ or {})
