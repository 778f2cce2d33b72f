"""Bodies of calls, read ahead of the application and handed to it again."""

from __future__ import annotations

from starlette.types import Message, Receive


async def whole(receive: Receive, largest: int) -> bytes | None:
    """The whole body, or None when it is larger than `largest` bytes."""
    body, more = bytearray(), True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > largest:
            return None
    return bytes(body)


def again(body: bytes) -> Receive:
    """The body as the application receives it."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return waiting.pop() if waiting else {"type": "http.disconnect"}

    return receive
