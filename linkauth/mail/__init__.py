"""Mails to people: the outbox of the storage is rendered by the theme and sent by SMTP, or written to a folder."""
