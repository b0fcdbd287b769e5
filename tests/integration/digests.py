# SPDX-License-Identifier: Apache-2.0
"""Digest answers (RFC 7616) as the side that asked for them checks them."""
import hashlib
import re

HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}


def proof(request, algorithm, nonce, header="authorization"):
    """The fields of the answer; it is right for this request, and by qop auth."""
    value = request.get(header)
    fields = dict(re.findall(r'(\w+)="?([^",]+)"?', value.partition(" ")[2]))

    def h(text):
        return HASHES[algorithm](text.encode()).hexdigest()
    wanted = h(":".join((h("sally:lab:hush"), nonce, fields["nc"], fields["cnonce"], "auth", h(f"{request.method}:{fields['uri']}"))))
    assert fields["response"] == wanted and fields["nonce"] == nonce and fields["qop"] == "auth" and fields["uri"] == request.uri, value
    return fields
