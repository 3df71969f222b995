"""Mail leaves to where DNS says: exchangers, their order, and none at all."""
import os
import subprocess

import pytest

from muleteer import Gateway, crlf, wait_for
from netns import Net
from test_netns import SUBMIT, start

TEXT = crlf(b"From: ops@shore.example.mil\nSubject: mx\n\nText.\n")

# Exchangers on port 25 of several loopback addresses: the last octet says how
# each behaves, and the file is named after it.
SERVERS = """
import asyncio, sys
from aiosmtpd.smtp import SMTP

class Handler:
    def __init__(self, name):
        self.name, self.n = name, 0
    async def handle_DATA(self, server, session, envelope):
        with open(f"{sys.argv[1]}/{self.name}.{self.n}", "wb") as f:
            f.write(envelope.rcpt_tos[0].encode())
        self.n += 1
        return "250 2.0.0 kept"

async def unfriendly(reader, writer):
    writer.write(b"554 5.3.2 go away\\r\\n")
    await reader.readline()
    writer.close()

async def main():
    loop = asyncio.get_running_loop()
    for i in (1, 11, 12):
        await loop.create_server(
            lambda i=i: SMTP(Handler(i), hostname=f"mx{i}.example"),
            f"127.0.0.{i}", 25)
    await asyncio.start_server(unfriendly, "127.0.0.13", 25)
    print("ready", flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""

DNS = """
mx-host=first.example,mx11.example,10
mx-host=first.example,mx12.example,20
mx-host=deaf.example,mx14.example,10
mx-host=deaf.example,mx12.example,20
mx-host=rude.example,mx13.example,10
mx-host=rude.example,mx12.example,20
mx-host=ours.example,mx11.example,20
mx-host=ours.example,shore.example.mil,10
mx-host=second.example,mx12.example,10
mx-host=second.example,shore.example.mil,20
mx-host=second.example,mx11.example,30
mx-host=astray.example,gone.example,10
host-record=gone.example.wild.example,127.0.0.12
dns-rr=null.example,15,000000
host-record=plain.example,127.0.0.11
host-record=mx11.example,127.0.0.11
host-record=mx12.example,127.0.0.12
host-record=mx13.example,127.0.0.13
host-record=mx14.example,127.0.0.14
host-record=shore.example.mil,127.0.0.1
local=/example/
local=/example.mil/
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A node in a namespace with its own name server and mail servers."""
    d = tmp_path_factory.mktemp("mx")
    with Net(["shore"]) as net:
        etc = f"/etc/netns/{net.ns('shore')}"
        os.makedirs(etc)
        try:
            with open(f"{etc}/resolv.conf", "w", encoding="ascii") as f:
                f.write("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n"
                        "search wild.example\n")
            (d / "dns.conf").write_text(DNS)
            dns = subprocess.Popen(net.prefix("shore") + [
                "dnsmasq", "-k", "-C", str(d / "dns.conf"), "--no-hosts",
                "--no-resolv", "--listen-address=127.0.0.1",
                "--bind-interfaces", "--user=root", "--pid-file"])
            sinks = start(net, "shore", SERVERS, str(d),
                          stdout=subprocess.PIPE)
            assert sinks.stdout.readline() == b"ready\n"
            gateway = Gateway(
                str(d), "shore", net.address["shore"], net.address, 0,
                ["domain: shore.example.mil, via: smtp, host: "
                 '"127.0.0.1:25"', 'domain: "*", via: mx'],
                "bit_rate: 1000000\n", "retry_first: 1s",
                prefix=net.prefix("shore"),
                bearer=f"bearer: udp, interface: {net.address['shore']}")
            gateway.start()
            yield net, d, gateway
            assert gateway.stop() == 0
            dns.terminate()
            dns.wait()
            sinks.kill()
            sinks.wait()
        finally:
            for name in os.listdir(etc):
                os.remove(f"{etc}/{name}")
            os.rmdir(etc)


def arrivals(directory, server, rcpt):
    """How many messages for rcpt a server has."""
    return sum(p.read_text() == rcpt
               for p in directory.glob(f"{server}.*") if p.suffix[1:].isdigit())


def submit(world, domain):
    net, _, gateway = world
    start(net, "shore", SUBMIT, str(gateway.port), f"a@{domain}",
          stdin=subprocess.PIPE).communicate(TEXT, timeout=30)


@pytest.mark.parametrize("domain,server", [
    ("first.example", 11),   # the most preferred
    ("deaf.example", 12),    # nobody listens there: the next
    ("rude.example", 12),    # refused in the greeting: the next
    ("second.example", 12),  # we are the second, and go no further
    ("plain.example", 11),   # no MX: the domain itself
])
def test_mail_goes_to_the_exchanger(world, domain, server):
    submit(world, domain)
    wait_for(lambda: arrivals(world[1], server, f"a@{domain}") == 1, 30,
             f"mail for {domain}")
    assert all(arrivals(world[1], s, f"a@{domain}") == 0
               for s in (1, 11, 12) if s != server)


@pytest.mark.parametrize("domain,status", [
    ("astray.example", b"5.1.2"),  # not to gone.example.wild.example
    ("null.example", b"5.1.10"),
    ("nowhere.example", b"5.1.2"),
    ("ours.example", b"5.4.6"),
])
def test_mail_that_cannot_go_comes_back(world, domain, status):
    _, d, gateway = world
    before = arrivals(d, 1, "ops@shore.example.mil")
    submit(world, domain)
    wait_for(lambda: arrivals(d, 1, "ops@shore.example.mil") == before + 1,
             30, f"a report about {domain}")
    failed = [e for e in gateway.events("smtp.failed") if domain in e]
    assert len(failed) == 1 and status.decode() in failed[0]


def test_an_address_literal_needs_no_name_server(world):
    submit(world, "[127.0.0.12]")
    wait_for(lambda: arrivals(world[1], 12, "a@[127.0.0.12]") == 1, 30,
             "mail for a literal")
