"""How the webhook signs, and which settings it refuses without printing them."""

import pytest

from steps.run.exits import Misconfigured
from steps.run.settings import Webhook
from steps.watch.webhook import Sender, _key, sign

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 -- the one of standardwebhooks.com's own example


def test_sign__is_that_of_the_standards_own_example() -> None:
    signed = sign(_key(SECRET), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    ("url", "secret", "named"),
    [
        ("https://alarm.bank/x", "", "FEEDFALL_WEBHOOK_SECRET"),
        ("https://alarm.bank/x", "sesame-open", "FEEDFALL_WEBHOOK_SECRET"),  # no base64
        ("https://alarm.bank/x", "c2VzYW1l", "FEEDFALL_WEBHOOK_SECRET"),  # too short
        ("alarm.bank/x-token", SECRET, "FEEDFALL_WEBHOOK_URL"),
        ("ftp://alarm.bank/x-token", SECRET, "FEEDFALL_WEBHOOK_URL"),
        ("https://", SECRET, "FEEDFALL_WEBHOOK_URL"),
    ],
)
def test_sender__refuses_what_cannot_work_and_prints_neither(url: str, secret: str, named: str) -> None:
    with pytest.raises(Misconfigured, match=named) as refused:
        Sender(Webhook(url, secret))
    assert not secret or secret not in str(refused.value)
    assert url not in str(refused.value).replace("https://alarm.bank/feedfall", "")
    assert "sesame" not in repr(Webhook("https://sesame", "sesame"))
