"""make demo does what README says, at ten times the rate."""
import os
import subprocess

from muleteer import BUILD, TOP


def demo(*args):
    return subprocess.run(
        ["/usr/bin/python3", os.path.join(TOP, "tools/demo.py"), *args],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        check=False, timeout=200, env=dict(os.environ, MULETEER_BUILD=BUILD))


def test_demo_ends_well_and_says_what_it_saw():
    run = demo("--rate", "96000")
    assert run.returncode == 0, run.stdout
    assert run.stdout.count("equals what was sent") == 2
    assert "Floor of two SMTP deliveries" in run.stdout
    assert "100 %  delivered by SMTP" in run.stdout


def test_demo_fails_when_nothing_gets_through():
    run = demo("--rate", "96000", "--loss", "1", "--timeout", "3")
    assert run.returncode == 1
    assert "The demo failed" in run.stdout
