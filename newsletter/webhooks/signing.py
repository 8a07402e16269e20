"""Signs calls, so that who is called knows that it was us: headers as in the specification «Standard Webhooks» 1.0.

The signature is `v1,` and the Base64 of HMAC-SHA256 over `id.timestamp.body`. The key of a webhook is made of the
project's key and the webhook's id: nothing is stored, and two webhooks never share one.
"""

import hmac
from base64 import b64encode
from collections.abc import Mapping
from datetime import datetime
from typing import Final

_PREFIX: Final = "whsec_"


def key_of(webhook_id: int, secret: bytes) -> bytes:
    """The 32 bytes that sign the calls of a webhook.

    Args:
        webhook_id: The webhook's row; ids are never used twice.
        secret: The project's secret key.
    """
    return hmac.digest(secret, b"webhook\0%d" % webhook_id, "sha256")


def secret_of(webhook_id: int, secret: bytes) -> str:
    """The same as other programs are given it: `whsec_` and Base64."""
    return _PREFIX + b64encode(key_of(webhook_id, secret)).decode("ascii")


def call_name(call_id: int, created_at: datetime) -> str:
    """What a call is named, at every try alike, so that who gets it twice can tell.

    The moment is in it since numbers come again when a backup is restored, and who is called may know the old ones.
    """
    return f"call_{call_id}_{int(created_at.timestamp())}"


def signed_headers(name: str, body: bytes, key: bytes, *, now: datetime) -> Mapping[str, str]:
    """The headers `webhook-id`, `webhook-timestamp` and `webhook-signature` of one try.

    Args:
        name: As `call_name` makes it.
        body: Exactly what is sent.
        key: As `key_of` makes it.
        now: When it is sent; who gets it refuses what is older than some minutes.
    """
    timestamp = str(int(now.timestamp()))
    signature = hmac.digest(key, f"{name}.{timestamp}.".encode("ascii") + body, "sha256")
    return {
        "webhook-id": name,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{b64encode(signature).decode('ascii')}",
    }
