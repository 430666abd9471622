"""The result of a provision or teardown Job, which it leaves in its termination message. Pure.

It has a version, and is cut where the message ends. The operator copies the bindings into the status.
"""

from typing import Literal

from pydantic import Field

from fairlead_contract.names import TERMINATION_LOG_BYTES
from fairlead_contract.spec.model import Model
from fairlead_contract.spec.status import BindingStatus

RESULT_VERSION = 1
NOT_SERVED = "NotServed"  # the image has no code for this type of binding
EMBEDDED = "Embedded"  # the binding lives in the pod, there is nothing to do
_MESSAGE_LENGTHS = (1000, 300, 80, 0)


class ProvisionResult(Model):
    """The result of one run."""

    version: Literal[1] = Field(description="Version of this result.")
    hash: str = Field(default="", max_length=64, description="Hash of what was asked for, as the Job was given it.")
    bindings: tuple[BindingStatus, ...] = Field(default=(), max_length=16, description="State of each binding.")

    @property
    def succeeded(self) -> bool:
        return all(binding.state == "Ready" for binding in self.bindings)

    def text(self) -> str:
        """The result as JSON that fits a termination message; long messages are cut."""
        text = ""
        for length in _MESSAGE_LENGTHS:
            cut = tuple(each.model_copy(update={"message": each.message[:length]}) for each in self.bindings)
            text = self.model_copy(update={"bindings": cut}).model_dump_json(by_alias=True)
            if len(text.encode()) <= TERMINATION_LOG_BYTES:
                break
        return text
