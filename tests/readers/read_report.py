"""Reads a report as Python's email package does (`policy.default`): a message on standard input, JSON out.

The fields at the top, the type of each part, the fields for programs in groups, the text and the copied header.
"""
import email
import email.policy
import json
import sys

message = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
text, status, header = message.iter_parts()


def groups(part):
    """RFC 3464's groups. Python knows message/delivery-status; another message/* it takes for a message."""
    inner = part.get_payload()
    if part.get_content_type() == "message/delivery-status":
        return [[[name, str(value)] for name, value in group.items()] for group in inner]
    first = [[name, str(value)] for name, value in inner[0].items()]
    rest = inner[0].get_payload(decode=True).decode().strip().split("\n\n")
    return [first] + [[line.split(": ", 1) for line in group.splitlines()] for group in rest]


def copied(part):
    if part.get_content_type() == "message/global-headers":
        return [[name, str(value)] for name, value in part.get_payload()[0].items()]
    inner = email.message_from_bytes(part.get_payload(decode=True), policy=email.policy.default)
    return [[name, str(value)] for name, value in inner.items()]


json.dump(
    {
        "top": [[name.lower(), str(value)] for name, value in message.items()],
        "type": [message.get_content_type(), message.get_param("report-type")],
        "parts": [part.get_content_type() for part in (text, status, header)],
        "defects": [str(defect) for part in message.walk() for defect in part.defects],
        "groups": groups(status),
        "text": text.get_content(),
        "header": copied(header),
    },
    sys.stdout,
)
