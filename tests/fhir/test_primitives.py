"""Forms of primitive types: what the regular expressions of R4 allow, and the calendar."""

import pytest

from referral.fhir.content import RawNumber
from referral.fhir.primitives import CHECKS, MAX_STRING


def div(inner: str) -> str:
    return f'<div xmlns="http://www.w3.org/1999/xhtml">{inner}</div>'


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("boolean", False),
        ("integer", -(2**31)),
        ("unsignedInt", 0),
        ("positiveInt", 1),
        ("decimal", 3),
        ("decimal", RawNumber("3.00")),
        ("string", " a\tb\n"),
        ("code", "a b"),
        ("id", "-"),
        ("uri", "urn:oid:1.2"),
        ("oid", "urn:oid:2.16.840.1"),
        ("uuid", "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"),
        ("date", "2024-02-29"),
        ("date", "1900"),
        ("dateTime", "2026-01"),
        ("dateTime", "2026-01-02T23:59:60.123456789+14:00"),
        ("instant", "2026-01-02T00:00:00-00:00"),
        ("time", "23:59:00.5"),
        ("base64Binary", "QUJD\nREVG"),
        ("xhtml", div("<p class='a'>An<br/></p>")),
        ("xhtml", div("<img src='#photo' alt=''/>")),
        ("xhtml", div("<a href='https://hospital.example/'>here</a><!-- a remark -->")),
    ],
)
def test_allowed(kind: str, value: object) -> None:
    assert CHECKS[kind](value) is None


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("boolean", 0),
        ("integer", 2**31),
        ("integer", RawNumber("1.0")),
        ("integer", False),
        ("unsignedInt", -1),
        ("positiveInt", 0),
        ("decimal", "3"),
        ("decimal", 3.0),
        ("string", "x" * (MAX_STRING + 1)),
        ("string", "\u00a0"),
        ("markdown", ""),
        ("code", "a\tb"),
        ("uri", ""),
        ("oid", "urn:oid:3.1"),
        ("uuid", "c757873d-ec9a-4326-a141-556f43239520"),
        ("date", "0000"),
        ("date", "2023-02-29"),
        ("date", "2023-2-2"),
        ("date", "٢٠٢٦"),
        ("dateTime", "2026-01-02T00:00:00+15:00"),
        ("dateTime", "2026-01-02 00:00:00Z"),
        ("dateTime", ["2026"]),
        ("instant", "2026-02-30T00:00:00Z"),
        ("time", "24:00:00"),
        ("base64Binary", ""),
        ("base64Binary", "QUJ"),
        ("base64Binary", "é"),
        ("base64Binary", {}),
        ("xhtml", ""),
        ("xhtml", 1),
        ("xhtml", div("")),
        ("xhtml", div(" <p/> ")),
        ("xhtml", div("<p>An")),
        ("xhtml", div("&nbsp;")),
        ("xhtml", div("An") + "An"),
        ("xhtml", "<p xmlns='http://www.w3.org/1999/xhtml'>An</p>"),
        ("xhtml", div("An<script>alert(1)</script>")),
        ("xhtml", div("An<FORM/>")),
        ("xhtml", div("An<DIV/>")),
        ("xhtml", div("An<iframe src='https://elsewhere.example'/>")),
        ("xhtml", div("An<style>p {}</style>")),
        ("xhtml", div("An<video/>")),
        ("xhtml", div("An<svg xmlns='http://www.w3.org/2000/svg'><a/></svg>")),
        ("xhtml", div("<p onclick='a()'>An</p>")),
        ("xhtml", div("<a href='java&#10;script:a()'>An</a>")),
        ("xhtml", "<!DOCTYPE div [<!ENTITY a 'An'>]>" + div("&a;")),
    ],
)
def test_refused(kind: str, value: object) -> None:
    assert CHECKS[kind](value)
