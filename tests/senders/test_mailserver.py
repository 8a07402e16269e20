"""The tests' own mail server as a process: what it says yes to is in its log, whatever becomes of the client."""

import subprocess
import sys
import time
from pathlib import Path

from newsletter.sending.senders.protocol import Verdict
from newsletter.sending.senders.smtp import MailServer, SmtpSender
from tests.frame.tree import ROOT
from tests.senders.contract import Letter, handover
from tests.senders.posting import PATIENT


def test_the_log_has_a_line_for_every_message_before_the_client_hears_of_it(tmp_path: Path) -> None:
    port, log = tmp_path / "port", tmp_path / "log"
    command = [sys.executable, "-m", "tests.senders.mailserver", "--port-file", str(port), "--log", str(log)]
    rules = ["--at", "dot=take|drop@3", "--at", "rcpt=550 5.1.1 <b@example.com> unknown@4"]
    with subprocess.Popen([*command, *rules], cwd=ROOT) as process:
        deadline = time.monotonic() + 20
        while not port.exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
        sender = SmtpSender(
            MailServer(host="127.0.0.1", port=int(port.read_text()), security="none", name="example.org"),
            timeouts=PATIENT,
        )
        verdicts = []
        for number in range(1, 5):
            letter = Letter(f"reader{number}@example.com", message_id=f"<{number}@example.org>")
            verdicts.append(sender.deliver([handover(number, letter)])[0].verdict)
            lines = log.read_text().splitlines()
            assert lines == [f"reader{n}@example.com\t<{n}@example.org>" for n in range(1, min(number, 3) + 1)]
        process.terminate()
        assert process.wait(timeout=20) == 0
        sender.close()
    assert verdicts == [Verdict.ACCEPTED, Verdict.ACCEPTED, Verdict.UNKNOWN, Verdict.REFUSED]
