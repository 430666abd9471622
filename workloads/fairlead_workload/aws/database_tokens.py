"""Passwords for databases of RDS and Aurora: tokens that the pod's AWS identity signs, instead of stored ones.

A token is a signed URL that is valid for 15 minutes, long enough to connect with it; one is made for each connection.
It is signed here, with no request to AWS but those by which the identity itself is obtained.
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.html
"""

import os
import re
from urllib.parse import urlencode

from fairlead_workload.credentials import NO_AWS_IDENTITY, Credentials, CredentialSource
from fairlead_workload.errors import Misconfigured, Unavailable

TOKEN_SECONDS = 900
_RDS_HOST = re.compile(r"\.([a-z0-9-]+)\.rds\.amazonaws\.com(\.cn)?$")


def tokens(usernames: CredentialSource, *, host: str, port: int, path: str) -> CredentialSource:
    """Credentials for `host`: the user name of `usernames`, and a token for it.

    Raises `Misconfigured` when the region is not known; the source raises `Unavailable` without an AWS identity.
    """
    region = _region(host, path)

    def make() -> Credentials:
        username = usernames().username
        return Credentials(username, _token(host, port, username, region, dependency=path.partition(".")[0]))

    return make


def _region(host: str, path: str) -> str:
    """That of the host's own name, else of the environment: a name of one's own says nothing."""
    found = _RDS_HOST.search(host.lower())
    region = found[1] if found else os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if not region:
        remedy = "name the database as RDS does, or give aws.region in the class (AWS_REGION on a laptop)"
        raise Misconfigured(f"{path}.host", f"the AWS region of {host} is not known", remedy)
    return region


def _token(host: str, port: int, username: str, region: str, *, dependency: str) -> str:
    from botocore.exceptions import BotoCoreError
    from botocore.model import ServiceId
    from botocore.session import get_session
    from botocore.signers import RequestSigner

    session = get_session()
    try:
        identity = session.get_credentials()
        if identity is None:
            message = "there is no AWS identity; give the pod's ServiceAccount a role"
            raise Unavailable(dependency, message, reason=NO_AWS_IDENTITY)
        signer = RequestSigner(
            ServiceId("RDS"), region, "rds-db", "v4", identity, session.get_component("event_emitter")
        )
        query = urlencode({"Action": "connect", "DBUser": username})
        request = {"method": "GET", "url": f"https://{host}:{port}/?{query}", "body": {}, "headers": {}, "context": {}}
        url: str = signer.generate_presigned_url(
            request, operation_name="connect", expires_in=TOKEN_SECONDS, region_name=region
        )
    except BotoCoreError as error:
        message = (
            f"the AWS identity cannot be used: {type(error).__name__}; look at the role of the pod's ServiceAccount"
        )
        raise Unavailable(dependency, message, reason=NO_AWS_IDENTITY) from None
    return url.removeprefix("https://")
