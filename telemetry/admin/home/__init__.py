"""The admin's home: are all messages accounted for, what needs a person, and six figures."""
