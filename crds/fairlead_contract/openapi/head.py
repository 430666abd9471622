"""HEAD in the OpenAPI document: the same as GET, without bodies. Pure."""

from fairlead_contract.json_schema.keywords import Json
from fairlead_contract.openapi.headers import header_references

_BARE_PROBLEM: Json = {"description": "A problem, without its document.", "headers": header_references("X-Request-ID")}


def head_of(get: Json) -> Json:
    """The same without bodies."""
    answers = {
        status: _BARE_PROBLEM if "$ref" in answer else {word: answer[word] for word in ("description", "headers")}
        for status, answer in get["responses"].items()
    }
    return get | {"operationId": f"head{get['operationId'][0].upper()}{get['operationId'][1:]}", "responses": answers}
