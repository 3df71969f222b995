"""Gateways in a row, each pair on a channel of its own."""
from muleteer import Channel, Fleet, Gateway, Sink


class Chain:
    """Of names, next neighbours have a channel; a sink is behind every node.
    link is more for each link's configuration."""

    def __init__(self, directory, names, link=""):
        self.names = names
        self.more = link
        self.nodes = {n: f"10.142.0.{i + 1}" for i, n in enumerate(names)}
        self.channels = {}
        for left, right in zip(names, names[1:]):
            d = directory / (left + right)
            d.mkdir()
            self.channels[left + right] = Channel(str(d))
        self.sinks = {n: Sink() for n in names}
        self.gateways = {n: self.gateway(str(directory), n) for n in names}

    def gateway(self, directory, name):
        i = self.names.index(name)
        nearby = [n for n in self.names[max(i - 1, 0):i + 2] if n != name]
        g = Gateway(directory, name, self.nodes[name],
                    {n: self.nodes[n] for n in [name] + nearby}, 1, [],
                    smtp="retry_first: 1s")
        with open(g.config, encoding="utf-8") as f:
            text = f.read()
        text = text[:text.index("links:\n")] + "links:\n" + "".join(
            self.link(name, n) for n in nearby) + "routes:\n"
        text += (f"  - {{domain: {name}.example.mil, via: smtp, "
                 f'host: "127.0.0.1:{self.sinks[name].port}"}}\n')
        for n in self.names:
            if n != name:
                towards = self.names[
                    i + (1 if self.names.index(n) > i else -1)]
                text += (f"  - {{domain: {n}.example.mil, via: mule, "
                         f"node: {towards}}}\n")
        with open(g.config, "w", encoding="utf-8") as f:
            f.write(text)
        return g

    def link(self, name, other):
        pair = "".join(sorted([name, other]))
        return (f"  - name: {pair}\n    bearer: emulated\n"
                f'    hub: "127.0.0.1:{self.channels[pair].port}"\n'
                + "".join(f"    {s}\n" for s in
                          (Fleet.FAST + self.more).splitlines())
                + f"    groups:\n      - {{name: {pair}, address: "
                  f"239.142.0.{self.names.index(pair[0]) + 1}, "
                  f"members: [{pair[0]}, {pair[1]}]}}\n")

    def __enter__(self):
        for part in (self.channels, self.sinks, self.gateways):
            for p in part.values():
                p.start()
        return self

    def __exit__(self, kind, *_):
        codes = [g.stop() for g in self.gateways.values()]
        for p in (*self.channels.values(), *self.sinks.values()):
            p.stop()
        assert kind is not None or codes == [0] * len(codes)
