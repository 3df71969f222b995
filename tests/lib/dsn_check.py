"""A strict reader of delivery status notifications: RFC 3464, 6522, 2045.

check(content) takes the octets of a message and returns what it reports; it
raises Bad with the first thing that is not as the RFCs want it.  It knows
nothing of how Muleteer makes its reports, and uses no library but for dates.
"""
import re
from email.utils import parsedate_to_datetime

ATOM = re.compile(r"[!-'*+\-./0-9A-Z^_`a-z{|}~]+\Z")
STATUS = re.compile(r"[245]\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\Z")
DATE = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-3]\d [A-Z][a-z]{2} \d{4} "
                  r"[0-2]\d:[0-5]\d:[0-6]\d [+-]\d{4}\Z")
DOMAIN = re.compile(r"([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\.)*"
                    r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\Z|"
                    r"\[(IPv6:[0-9A-Fa-f:.]+|\d+\.\d+\.\d+\.\d+)\]\Z")
ADDRESS = re.compile(r"[!-~ ]+@[!-~]+\Z")
UTF8_XTEXT = re.compile(r"([!-\[\]-~]|\\x\{[1-9A-F][0-9A-F]{1,5}\})+\Z")

# RFC 3464 2.2 and 2.3: in this order, each once at most.
MESSAGE = ["Original-Envelope-Id", "Reporting-MTA", "DSN-Gateway",
           "Received-From-MTA", "Arrival-Date", "Deliver-By-Date"]
RECIPIENT = ["Original-Recipient", "Final-Recipient", "Action", "Status",
             "Remote-MTA", "Diagnostic-Code", "Last-Attempt-Date",
             "Final-Log-ID", "Will-Retry-Until"]
ACTIONS = {"failed": "45", "delayed": "4", "delivered": "2", "relayed": "2",
           "expanded": "2"}
# RFC 5322 3.6: once, but for what may be absent; and RFC 3834 for the last.
ONCE = ["date", "from", "to", "subject", "message-id", "mime-version",
        "content-type", "auto-submitted"]


class Bad(AssertionError):
    pass


def need(condition, what):
    if not condition:
        raise Bad(what)


def fields(block):
    """[(name, unfolded value)] of a header section."""
    found = []
    for line in block.split(b"\r\n"):
        if not line:
            continue
        if line[:1] in (b" ", b"\t"):
            need(found, "a folded line without a field")
            found[-1][1] += b" " + line.strip()
            continue
        name, colon, value = line.partition(b":")
        need(colon and re.fullmatch(rb"[!-9;-~]+", name),
             f"no header field: {line[:60]!r}")
        found.append([name, value.strip()])
    return [(n.decode("ascii"), v) for n, v in found]


def single(found, name, default=None):
    values = [v for n, v in found if n.lower() == name]
    need(len(values) <= 1, f"more than one {name}")
    return values[0].decode() if values else default


def split(entity):
    """(header fields, body) of a MIME entity."""
    if entity.startswith(b"\r\n"):
        return [], entity[2:]
    head, empty, body = entity.partition(b"\r\n\r\n")
    need(empty or entity.endswith(b"\r\n"), "no end of the header section")
    return fields(head), body


def lines(content):
    need(content.endswith(b"\r\n"), "does not end with CR LF")
    for line in content[:-2].split(b"\r\n"):
        need(b"\r" not in line and b"\n" not in line, "bare CR or LF")
        need(b"\0" not in line, "NUL")
        need(len(line) <= 998, f"a line of {len(line)} octets")


def date(value):
    need(DATE.match(value), f"not a date with a numeric zone: {value}")
    parsedate_to_datetime(value)


def eight(octets):
    return any(c >= 128 for c in octets)


def encoding(found, octets, where):
    """RFC 2045 6.2, 6.4: 8-bit octets are announced, on every level."""
    cte = single(found, "content-transfer-encoding", "7bit").lower()
    need(cte in ("7bit", "8bit"), f"{where}: encoding {cte}")
    need(cte == "8bit" or not eight(octets),
         f"{where}: 8-bit octets that are not announced")


def parts(boundary, body):
    need(0 < len(boundary) <= 70 and not boundary.endswith(" "),
         "bad boundary")
    mark = b"\r\n--" + boundary.encode()
    pieces = (b"\r\n" + body).split(mark)
    need(pieces[-1].startswith(b"--"), "no closing boundary")
    need(pieces[-1][2:].strip() == b"", "an epilogue")
    need(all(p.startswith(b"\r\n") for p in pieces[1:-1]),
         "something behind a boundary")
    return [p[2:] for p in pieces[1:-1]]


def typed(value, what):
    kind, semicolon, rest = value.partition(";")
    need(semicolon and ATOM.match(kind.strip()), f"{what} without a type")
    return kind.strip().lower(), rest.strip()


def recipient_address(value, what):
    kind, address = typed(value, what)
    if kind == "rfc822":
        need(ADDRESS.match(address), f"{what}: {address}")
    elif kind == "utf-8":
        need(UTF8_XTEXT.match(address), f"{what}: {address}")
    return kind, address


def mta(value, what):
    kind, name = typed(value, what)
    need(kind == "dns" or kind.startswith("x-"), f"{what}: type {kind}")
    need(kind != "dns" or DOMAIN.match(name), f"{what}: {name}")
    return name


def ordered(found, known, what):
    names = [n for n, _ in found]
    need(all(n in known for n in names), f"{what}: unknown among {names}")
    places = [known.index(n) for n in names]
    need(places == sorted(set(places)), f"{what}: order of {names}")
    return {n: v.decode("ascii") for n, v in found}


def per_recipient(block):
    r = ordered(fields(block), RECIPIENT, "recipient")
    for name in ("Final-Recipient", "Action", "Status"):
        need(name in r, f"no {name}")
    recipient_address(r["Final-Recipient"], "Final-Recipient")
    if "Original-Recipient" in r:
        recipient_address(r["Original-Recipient"], "Original-Recipient")
    need(r["Action"] in ACTIONS, f"Action: {r['Action']}")
    need(STATUS.match(r["Status"]), f"Status: {r['Status']}")
    need(r["Status"][0] in ACTIONS[r["Action"]],
         f"{r['Action']} with {r['Status']}")
    if "Remote-MTA" in r:
        mta(r["Remote-MTA"], "Remote-MTA")
    if "Diagnostic-Code" in r:
        kind, text = typed(r["Diagnostic-Code"], "Diagnostic-Code")
        need(kind in ("smtp",) or kind.startswith("x-"), f"diagnostic {kind}")
        need(kind != "smtp" or re.match(r"[2-5]\d\d([ -]|\Z)", text),
             f"no reply: {text}")
    if "Last-Attempt-Date" in r:
        date(r["Last-Attempt-Date"])
    if "Will-Retry-Until" in r:
        need(r["Action"] == "delayed", "Will-Retry-Until, and not delayed")
        date(r["Will-Retry-Until"])
    return r


def delivery_status(body):
    need(not eight(body), "8-bit octets in message/delivery-status")
    blocks = [b for b in body.strip(b"\r\n").split(b"\r\n\r\n")]
    need(len(blocks) >= 2, "no recipient")
    need(all(b and not b.startswith(b"\r\n") for b in blocks),
         "more than one empty line between two blocks")
    m = ordered(fields(blocks[0]), MESSAGE, "message")
    need("Reporting-MTA" in m, "no Reporting-MTA")
    mta(m["Reporting-MTA"], "Reporting-MTA")
    for name in ("Arrival-Date", "Deliver-By-Date"):
        if name in m:
            date(m[name])
    return m, [per_recipient(b) for b in blocks[1:]]


class Report:
    """message: its fields; recipients: theirs; returned: type, octets."""

    def __init__(self, message, recipients, words, returned, header):
        self.message = message
        self.recipients = recipients
        self.words = words
        self.returned = returned
        self.header = header

    def recipient(self, address):
        (r,) = [r for r in self.recipients
                if r["Final-Recipient"].endswith("; " + address)]
        return r


def media(found, where):
    value = single(found, "content-type")
    need(value, f"{where}: no Content-Type")
    kind, *params = [p.strip() for p in value.split(";")]
    params = dict(p.split("=", 1) for p in params)
    return kind.lower(), {k.lower(): v.strip('"') for k, v in params.items()}


def check(content):
    lines(content)
    header, body = split(content)
    for name in ONCE:
        need(single(header, name), f"no {name}")
    date(single(header, "date"))
    need(single(header, "auto-submitted") in ("auto-replied", "auto-generated"),
         "Auto-Submitted")
    kind, params = media(header, "report")
    need(kind == "multipart/report", kind)
    need(params.get("report-type") == "delivery-status", "report-type")
    encoding(header, content, "report")
    entities = [split(p) for p in parts(params["boundary"], body)]
    need(len(entities) in (2, 3), f"{len(entities)} parts")
    for i, (found, octets) in enumerate(entities):
        encoding(found, octets, f"part {i + 1}")
    (words, text), (status, fields_of_it) = entities[:2]
    need(media(words, "part 1")[0] == "text/plain", "part 1")
    need(media(words, "part 1")[1]["charset"] in ("us-ascii", "utf-8"),
         "charset")
    text.decode(media(words, "part 1")[1]["charset"])
    need(media(status, "part 2")[0] == "message/delivery-status", "part 2")
    message, recipients = delivery_status(fields_of_it)
    returned = None
    if len(entities) == 3:
        kind = media(entities[2][0], "part 3")[0]
        need(kind in ("message/rfc822", "text/rfc822-headers",
                      "message/global", "message/global-headers"), kind)
        returned = (kind, entities[2][1])
    return Report(message, recipients, text, returned, header)


def envelope(sender, options):
    """RFC 3461 6.1: the null return path, and no RET."""
    need(sender in ("", "<>", None), f"return path {sender}")
    need(not any(o.upper().startswith("RET=") for o in options), "RET")
