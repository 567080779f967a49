"""Who changed what, from what to what: django-auditlog records it, whatever page or command did."""
