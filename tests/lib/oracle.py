"""tshark as the judge of a capture; the preferences are those that make it
look into P_MUL and CompressedData at all.
"""
import subprocess

TSHARK = ["tshark", "-n", "-d", "udp.port==2751-2754,p_mul",
          "-o", "p_mul.relative_msgid:FALSE", "-o", "p_mul.decode:cdt"]
COMPLAINTS = ("p_mul.checksum_bad.expert || p_mul.length.invalid || "
              "p_mul.more_data || p_mul.seq_no.illegal || "
              "p_mul.ack_length.invalid || p_mul.missing_seq_range.invalid || "
              "p_mul.missing_seq_no.invalid || cdt.unable_compress_content || "
              "cdt.unable_uncompress_content || _ws.malformed")


def tshark(pcap, *args):
    run = subprocess.run(TSHARK + ["-r", pcap] + list(args), check=True,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         env={"LC_ALL": "C", "PATH": "/usr/bin:/bin",
                              "HOME": "/nonexistent"})
    return run.stdout.decode()


def complaints(pcap):
    """What tshark finds wrong, a line each; nothing for a clean capture."""
    return tshark(pcap, "-Y", COMPLAINTS).splitlines()


def fields(pcap, *names, filter="p_mul"):
    """Rows of the values of these fields."""
    args = ["-Y", filter, "-T", "fields", "-E", "separator=|"]
    for n in names:
        args += ["-e", n]
    return [line.split("|") for line in tshark(pcap, *args).splitlines()]


def payloads(pcap):
    """The reassembled and inflated content of every CompressedData."""
    return [bytes.fromhex(row[0]) for row in
            fields(pcap, "data.data", filter="cdt") if row[0]]
