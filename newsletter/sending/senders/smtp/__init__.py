"""Delivers through a mail server by SMTP: pooled connections, pipelined, and exact about what became of each message.

`sender.py` has the pool, `opening.py` makes a connection ready, `connection.py` brings one message over it.
"""

from newsletter.sending.senders.smtp.connection import Timeouts
from newsletter.sending.senders.smtp.opening import Login, MailServer
from newsletter.sending.senders.smtp.sender import SmtpSender

__all__ = ["Login", "MailServer", "SmtpSender", "Timeouts"]
