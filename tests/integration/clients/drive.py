"""Create, get, list, patch, replace and delete through the generated Python client; `drive.py URL`."""

import sys
import time

from catalog import Client
from catalog.api.operation import create_operation_2, get_operation_2
from catalog.api.operations import get_operation
from catalog.api.parts import create_parts, delete_parts, get_parts, list_parts, patch_parts, replace_parts
from catalog.models import (
    Operation,
    Operation2,
    Operation2Create,
    OperationStatus,
    Parts,
    PartsCreate,
    PartsMaker,
    PartsPage,
    PartsPatch,
    PartsPiece,
    PartsReplace,
    Problem,
)

AMOUNT = 5_000_000_000_000


def expect(found, kind):
    assert isinstance(found, kind), found
    return found


def drive_parts(client):
    pieces = [PartsPiece(name="wheel", pieces=[PartsPiece(name="spoke", count=32)])]
    body = PartsCreate(name="bicycle", weight=9.5, maker=PartsMaker(name="Ada"), pieces=pieces, secret="hunter22")
    created = expect(create_parts.sync(client=client, body=body), Parts)
    id_ = str(created.id)
    read = expect(get_parts.sync(id_, client=client), Parts)
    assert read.pieces[0].pieces[0].count == 32
    assert "secret" not in read.to_dict()
    page = expect(list_parts.sync(client=client), PartsPage)
    assert id_ in [str(item.id) for item in page.items]
    patched = expect(patch_parts.sync(id_, client=client, body=PartsPatch(name="tandem", note=None)), Parts)
    assert (patched.name, patched.weight) == ("tandem", 9.5)
    replaced = expect(replace_parts.sync(id_, client=client, body=PartsReplace(name="tricycle")), Parts)
    assert replaced.name == "tricycle"
    assert delete_parts.sync_detailed(id_, client=client).status_code == 204
    assert expect(get_parts.sync(id_, client=client), Problem).status == 404


def drive_operations(client):
    body = Operation2Create(id="python", amount=AMOUNT)
    accepted = expect(create_operation_2.sync(client=client, body=body), Operation)
    while accepted.status == OperationStatus.PENDING:
        time.sleep(0.02)
        accepted = expect(get_operation.sync(accepted.id, client=client), Operation)
    assert accepted.status == OperationStatus.SUCCEEDED
    assert expect(get_operation_2.sync("python", client=client), Operation2).amount == AMOUNT


with Client(base_url=sys.argv[1]) as opened:
    drive_parts(opened)
    drive_operations(opened)
print("driven")
