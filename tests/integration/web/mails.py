"""E-mail in tests of pages: what was queued is sent by the worker's own task, in this process."""

import base64
import json
from dataclasses import dataclass
from typing import Any

from django.core import mail
from redis import Redis

SITE = "https://energy.example"


@dataclass(frozen=True)
class Mails:
    """The queue of a site that sends e-mail, and what came of it."""

    redis: "Redis[bytes]"

    def read_queue(self) -> list[dict[str, Any]]:
        """The arguments of the tasks that wait, the oldest first."""
        texts = [json.loads(text) for text in reversed(self.redis.lrange("maintenance", 0, -1))]
        return [json.loads(base64.b64decode(text["body"]))[1] for text in texts]

    def deliver(self) -> list[mail.EmailMessage]:
        """Run those tasks; the e-mails that they sent."""
        from workers.maintenance import send_mail

        waiting = self.read_queue()
        self.redis.delete("maintenance")
        before = len(mail.outbox)
        for given in waiting:
            send_mail(**given)
        return mail.outbox[before:]
