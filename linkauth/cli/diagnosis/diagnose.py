"""Says of an attempt to link: the last step that it reached, what that means, and what to correct. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from linkauth.cli.diagnosis.attempts import Attempt, LinkFacts
from linkauth.cli.diagnosis.cases import Case, Correction, Facts, filled
from linkauth.cli.diagnosis.request_cases import REQUEST_CASES
from linkauth.cli.diagnosis.sign_in_cases import SIGN_IN_CASES
from linkauth.cli.diagnosis.stage_cases import STAGE_CASES
from linkauth.cli.diagnosis.token_cases import TOKEN_CASES
from linkauth.events.steps import Step

RECENT_SECONDS = 120
"""An attempt whose last step is not older may still go on."""
TOKEN_REQUEST_SECONDS = 120
"""How long after a redirect the requests of its client may belong to it. A code is valid for 60 seconds."""

PROGRESS = {
    "authorization.opened": ("opened", 1),
    "challenge.started": ("code_mailed", 2),
    "provider.started": ("at_provider", 2),
    "provider.confirmation_asked": ("confirming", 3),
    "sign_in.succeeded": ("signed_in", 3),
    "second_factor.asked": ("second_factor", 4),
    "link.created": ("redirected", 5),
    "code.exchanged": ("tokens_issued", 6),
}
"""The stage that a step reaches, and its rank."""
TABLES = {
    "authorization.refused": REQUEST_CASES,
    "token.refused": TOKEN_CASES,
    "client.refused": TOKEN_CASES,
}
"""The tables of cases by the step. Those of all other steps are SIGN_IN_CASES."""
OF_CLIENT = {"client.refused", "token.refused", "request.failed"}
"""What may go wrong after the link. A sign-in that is refused then is that of an old page."""
CREATED = 5
"""The rank of a link."""
CAUSES_OF_END = {"refresh token used twice": "refresh_reused", "code used twice": "code_used"}
"""The causes of reasons with which `linkauth.oauth2.tokens` ends a link."""
_REACHED = {
    "": "no page was shown",
    "opened": "the login page was shown",
    "code_mailed": "a code was mailed",
    "at_provider": "sent to the sign-in provider",
    "confirming": "signed in at the provider, not confirmed",
    "signed_in": "signed in",
    "second_factor": "asked for the second step",
    "redirected_with_code": "sent back with a code",
    "redirected_with_token": "sent back with a token",
    "tokens_issued": "the code was exchanged for tokens",
    "used": "the skill has used the token",
    "expired": "the skill has used the token",
    "ended": "the link has ended",
}


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What an attempt means. `reached` is the last stage and `cause` is what was wrong, codes for scripts.

    `is_well` is true if nothing need be corrected, and `is_recent` if the attempt may still go on.
    """

    reached: str
    reached_text: str
    cause: str
    meaning: str
    corrections: tuple[Correction, ...]
    is_well: bool = False
    is_recent: bool = False


def diagnose(attempt: Attempt, facts: Facts, now: int, of_client: Sequence[Step] = ()) -> Diagnosis:
    """Return the diagnosis of an attempt at `now`, in seconds since 1970.

    `of_client` are refused requests of its client that belong to no attempt: a client with a wrong secret does not say
    for which code it asks.
    """
    stage, problem = _progress(attempt.steps)
    stage = _stage_of_link(stage, attempt.link, now)
    link = attempt.link
    if problem is None and stage == "redirected_with_code":
        problem = _of_client(attempt.steps, of_client)
    if problem is not None and _is_over(problem, link):
        problem = None
    if problem is not None:
        problem = _with_reason_of_end(problem, link)
        found = _case_of(problem)
        cause, facts = problem.cause, _with(facts, problem)
    else:
        found, cause = STAGE_CASES[stage or "opened"], ""
        facts = _with(facts, _step_of(attempt.steps))
        if stage == "ended" and link is not None:
            facts = Facts({**facts, "detail": link.end_reason or "no reason is stored"})
    meaning, corrections = filled(found, facts)
    last = max(step.at for step in attempt.steps)
    is_well = problem is None and stage == "used"
    return Diagnosis(
        reached=stage,
        reached_text=_REACHED[stage],
        cause=cause,
        meaning=meaning,
        corrections=corrections,
        is_well=is_well or (problem is not None and problem.cause == "declined"),
        is_recent=not is_well and now - last < RECENT_SECONDS,
    )


def _progress(steps: Iterable[Step]) -> tuple[str, Step | None]:
    """Return the furthest stage, and the last step that was refused, unless a further stage came after it."""
    stage, rank, problem = "", 0, None
    for step in steps:
        if step.step in PROGRESS:
            name, reached = PROGRESS[step.step]
            # the same page opened again does not solve a problem, and a second sign-in does
            if reached > rank or (reached == rank and reached > 1):
                stage, rank = name, reached
                problem = None
            elif reached > 1:
                problem = None
            if name == "redirected":
                stage = f"redirected_with_{'token' if step.cause == 'implicit' else 'code'}"
        elif step.step != "link.ended" and (rank < CREATED or step.step in OF_CLIENT):
            problem = step
    return stage, problem


def _stage_of_link(stage: str, link: LinkFacts | None, now: int) -> str:
    """Return the stage, as far as the database knows more than the journal."""
    if link is None:
        return stage
    if link.ended_at is not None:
        return "ended"
    if link.token_issued_at is None:
        return stage or "redirected_with_code"
    expires_at = link.token_expires_at
    if link.grant == "implicit" and expires_at is not None and expires_at <= now:
        return "expired"
    if link.first_used_at is not None:
        return "used"
    return "redirected_with_token" if link.grant == "implicit" else "tokens_issued"


def _of_client(steps: Sequence[Step], of_client: Iterable[Step]) -> Step | None:
    """Return the last refused request of the client after the redirect of an attempt, or None."""
    redirected_at = max(step.at for step in steps if step.step == "link.created")
    window = [step for step in of_client if 0 <= step.at - redirected_at <= TOKEN_REQUEST_SECONDS]
    return window[-1] if window else None


def _is_over(problem: Step, link: LinkFacts | None) -> bool:
    """Report whether a refused token request does not matter any more, because the link is used after it."""
    if problem.step not in OF_CLIENT or link is None or link.ended_at is not None:
        return False
    times = [at for at in (link.last_used_at, link.newest_token_at) if at is not None]
    return any(at > problem.at for at in times)


def _with_reason_of_end(problem: Step, link: LinkFacts | None) -> Step:
    """Return the problem with the cause for which the link of a token has ended, if that is known."""
    if problem.cause != "link_ended" or link is None:
        return problem
    reason = link.end_reason or ""
    return replace(problem, cause=CAUSES_OF_END.get(reason, problem.cause), detail=reason or problem.detail)


def _case_of(problem: Step) -> Case:
    table = TABLES.get(problem.step, SIGN_IN_CASES)
    return table.get(problem.cause) or STAGE_CASES["unknown_problem"]


def _step_of(steps: Sequence[Step]) -> Step:
    """Return the last step that tells the source of a stage."""
    return next((step for step in reversed(steps) if step.source), steps[-1])


def _with(facts: Facts, step: Step) -> Facts:
    return Facts({**facts, "source": step.source or "the backend", "detail": step.detail or "the log has the details"})
