"""Messages of many shapes, the same ones at every run.

A name says what a message is about.  Lines end in CR LF, the last one too,
and none has more than 998 octets before it: any of them may go by DATA.
"""
import base64
import quopri
import random

CHARSETS = {
    "utf-8": "Grüße, Привет, 日本語, 😀 ",
    "iso-8859-1": "Grüße, façade, señor ",
    "iso-8859-15": "Preis: 5 €, œuvre ",
    "windows-1252": "“Anführung” – 5 € ",
    "iso-8859-7": "Καλημέρα κόσμε ",
    "koi8-r": "Привет, мир ",
    "shift_jis": "日本語の文章 ",
    "gb18030": "中文邮件 ",
}
HEAD = (b"From: Ops <ops@shore.example.mil>\r\n"
        b"To: bridge@ship1.example.mil\r\n"
        b"Date: Mon, 1 Jan 2024 00:00:00 +0000\r\n")
MIME = b"MIME-Version: 1.0\r\n"


def fold(data, width=76):
    return b"".join(data[i:i + width] + b"\r\n"
                    for i in range(0, len(data), width))


def part(kind, encoding, body):
    return (b"Content-Type: " + kind.encode() + b"\r\n"
            b"Content-Transfer-Encoding: " + encoding.encode() +
            b"\r\n\r\n" + body)


def text(charset, words, lines, encoding):
    raw = b"".join((words * (1 + i % 4)).rstrip().encode(charset) + b"\r\n"
                   for i in range(lines))
    if encoding == "base64":
        raw = fold(base64.b64encode(raw))
    elif encoding == "quoted-printable":
        raw = quopri.encodestring(raw.replace(b"\r\n", b"\n"))
        raw = raw.replace(b"\n", b"\r\n")
    return part(f"text/plain; charset={charset}", encoding, raw)


def multipart(kind, boundary, parts, before=b"", after=b""):
    line = b"--" + boundary.encode()
    return (b"Content-Type: multipart/" + kind.encode() + b"; boundary=\"" +
            boundary.encode() + b"\"\r\n\r\n" + before +
            b"".join(line + b"\r\n" + p + b"\r\n" for p in parts) +
            line + b"--\r\n" + after)


def of_texts():
    for charset, words in CHARSETS.items():
        for encoding in ("8bit", "quoted-printable", "base64"):
            for lines in (1, 20):
                yield (f"text-{charset}-{encoding}-{lines}",
                       MIME + text(charset, words, lines, encoding))


def of_multiparts(rng):
    latin = text("iso-8859-1", CHARSETS["iso-8859-1"], 3, "8bit")
    for kind in ("mixed", "alternative", "related", "parallel", "x-unknown"):
        for depth in (1, 2, 3, 8):
            body = latin
            for level in range(depth):
                body = multipart(kind, "b" * (level + 1), [latin, body])
            yield f"nested-{kind}-{depth}", MIME + body
    for size in (0, 1, 2, 3, 56, 57, 58, 1000, 4095, 4096, 4097, 30000):
        data = fold(base64.b64encode(rng.randbytes(size)))
        attached = part("application/octet-stream", "base64", data)
        yield (f"attachment-{size}",
               MIME + multipart("mixed", "=_x", [latin, attached]))
    for length in (1, 2, 69, 70):
        yield (f"boundary-{length}",
               MIME + multipart("mixed", "q" * length, [latin, latin]))
    yield ("preamble-and-epilogue", MIME + multipart(
        "mixed", "z", [latin], b"before \xfc\r\n", b"after \xfc\r\n"))
    yield ("no-last-boundary", MIME + multipart(
        "mixed", "z", [latin])[:-len(b"--z--\r\n")])
    inner = MIME + b"Subject: inner\r\n" + latin
    yield ("message-rfc822", MIME + multipart(
        "mixed", "m", [latin, part("message/rfc822", "8bit", inner)]))
    yield ("signed", MIME + multipart(
        "signed", "s", [latin, part("application/pgp-signature", "7bit",
                                    b"not a signature\r\n")]))


def of_lines(rng):
    for length in (1, 75, 76, 77, 78, 79, 510, 511, 512, 996, 997, 998):
        yield f"line-{length}", b"\r\n" + b"x" * length + b"\r\n"
        yield (f"line-8bit-{length}",
               b"\r\n" + (b"\xe4o" * length)[:length] + b"\r\n")
        yield (f"line-dot-{length}",
               b"\r\n" + b"." + b"y" * (length - 1) + b"\r\n")
    for i, lines in enumerate(([b"."], [b".."], [b"", b".", b""],
                               [b".", b"."], [b"...", b".a", b"a."],
                               [b"\t."], [b" ."], [b"QUIT"])):
        yield f"dots-{i}", b"\r\n" + b"\r\n".join(lines) + b"\r\n"
    for i in range(10):
        octets = bytes(b for b in range(1, 256) if b not in b"\r\n")
        yield (f"octets-{i}", b"\r\n" + b"".join(
            bytes(rng.choices(octets, k=rng.randrange(200))) + b"\r\n"
            for _ in range(50)))


def of_headers():
    yield "only-header", b""
    yield "empty-body", b"\r\n"
    for n in (1, 2, 10, 100):
        yield f"empty-lines-{n}", b"\r\n" * (n + 1)
        yield (f"fields-{n}", b"".join(
            b"X-Field-%d: %s\r\n" % (i, b"v" * 60)
            for i in range(n)) + b"\r\nbody\r\n")
        yield (f"folded-{n}", b"X-Long: start\r\n" +
               b"\t continued here\r\n" * n + b"\r\nbody\r\n")
        yield (f"references-{n}", b"References:\r\n" + b"".join(
            b" <%d.id@shore.example.mil>\r\n" % i
            for i in range(n)) + b"\r\nbody\r\n")
    for i, address in enumerate(("jörg@schiff.example", "用户@例子.example",
                                 "пользователь@пример.example")):
        field = address.encode()
        yield f"eai-{i}", b"Reply-To: <" + field + b">\r\n\r\nbody\r\n"
        yield (f"eai-group-{i}",
               b"Cc: crew: <" + field + b">;\r\n\r\n" + field + b"\r\n")
    for n in (1000, 5000, 20000, 65536):
        yield (f"body-{n}", b"\r\n" + b"0123456789abcdef\r\n" * (n // 18 + 1))
    for i in range(50):
        yield (f"mixed-{i}", b"X-N: %d\r\n\r\n" % i +
               b"Report %d\r\n" % i * (i + 1) + b"\xe9" * i + b"\r\n")


def generate():
    """All of them: pairs of a name and the octets."""
    rng = random.Random(6152)
    bodies = [*of_texts(), *of_multiparts(rng), *of_lines(rng), *of_headers()]
    return [(name, HEAD + b"Subject: " + name.encode() + b"\r\n" + rest)
            for name, rest in bodies]
