"""What an article is."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(min_length=1, max_length=64)]
Text64 = Annotated[str, Field(max_length=64)]
Natural = Annotated[int, Field(ge=0)]


class Attributes(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    color: Text64
    material: Text64
    widthMm: Natural  # noqa: N815 - as in JSON
    heightMm: Natural  # noqa: N815


class Article(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    id: Name
    category: Name
    title: Annotated[str, Field(min_length=1, max_length=200)]
    price: Annotated[float, Field(ge=0)]
    stock: Natural
    active: bool
    tags: Annotated[list[Text64], Field(max_length=16)]
    attributes: Attributes
    description: Annotated[str, Field(max_length=4000)]


class Page(BaseModel):
    items: list[Article]
    next: str | None
