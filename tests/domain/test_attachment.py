import pytest

from referral.domain.attachment import AttachmentRules, is_media_type
from referral.domain.errors import BrokenRule, TooLarge, WrongMediaType

RULES = AttachmentRules(10, frozenset({"text/plain"}))


@pytest.mark.parametrize(
    "text", ["text/plain", "TEXT/Plain", "text/plain; charset=utf-8", 'text/plain;name="a b.txt"; x=1']
)
def test_a_media_type_may_have_parameters(text: str) -> None:
    RULES.check_media_type(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "text",
        "text/",
        "text/html",
        "text/plain\n",
        "text/plain; a=b\r\nX: y",
        "text/plain,text/html",
        "*/*",
    ],
)
def test_another_media_type_is_refused(text: str) -> None:
    with pytest.raises(WrongMediaType, match="text/plain"):
        RULES.check_media_type(text)


def test_an_attachment_is_neither_empty_nor_too_large() -> None:
    RULES.check_size(1)
    RULES.check_size(10)
    with pytest.raises(TooLarge):
        RULES.check_size(11)
    with pytest.raises(BrokenRule):
        RULES.check_size(0)


def test_media_types_are_listed_without_parameters() -> None:
    assert is_media_type("image/png")
    assert not is_media_type("text/plain; charset=utf-8")
    assert not is_media_type("png")
