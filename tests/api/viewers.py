"""The viewers of the scenes: how they are answered, and that nothing has changed by it."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from uuid import uuid4

import asyncpg

from tests.api.attempt import VALIDATE, VALIDATE_STORED, Attempt
from tests.api.changes import NUMBERS
from tests.api.line import Answer, Line
from tests.api.scenes import FACILITIES, TYPES, Scene
from tests.factories import patient
from tests.owner import behind_the_wall
from tests.running_service import RunningService

_UNDO = """
CREATE FUNCTION undo_for_a_test() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  -- A constraint that nothing breaks that is sent over FHIR.
  RAISE EXCEPTION 'undone' USING ERRCODE = '23505', CONSTRAINT = 'client_pkey';
END $$;
CREATE CONSTRAINT TRIGGER undo_for_a_test AFTER INSERT ON audit DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
  WHEN (NEW.action IN ('create', 'update', 'delete') AND NEW.version IS NOT NULL
    AND NEW.outcome = 200 AND NEW.request_id LIKE 'undone-%')
  EXECUTE FUNCTION undo_for_a_test();
"""
_NO_LONGER = "DROP TRIGGER undo_for_a_test ON audit; DROP FUNCTION undo_for_a_test();"
_UNDONE = "A client with this id is there already."

_STANDS = """
SELECT (SELECT max(seq) FROM change), (SELECT max(seq) FROM event), (SELECT count(*) FROM access),
  (SELECT string_agg(a::text, ' ' ORDER BY a::text) FROM access a WHERE id = ANY ($1::text[])),
  (SELECT string_agg(d::text, ' ' ORDER BY id) FROM document d WHERE id = ANY ($1::text[])),
  (SELECT string_agg(r::text, ' ') FROM referral r WHERE id = ANY ($1::text[])),
  (SELECT string_agg(o::text, ' ' ORDER BY id) FROM offer o WHERE id = ANY ($1::text[]))
"""
_CODES = {
    403: "forbidden",
    405: "not-supported",
    409: "conflict",
    412: "multiple-matches",
    422: "business-rule",
}
_NO_HEADERS: Mapping[str, str] = {}
_Plain = tuple[int, dict[str, str], str]


@dataclass(slots=True)
class Viewers:
    """Asks as each viewer of a scene; what a viewer may not see, also about what is not there.

    All writes are undone at their commit: so one scene serves for all of them, in any order.
    """

    service: RunningService
    owner: "asyncpg.Connection[asyncpg.Record]"
    _lines: dict[str, Line] = field(default_factory=dict)
    _tokens: dict[str, str] = field(default_factory=dict)
    _invented: dict[str, str] = field(default_factory=lambda: {name: str(uuid4()) for name in TYPES})
    _nothing: dict[tuple[str, ...], _Plain] = field(default_factory=dict)
    _numbers: "count[int]" = field(default_factory=count)

    async def stands(self, scene: Scene) -> tuple[object, ...]:
        """All of a scene that could have changed, and how far all changes are."""
        return tuple(await self.owner.fetchrow(_STANDS, list(scene.ids.values())))

    async def sign_in(self, viewer: str) -> None:
        """Take a token that is good for the next minutes; the viewer has a patient of its own."""
        facility = FACILITIES[viewer]
        client, address = await self.service.system(facility), f"Patient/of-{facility}"
        if viewer not in self._lines:
            self._lines[viewer] = await Line.open(self.service.base_url)
        answer = await client.get(address)
        if answer.status_code == 404:
            answer = await client.put(address, json=patient(id=f"of-{facility}"))
        self._tokens[viewer] = answer.request.headers["Authorization"]

    async def wrong(self, scene: Scene, viewer: str, attempt: Attempt) -> str | None:
        """How the answer differs from what it should be; None where it does not."""
        answer = await self.ask(viewer, attempt.route[0], attempt.address, attempt.body, attempt.headers)
        for _ in range(200 * attempt.waits):
            if attempt.found(answer):
                break
            await asyncio.sleep(0.05)
            answer = await self.ask(viewer, attempt.route[0], attempt.address, attempt.body, attempt.headers)
        if attempt.in_batch:
            answer = _of_the_entry(answer)
        if attempt.answer == "-":
            expected = await self._of_nothing(scene, viewer, attempt)
            fault = _plain(answer, self._names(scene)) != expected or expected[0] != attempt.nothing
        else:
            expected = attempt.answer
            fault = not _is_right(scene, attempt, answer)
        if not fault:
            return None
        asked = f"{viewer}: {attempt.label} at {attempt.address}"
        return f"{asked}: expected {expected}, answered {answer.status_code} {answer.text}"

    async def _of_nothing(self, scene: Scene, viewer: str, attempt: Attempt) -> _Plain:
        """What the same request is answered when nothing is there of what it names."""
        names = self._names(scene)

        def put_aside(text: str) -> str:
            for name, value in names.items():
                text = text.replace(value, self._invented.get(name, f"nothing-{name}"))
            return text

        body = None if attempt.body is None else put_aside(attempt.body.decode())
        headers = {name: put_aside(value) for name, value in attempt.headers.items()}
        key = (viewer, attempt.route[0], put_aside(attempt.address), str(body), *headers.values())
        if key not in self._nothing:
            sent = None if body is None else body.encode()
            answer = await self.ask(viewer, attempt.route[0], put_aside(attempt.address), sent, headers)
            if attempt.in_batch:
                answer = _of_the_entry(answer)
            invented = {name: put_aside(value) for name, value in names.items()}
            self._nothing[key] = _plain(answer, invented)
        return self._nothing[key]

    def _names(self, scene: Scene) -> dict[str, str]:
        """All by which the scene can be named."""
        names = scene.ids | {"person": scene.contents["patient"]["identifier"][0]["value"]}
        for identifier in scene.contents["request"].get("identifier", ()):
            if identifier["system"] == NUMBERS:
                names["number"] = identifier["value"]
        return names

    async def ask(
        self,
        viewer: str,
        method: str,
        address: str,
        body: bytes | None = None,
        headers: Mapping[str, str] = _NO_HEADERS,
    ) -> Answer:
        """Send a request to an address below the FHIR base; what it writes is undone."""
        named = {
            "Authorization": self._tokens[viewer],
            "X-Request-ID": f"undone-{next(self._numbers)}",
            "Content-Type": "application/fhir+json",
        }
        return await self._lines[viewer].ask(method, f"/fhir{address}", body, named | dict(headers))

    def hang_up(self) -> None:
        """Close all connections."""
        for line in self._lines.values():
            line.close()


def _of_the_entry(answer: Answer) -> Answer:
    """The answer to the one entry of a batch, as if it had been asked by itself."""
    (entry,) = answer.json()["entry"]
    response = entry["response"]
    content = entry.get("resource", response.get("outcome"))
    return Answer(int(response["status"][:3]), response, json.dumps(content) if content else "")


def _is_right(scene: Scene, attempt: Attempt, answer: Answer) -> bool:
    if attempt.route in {VALIDATE, VALIDATE_STORED}:
        told = {(issue["severity"], issue["code"]) for issue in answer.json()["issue"]}
        code = "" if attempt.answer in {"ok", "same"} else _CODES[int(attempt.answer)]
        return answer.status_code == 200 and told == {
            ("error", code) if code else ("information", "informational")
        }
    match attempt.answer:
        case "ok":
            return answer.status_code == 409 and _UNDONE in answer.text
        case "same":
            return answer.status_code == 200 and answer.json() in scene.contents.values()
        case "found":
            return answer.status_code == 200 and attempt.found(answer)
        case status:
            (issue,) = answer.json()["issue"]
            refused = (answer.status_code, issue["code"]) == (int(status), _CODES[int(status)])
            return refused and issue["severity"] == "error" and bool(issue["diagnostics"])


def _plain(answer: Answer, names: dict[str, str]) -> _Plain:
    """An answer with a word in place of each name, and without what differs by the moment."""
    text = answer.text
    for name, value in names.items():
        text = text.replace(value, f"<{name}>")
    aside = {"date", "x-request-id", "content-length"}
    return (
        answer.status_code,
        {name: value for name, value in answer.headers.items() if name not in aside},
        text,
    )


@asynccontextmanager
async def viewers_of(service: RunningService) -> AsyncIterator[Viewers]:
    """The viewers, for as long as their writes are undone."""
    async with behind_the_wall(service.store) as owner:
        await owner.execute(_UNDO)
        found = Viewers(service, owner)
        try:
            yield found
        finally:
            found.hang_up()
            await owner.execute(_NO_LONGER)
