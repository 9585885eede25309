"""A letter to one reader into the outbox, once an occasion."""

from __future__ import annotations

from sqlalchemy.orm import Session

from trials.mail import outbox
from trials.mail.subscriptions import Reader
from trials.settings import Settings
from web.mail import writing
from web.mail.compose import Envelope
from web.mail.letters import Letter
from web.mail.links import Links


def put(
    session: Session, found: Settings, letter: Letter, reader: Reader, *, occasion: str,
    about: str = "",
) -> bool:  # fmt: skip
    """Put a letter in the outbox; ``False`` where this reader has had one of this occasion.

    ``about`` is the key of the one trial that it is about, if it is; its link stops that alone.
    """
    number = outbox.new_message_id(found.mail.domain)
    links = Links(found.base_url, found.secret_key)
    stop = links.stop(reader.subscription, about or reader.only)
    envelope = Envelope(to=reader.email, sender=found.mail.sender, message_id=number,
                        organisation=found.organisation, unsubscribe=stop)  # fmt: skip
    told = [line.told for line in (*letter.trials, *letter.quiet)]
    added = outbox.put(session, outbox.Letter(
        occasion=occasion, kind=letter.kind, recipient=reader.email, subject=letter.subject,
        message=writing.mail(letter, envelope, stop=stop), message_id=number, news=letter.news,
        basis={one.key: one.run for one in told if one.run is not None},
        subscription=reader.subscription,
    ))  # fmt: skip
    return added is not None
