"""Reads From as Python's email package does: a line of hexadecimal octets in, a line of JSON out: pairs of the display
name and the address, once as `policy.default` reads them and once as `compat32` with `getaddresses` does.
"""
import email
import email.header
import email.policy
import email.utils
import json
import sys

for line in sys.stdin:
    octets = bytes.fromhex(line) + b"\r\nbody\r\n"
    field = email.message_from_bytes(octets, policy=email.policy.default)["From"]
    default = [(address.display_name, address.addr_spec) for address in field.addresses]
    # This policy is older than UTF-8 in headers (RFC 6532): programs that use it decode first.
    field = email.message_from_string(octets.decode("utf-8"), policy=email.policy.compat32)["From"]
    decoded = lambda text: str(email.header.make_header(email.header.decode_header(text)))
    compat32 = [(decoded(name), address) for name, address in email.utils.getaddresses([field])]
    print(json.dumps([default, compat32]))
