"""Reads From as Python's email package does: a line of hexadecimal octets in, a line of JSON out.

For each value the mailboxes that a program would take for authors, by three ways of reading: `policy.default`,
`compat32` with `getaddresses`, and `compat32` with `parseaddr`, which takes the first.
"""
import email
import email.policy
import email.utils
import json
import sys

sys.setrecursionlimit(10000)


def default(octets):
    field = email.message_from_bytes(octets, policy=email.policy.default)["From"]
    return [address.addr_spec for address in field.addresses] if field is not None else []


def message32(octets):
    # This policy is older than UTF-8 in headers (RFC 6532): programs that use it decode first.
    return email.message_from_string(octets.decode("utf-8"), policy=email.policy.compat32)


def compat32(octets):
    return [address for _, address in email.utils.getaddresses(message32(octets).get_all("From", []))]


def first(octets):
    field = message32(octets)["From"]
    return [email.utils.parseaddr(field)[1]] if field is not None else []


for line in sys.stdin:
    octets = b"From:" + bytes.fromhex(line).replace(b"\n", b"\r\n") + b"\r\n\r\nbody\r\n"
    read = {}
    for way in (default, compat32, first):
        try:
            read[way.__name__] = way(octets)
        # A reader that fails shows nobody.
        except Exception as error:
            read[way.__name__] = ["!" + type(error).__name__]
    # Octets that it could not decode are shown as a program would show them.
    text = json.dumps(read, ensure_ascii=False).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    sys.stdout.buffer.write(text.encode() + b"\n")
