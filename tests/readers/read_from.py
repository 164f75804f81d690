"""Reads From as Python's email package does: a line of hexadecimal octets in, a line of JSON out.

For each value, by each way of reading, the addresses that a program would take for authors; null where it fails. The
ways: `policy.default`; `compat32` with `getaddresses` and, for the first author, with `parseaddr`, each strict too where
this Python has it (3.13, and older ones that were mended); the same after RFC 2047 was decoded, where that changes the
text. "decoded" is that text, for readers that are not Python's.
"""
import email
import email.header
import email.policy
import email.utils
import json
import re
import sys

sys.setrecursionlimit(10000)
LENIENT = {}
if getattr(email.utils, "supports_strict_parsing", False):
    LENIENT = {"strict": False}


def default(field):
    addresses = field.addresses if field is not None else []
    return [address.addr_spec for address in addresses if address.username or address.domain]


def compat32(field, **how):
    return [address for _, address in email.utils.getaddresses([field], **how)]


def first(field, **how):
    return [email.utils.parseaddr(field, **how)[1]]


def attempt(way, *field, **how):
    try:
        return [address for address in way(*field, **how) if address] or None
    # A reader that fails shows nobody.
    except Exception:
        return None


def decoded(field):
    return re.sub(r"(=\?[^?\s]+\?[bq]\?[^?\s]*\?=)(?:\s+(?==\?))?", word, field, flags=re.IGNORECASE)


def word(found):
    try:
        return str(email.header.make_header(email.header.decode_header(found[1])))
    except Exception:
        return found[0]


def read(octets):
    octets = b"From:" + octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") + b"\r\n\r\nbody\r\n"
    ways = {"default": attempt(lambda: default(email.message_from_bytes(octets, policy=email.policy.default)["From"]))}
    # compat32 is older than UTF-8 in headers (RFC 6532): programs that use it decode first.
    field = email.message_from_string(octets.decode("utf-8"), policy=email.policy.compat32)["From"]
    if field is None:
        return ways
    ways["compat32"] = attempt(compat32, field, **LENIENT)
    ways["first"] = attempt(first, field, **LENIENT)
    if LENIENT:
        ways["compat32 strict"] = attempt(compat32, field)
        ways["first strict"] = attempt(first, field)
    text = decoded(field) if "=?" in field else field
    if text != field:
        ways["decoded"] = [text]
        ways["decoded, default"] = attempt(lambda: default(email.policy.default.header_factory("From", text)))
        ways["decoded, compat32"] = attempt(compat32, text, **LENIENT)
        ways["decoded, first"] = attempt(first, text, **LENIENT)
        if LENIENT:
            ways["decoded, compat32 strict"] = attempt(compat32, text)
    return ways


for line in sys.stdin:
    # Octets that it could not decode are shown as a program would show them.
    text = json.dumps(read(bytes.fromhex(line)), ensure_ascii=False)
    sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape").decode("utf-8", "replace").encode() + b"\n")
