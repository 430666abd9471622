"""Publishing one message: the result is an error or None, whether the queue returns or raises it."""

from fairlead_workload.errors import DependencyError
from fairlead_workload.queues.base import Message, Queue


async def publish(queue: Queue | None, message: Message) -> Exception | None:
    """None when the queue has the message durably, else why not."""
    assert queue is not None  # noqa: S101 - who publishes was made with a queue
    try:
        (error,) = await queue.publish([message])
    except DependencyError as failure:
        return failure
    return error
