"""What notifications' HTTP face gives; OpenAPI is told the same."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from contracts.notifications import Channel, Kind, NotificationState

Link = Annotated[str, Field(json_schema_extra={"format": "uri"})]


class NotificationShown(BaseModel):
    """What a customer is told of an order, by one channel."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    order: UUID
    customer: str
    kind: Kind
    channel: Channel
    state: NotificationState
    attempts: int
    reason: str | None
    created_at: datetime
    sent_at: datetime | None


class Page(BaseModel):
    """One page of them."""

    count: int
    next: Link | None = None
    previous: Link | None = None
    results: list[NotificationShown]
