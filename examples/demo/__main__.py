"""Tells the story. The first step that is not as it should be ends it with an error."""

from __future__ import annotations

import contextlib
import io
import json
import sys
import time
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import openai
import requests

from demo.serving import Counter, Webhook, serving
from demo.spender import together
from enclava_keys import ManualClock
from enclava_keys.console import admin_token
from gateway.app import API, build
from gateway.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SNIPPETS = Path(__file__).with_name("snippets")
KEYS = "/api-internal/v1/api-keys"
PATIENCE = 10


class Story:
    """The gateway, its clock, and what the chapters know."""

    def __init__(self, base: str, requests_seen: Callable[[], int], jwt_secret: str) -> None:
        """Begin at `base`."""
        self.base = base
        self.requests_seen = requests_seen
        self.jwt = admin_token(jwt_secret)
        self.admin = {"Authorization": f"Bearer {self.jwt}"}
        self.names: dict[str, Any] = {}

    def snippet(self, name: str, secret: str = "") -> str:
        """Run a snippet of the documentation as it stands; answer with what it printed."""
        text = (SNIPPETS / f"{name}.py").read_text()
        for line in text.splitlines():
            print(f"  | {line}")
        for placeholder, real in [
            ("http://localhost", self.base),
            ("YOUR_JWT_TOKEN", self.jwt),
            ("en_xxxxxxxxxxxxxxx", secret),
        ]:
            text = text.replace(placeholder, real)
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(text, f"{name}.py", "exec"), self.names)  # noqa: S102 - it is our own
        printed = out.getvalue()
        for line in printed.splitlines():
            print(f"  {line}")
        return printed

    def manage(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Ask the console's API."""
        url = f"{self.base}{KEYS}{path}"
        answer = requests.request(method, url, headers=self.admin, json=body, timeout=PATIENCE)
        check(answer.ok, f"{method} {path} is answered well", answer.text)
        told: dict[str, Any] = json.loads(answer.text or "{}", parse_float=Decimal)
        return told

    def used(self, key_id: str) -> Decimal:
        """Tell what a key has spent today, when nothing of it is in flight."""
        deadline = time.monotonic() + PATIENCE
        while True:
            today = self.manage("GET", f"/{key_id}/usage")["daily_spend"]
            if Decimal(today["held"]) == 0:
                return Decimal(today["used"])
            # A client that streams leaves at the last event, a moment before the stream has ended.
            check(time.monotonic() < deadline, "nothing is held", today)
            time.sleep(0.01)

    def client(self, secret: str) -> openai.OpenAI:
        """Make the client that people use."""
        return openai.OpenAI(base_url=f"{self.base}{API}", api_key=secret)


def check(holds: object, what: str, seen: object = "") -> None:
    """End the story unless this holds."""
    if not holds:
        sys.exit(f"\nFAILED: {what}\n{seen}")


def chapter(title: str) -> None:
    """Begin a chapter."""
    print(f"\n== {title}")


def show(told: object) -> None:
    """Show a body."""
    for line in json.dumps(told, indent=2, ensure_ascii=False, default=str).splitlines():
        print(f"  {line}")


def the_documentation(story: Story) -> str:
    """Run the documentation's own snippets: make a key, see that it works, call a model."""
    chapter("Create a key, as the documentation does")
    story.snippet("create_key")
    secret: str = story.names["api_key"]
    check(len(secret) == len("en_") + 32 and secret.startswith("en_"), "a key is en_ and 32 characters")
    show(story.names["response"].json())
    [listed] = story.manage("GET", "")["keys"]
    check(secret not in json.dumps(listed, default=str), "the key is shown once and never again", listed)

    chapter("Verify that it works")
    printed = story.snippet("verify_key", secret)
    check("Available models: ['gpt-3.5-turbo', 'gpt-4']" in printed, "its models are listed", printed)

    chapter("Call a model")
    check("Test" in story.snippet("use_model", secret), "the model answers")
    told = story.names["response"].json()
    show(told)
    read, written = told["usage"]["prompt_tokens"], told["usage"]["completion_tokens"]
    cost = (read * Decimal("0.03") + written * Decimal("0.06")) / 1000
    check(story.used(listed["id"]) == cost, f"exactly ${cost} is charged")
    print(f"  charged: ${cost}")
    return secret


def the_client(story: Story, secret: str) -> None:
    """Do the same through the client that people use."""
    chapter("The same with the openai client, whole and streamed")
    client = story.client(secret)
    ask: Any = {"model": "gpt-4", "messages": [{"role": "user", "content": "Count to 5"}], "max_tokens": 50}
    [key] = story.manage("GET", "")["keys"]
    before = story.used(key["id"])
    whole = client.chat.completions.create(**ask)
    once = story.used(key["id"]) - before
    streamed = ""
    for chunk in client.chat.completions.create(**ask, stream=True):
        check(chunk.usage is None and chunk.choices, "nobody sees a chunk that was not asked for", chunk)
        streamed += chunk.choices[0].delta.content or ""
    twice = story.used(key["id"]) - before
    print(f"  whole:    {whole.choices[0].message.content}  (${once})")
    print(f"  streamed: {streamed}  (${twice - once})")
    check(streamed == whole.choices[0].message.content == "1 2 3 4 5", "both say the same")
    check(twice == 2 * once > 0, "both cost the same")
    check([model.id for model in client.models.list()] == ["gpt-3.5-turbo", "gpt-4"], "models are listed")

    chapter("A model that the key may not use")
    refused = denied(story, openai.PermissionDeniedError, lambda: client.chat.completions.create(
        model="gpt-4o", messages=ask["messages"]
    ))  # fmt: skip
    check(refused["message"].startswith("Model not allowed"), "it says so", refused)


def the_budget(story: Story, webhook: Webhook, clock: ManualClock) -> None:
    """Spend a budget: an alert on the way, a refusal at the end, and a new day."""
    chapter("A key with twenty cents a day and an alert at 80 %")
    fields = {"name": "test-script-automation", "daily_spend_limit": 0.20, "alert_threshold": 0.8}
    made = story.manage("POST", "", fields)
    client = story.client(made["api_key"])

    def count() -> openai.types.chat.ChatCompletion:
        messages: Any = [{"role": "user", "content": "Count to 500"}]
        return client.chat.completions.create(model="gpt-4", messages=messages, max_tokens=500)

    for _ in range(6):
        count()
        print(f"  spent: ${story.used(made['id'])}")

    chapter("The alert")
    deadline = time.monotonic() + PATIENCE
    while not webhook.told and time.monotonic() < deadline:
        time.sleep(0.01)
    check(len(webhook.told) == 1, "one alert was posted", webhook.told)
    check("80 % of daily_spend reached" in webhook.told[0]["text"], "it says what for", webhook.told)
    show(webhook.told[0])

    chapter("The budget is spent: refused, by exactly one request")
    before = story.requests_seen()
    refused = denied(story, openai.RateLimitError, lambda: [count() for _ in range(2)])
    check(refused["code"] == "insufficient_quota", "it is the quota", refused)
    check(story.requests_seen() - before == 1, "the client does not try again")
    check(story.used(made["id"]) <= Decimal("0.20"), "not a cent more was spent")

    chapter("The next day")
    clock.advance(24 * 3600)
    count()
    print(f"  spent: ${story.used(made['id'])}")

    chapter("Revoked")
    story.manage("POST", f"/{made['id']}/revoke")
    refused = denied(story, openai.AuthenticationError, count)
    check(refused["code"] == "invalid_api_key", "it says so", refused)
    check(len(webhook.told) == 1, "no alert was told twice", webhook.told)


def a_restart(story: Story, before: list[dict[str, Any]], secret: str) -> None:
    """See that the gateway that was started again knows its keys and what they spent."""
    after = keys_and_usage(story)
    check(after == before, "the same keys, and not a cent forgotten", after)
    for key in after:
        print(f"  {key['name']}: {key['state']}, ${key['monthly_spend']} this month")
    answer = story.client(secret).chat.completions.create(
        model="gpt-4", messages=[{"role": "user", "content": "Count to 3"}], max_tokens=50
    )
    print(f"  the first key still works: {answer.choices[0].message.content}")


def keys_and_usage(story: Story) -> list[dict[str, Any]]:
    """Tell what has to outlive a gateway."""
    return [
        {
            "name": key["name"],
            "state": key["state"],
            "monthly_spend": story.manage("GET", f"/{key['id']}/usage")["monthly_spend"]["used"],
        }
        for key in story.manage("GET", "")["keys"]
    ]


def two_processes(story: Story, store: str, now: str) -> None:
    """Let two more processes spend one budget at once, as fast as they can."""
    chapter("Two processes, one budget")
    limit, cost = Decimal("0.50"), Decimal("0.0017")
    made = story.manage("POST", "", {"name": "shared-by-two", "daily_spend_limit": str(limit)})
    print(f"  ${limit} a day, ${cost} a call; nobody tells the processes of each other")
    admitted = together(2, store, now, made["api_key"], str(cost))
    for number, calls in enumerate(admitted, start=1):
        print(f"  process {number}: {calls} calls admitted")
    fit = int(limit / cost)
    check(sum(admitted) == fit, f"exactly the {fit} calls that fit are admitted", admitted)
    spent = story.used(made["id"])
    check(spent == fit * cost, "and the gateway sees it", spent)
    print(f"  together {fit}, which is all that fits: ${spent} spent, and one call more would pass the limit")


def denied(story: Story, kind: type[openai.APIStatusError], call: Callable[[], object]) -> dict[str, Any]:
    """Show the refusal of `call`, which its client has to raise as `kind`."""
    before = story.requests_seen()
    try:
        call()
    except openai.APIStatusError as error:
        check(type(error) is kind, f"the client raises {kind.__name__}", repr(error))
        check(story.requests_seen() - before == 1, "one request was made")
        print(f"  {error.status_code} {type(error).__name__}")
        for name in ("x-should-retry", "retry-after"):
            if name in error.response.headers:
                print(f"  {name}: {error.response.headers[name]}")
        body: dict[str, Any] = error.response.json()
        show(body)
        told: dict[str, Any] = body["error"]
        return told
    sys.exit("\nFAILED: the call was not refused")


@contextlib.contextmanager
def story_at(settings: Settings, clock: ManualClock) -> Iterator[Story]:
    """Serve a gateway; the story that goes on there."""
    app = Counter(build(settings, clock))
    with serving(app) as base:
        print(f"The gateway is at {base}")
        yield Story(base, lambda: app.requests, settings.jwt_secret)


def main() -> None:
    """Tell it."""
    clock = ManualClock("2026-11-23T12:00:00Z")
    webhook = Webhook()
    with TemporaryDirectory() as directory, webhook.open() as heard:
        store = f"sqlite:///{directory}/enclava.db"
        settings = Settings(store=store, alert_webhook=heard, floor=None)
        with story_at(settings, clock) as story:
            secret = the_documentation(story)
            the_client(story, secret)
            the_budget(story, webhook, clock)
            before = keys_and_usage(story)
        chapter("The gateway stops, and starts again")
        with story_at(settings, clock) as story:
            a_restart(story, before, secret)
            two_processes(story, store, clock.now.isoformat())
        check(len(webhook.told) == 1, "the restart told no alert again", webhook.told)
    print("\nEvery step was as it should be.")


if __name__ == "__main__":
    main()
