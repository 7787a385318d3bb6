"""What each viewer may do with a referral in each of its states, written by hand from the design.

The words stand for sender, receiver, next, office, journey sender and stranger, in this order:

ok             it is done
same           200, and nothing is written, for it asks for what is so already
403, 405, 409, 422  refused, with a reason
-              answered as if it were not there
"""

from tests.api.scenes import FACILITIES

Table = dict[str, dict[str, str]]

DRAFT = {
    "submit": "ok - - - - -",
    "amend": "ok - - - - -",
    "reword": "ok - - - - -",
    "cancel": "409 - - - - -",
    "mark-error": "ok - - - - -",
    "offer": "409 - - - - -",
    "continue": "ok - - - - -",
    "tell": "ok - - - - -",
}
UNPLACED = {
    "amend": "ok - - 403 403 -",
    "reword": "422 - - 403 403 -",
    "cancel": "ok - - ok 403 -",
    "mark-error": "ok - - 409 403 -",
    "offer": "ok - - ok 403 -",
    "continue": "ok - - 422 422 -",
    "tell": "ok - - ok ok -",
}
OFFERED = {
    "amend": "ok 403 - 403 403 -",
    "reword": "422 403 - 403 403 -",
    "cancel": "ok 403 - ok 403 -",
    "mark-error": "ok 403 - 409 403 -",
    # Another facility has the open offer.
    "offer": "409 403 - 409 403 -",
    "continue": "ok ok - 422 422 -",
    "tell": "ok ok - ok ok -",
}
# It waits for a place again.
REJECTED = OFFERED | {"offer": "ok 403 - ok 403 -", "continue": "ok 422 - 422 422 -"}
PASSED_ON = {
    "amend": "ok 403 403 403 403 -",
    "reword": "422 403 403 403 403 -",
    "cancel": "ok 403 403 ok 403 -",
    "mark-error": "ok 403 403 409 403 -",
    # That facility has the offer, and it is the answer.
    "offer": "same 403 403 same 403 -",
    "continue": "ok 422 ok 422 422 -",
    "tell": "ok ok ok ok ok -",
}
IN_CARE = OFFERED | {"cancel": "409 403 - 409 403 -", "mark-error": "409 403 - ok 403 -"}

REFERRAL: Table = {
    "draft": DRAFT,
    "unplaced": UNPLACED,
    "offered": OFFERED,
    "accepted": OFFERED,
    "rejected": REJECTED,
    "withdrawn": REJECTED,
    # What it says is fixed: also the reason for which it was cancelled.
    "cancelled": IN_CARE
    | {
        "amend": "409 403 - 403 403 -",
        "cancel": "409 403 - 403 403 -",
        "continue": "ok 422 - 422 422 -",
    },
    "in error": {
        "amend": "409 - - 403 403 -",
        "reword": "422 - - 403 403 -",
        "cancel": "409 - - 409 403 -",
        "mark-error": "409 - - 403 403 -",
        "offer": "409 - - 409 403 -",
        "continue": "ok - - 422 422 -",
        "tell": "ok - - ok ok -",
    },
    "rejected and offered to the next": PASSED_ON,
    "referred onward": PASSED_ON,
    "arrived": IN_CARE,
    "completed": IN_CARE,
    "closed": IN_CARE | {"amend": "409 403 - 403 403 -", "mark-error": "409 403 - 409 403 -"},
}
"""What is done to the request. amend: a note; reword: what was asked for; offer: a Task to the next;
continue: another referral based on it; tell: a Communication about it.
"""

REQUESTED = {
    "receiver": "note acknowledge ask accept reject refer-onward arrive",
    # Patients leave before anybody has answered.
    "sender": "note depart withdraw mark-error",
    "office": "note refer-onward withdraw",
}
REQUESTED_OF_NEXT = {
    "next": REQUESTED["receiver"],
    "sender": REQUESTED["sender"],
    "office": REQUESTED["office"],
}
ENDED = {"office": "mark-error"}

OFFER: dict[str, dict[str, tuple[str, dict[str, str]]]] = {
    "offered": {"offer": ("", REQUESTED)},
    "accepted": {
        "offer": (
            "accept",
            {
                "receiver": "note ask schedule miss reject refer-onward arrive complete",
                "sender": "note depart withdraw mark-error",
                "office": "note refer-onward withdraw",
            },
        )
    },
    "rejected": {"offer": ("reject", ENDED)},
    "withdrawn": {"offer": ("withdraw", ENDED)},
    "cancelled": {"offer": ("withdraw", ENDED)},
    "in error": {"offer": ("mark-error", {})},
    "rejected and offered to the next": {"offer": ("reject", ENDED), "next offer": ("", REQUESTED_OF_NEXT)},
    "referred onward": {"offer": ("refer-onward", ENDED), "next offer": ("", REQUESTED_OF_NEXT)},
    "arrived": {
        "offer": ("arrive", {"receiver": "note ask complete", "sender": "note", "office": "note mark-error"})
    },
    "completed": {"offer": ("complete", {"sender": "close", "office": "mark-error"})},
    "closed": {"offer": ("close", {})},
}
"""For each offer the move that made it what it is, which asks for nothing, and the moves of each party.

Every other move is 409 to a party. Where nobody adds a note, the offer has ended and stays as it is.
"""
WAITS = "422 ok ok - ok ok"
CLAIM = dict.fromkeys(REFERRAL, WAITS) | {
    "draft": "- - - - - -",
    "in error": "- - - - - -",
    # It is there already.
    "arrived": "422 same 409 - 409 409",
    "completed": "422 409 409 - 409 409",
    "closed": "422 409 409 - 409 409",
}
"""Who takes the patient in by number and birth date: any member of the network, whatever it sees."""
CLAIMED = {state for state, line in CLAIM.items() if line == WAITS}
MEMBERS = {"receiver", "next", "journey sender"}
"""Besides the sender; the office is no facility of care."""
PARTIES = {"offer": {"sender", "receiver", "office"}, "next offer": {"sender", "next", "office"}}
"""Who moves it; others who see it are refused with 403."""

AUTHOR = {
    "patient": "sender",
    "package": "sender",
    "part": "sender",
    "other": "sender",
    "words": "sender",
    "reply": "receiver",
    "summary": "receiver",
    "result": "receiver",
}
"""Who changes what is no request and no offer; others who see it are refused with 403."""

DELETED = {
    "request": "405",
    "offer": "405",
    "next offer": "405",
    # The referral names these, or they were told of it.
    "patient": "409",
    "package": "409",
    "part": "409",
    "words": "409",
    "reply": "409",
    "summary": "409",
    "other": "ok",
    "result": "ok",
}
"""How a delete is answered: referral and offers to all who see them, the others to their author.

Others who see those are refused with 403.
"""

DECLINED = {"rejected", "rejected and offered to the next", "referred onward"}
"""Where the receiver has said no, and is told as ruled out to whom may see the request."""

POINTS_AT = {
    "request": {"patient", "first"},
    "offer": {"request", "patient"},
    "package": {"patient", "part"},
    "part": {"patient"},
    "other": {"patient"},
    "words": {"request"},
    "reply": {"request", "offer"},
    "summary": {"patient"},
    "result": {"patient"},
    "next offer": {"request", "patient"},
}
"""What comes along by a search parameter. first: the referral that was before this one."""
SEES_FIRST = {"sender", "office", "journey sender"}


def row(text: str) -> dict[str, str]:
    """A row of a table by viewer."""
    return dict(zip(FACILITIES, text.split(), strict=True))


def points_at(name: str, target: str) -> bool:
    """Whether a reference that is searched by leads from one to the other."""
    return target in POINTS_AT.get(name, ())
