"""Outcomes of messages and readings, counted for the ledger row of a batch."""

from msgspec import Struct


class Counts(Struct):
    """The counts of a batch, as the ledger has them.

    messages = stored + duplicate + rejected, readings = stored + duplicate + rejected; a message
    counts as stored if at least one of its readings was, else as duplicate if at least one was,
    else as rejected. `dead_letters` are messages rejected whole plus readings rejected.
    """

    messages: int = 0
    messages_stored: int = 0
    messages_duplicate: int = 0
    messages_rejected: int = 0
    readings: int = 0
    readings_stored: int = 0
    readings_duplicate: int = 0
    readings_rejected: int = 0
    dead_letters: int = 0

    def add_stored(self, *, messages: int, readings: int) -> None:
        """Enter messages of which every reading was stored."""
        self.messages += messages
        self.messages_stored += messages
        self.readings += readings
        self.readings_stored += readings

    def add_message(self, *, stored: int, duplicate: int, rejected: int, is_whole: bool) -> None:
        """Enter one message. `is_whole`: it was rejected whole, so it has no readings."""
        self.messages += 1
        if stored:
            self.messages_stored += 1
        elif duplicate:
            self.messages_duplicate += 1
        else:
            self.messages_rejected += 1
        if is_whole:
            self.dead_letters += 1
            return
        self.readings += stored + duplicate + rejected
        self.readings_stored += stored
        self.readings_duplicate += duplicate
        self.readings_rejected += rejected
        self.dead_letters += rejected
