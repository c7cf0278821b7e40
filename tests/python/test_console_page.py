"""The API Keys page in a real browser."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import PATIENCE, chromium
from console_server import JWT_SECRET, console, listening
from playwright.sync_api import expect
from starlette.applications import Starlette
from starlette.routing import Mount

from enclava_keys import Conflict, Gate, ManualClock
from enclava_keys.console import admin_token

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Locator, Page

SECRET = re.compile(r"^[a-z_]+_[0-9a-f]{32}$")
XSS = "<img src=x onerror=document.title='owned'><script>document.title='owned'</script>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def live() -> Gate:
    return Gate.open("memory:")


@pytest.fixture
def url(live: Gate) -> Iterator[str]:
    with listening(Starlette(routes=[Mount("/admin", console(live))])) as url:
        yield f"{url}/admin/console/"


@pytest.fixture
def visitor(browser: Browser, url: str) -> Iterator[Page]:
    """Open the page; nothing that it does may go wrong in its scripts, or leave its server."""
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: errors.append(said.text) if "Security Policy" in said.text else None)
    page.on("request", lambda sent: None if sent.url.startswith(url[:-9]) else errors.append(sent.url))
    page.goto(url)
    yield page
    context.close()
    assert errors == []


@pytest.fixture
def page(visitor: Page) -> Page:
    visitor.get_by_label("Admin token").fill(admin_token(JWT_SECRET))
    visitor.keyboard.press("Enter")
    expect(visitor.get_by_role("heading", name="API Keys", exact=True)).to_be_visible()
    return visitor


def press(page: Page | Locator, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def field(page: Page, name: str) -> Locator:
    return page.locator(f"[data-field={name}] :is(input, textarea)")


def fault(page: Page, name: str) -> Locator:
    return page.locator(f"[data-field={name}] .fault")


def fill(page: Page, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        field(page, name).fill(text)


def take_secret(page: Page) -> str:
    shown = page.locator("dialog input.secret")
    expect(shown).to_have_value(SECRET)
    secret = shown.input_value()
    press(page, "Done")
    expect(page.locator("dialog")).to_have_count(0)
    return secret


def show(page: Page, name: str) -> None:
    page.get_by_role("link", name=name, exact=True).click()
    expect(page.get_by_role("heading", name=name, exact=True, level=1)).to_be_focused()


def test_a_key_is_created_with_every_field(page: Page, live: Gate) -> None:
    page.get_by_role("button", name="Create API Key").first.click()
    dialog = page.get_by_role("dialog", name="Create API Key")
    for title in ("Basic Settings", "Model Access", "Budget Limits"):
        expect(dialog.get_by_role("group", name=title)).to_be_visible()
    dialog.get_by_text("More restrictions").click()
    page.get_by_role("button", name="prod-web-app, for: Production web app").click()
    expect(field(page, "name")).to_have_value("prod-web-app")
    fill(
        page,
        {
            "name": "Production App",
            "description": "API key for production application",
            "prefix": "acme_",
            "allowed_models": "gpt-4,gpt-3.5-turbo,, claude-*",
            "purpose": "chat",
            "daily_spend_limit": "50.00",
            "monthly_spend_limit": "1500",
            "daily_token_limit": "500000",
            "alert_threshold": "0.8",
            "denied_models": "claude-opus",
            "allowed_ips": "10.0.0.0/8, 203.0.113.7",
            "allowed_endpoints": "/v1/*",
            "not_before": "2026-01-01T00:00",
            "expires_at": "2099-01-01T00:00",
            "timezone": "Europe/Berlin",
            "tags": "web, eu",
        },
    )
    chips = page.locator("[data-field=allowed_models] .chips li")
    expect(chips).to_have_text(["gpt-4", "gpt-3.5-turbo", "claude-*"])
    press(page, "Create")
    warning = "Important: Copy the API key immediately - you won't see it again!"
    expect(page.get_by_role("dialog", name="API key created")).to_contain_text(warning)
    secret = take_secret(page)
    told = live.keys()[0].to_dict()
    wanted = {
        "name": "Production App",
        "description": "API key for production application",
        "prefix": "acme_",
        "allowed_models": ["gpt-4", "gpt-3.5-turbo", "claude-*"],
        "purpose": "chat",
        "daily_spend_limit": "50.00",
        "monthly_spend_limit": "1500.00",
        "daily_token_limit": 500000,
        "alert_threshold": 0.8,
        "denied_models": ["claude-opus"],
        "allowed_ips": ["10.0.0.0/8", "203.0.113.7"],
        "allowed_endpoints": ["/v1/*"],
        "timezone": "Europe/Berlin",
        "tags": ["web", "eu"],
    }
    assert {name: told[name] for name in wanted} == wanted
    assert live.keys()[0].expires_at == datetime(2099, 1, 1, tzinfo=UTC)
    assert live.check(secret, model="gpt-4").reason == "ip_not_allowed"


def test_a_secret_is_shown_once(page: Page, live: Gate) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Create API Key").first.click()
    fill(page, {"name": "Chatbot"})
    press(page, "Create")
    expect(page.get_by_role("button", name="Copy")).to_be_focused()
    press(page, "Copy")
    expect(page.get_by_text("Copied to the clipboard")).to_be_visible()
    # By their own button alone: a secret that is gone by mistake is gone.
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.evaluate("location.hash = '#/keys/another'")
    secret = take_secret(page)
    assert page.evaluate("navigator.clipboard.readText()") == secret
    assert live.verify(secret).name == "Chatbot"
    body = secret.removeprefix("en_")
    assert body not in page.content()
    page.evaluate("location.hash = '#/'")
    page.reload()
    show(page, "Chatbot")
    assert body not in page.content()
    kept = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")
    assert body not in kept


def test_bad_input_is_refused_in_place(page: Page, live: Gate) -> None:
    page.get_by_role("button", name="Create API Key").first.click()
    fill(
        page,
        {
            "allowed_models": "gpt-4, no spaces",
            "daily_spend_limit": "-5",
            "alert_threshold": "80",
            "prefix": "x",
        },
    )
    fill(page, {"daily_token_limit": "1.5"})
    press(page, "Create")
    expect(fault(page, "name")).to_have_text("Name is required.")
    expect(fault(page, "allowed_models")).to_contain_text("“no spaces” must not contain spaces")
    expect(fault(page, "daily_spend_limit")).to_have_text("Daily Spend Limit must not be negative.")
    expect(fault(page, "alert_threshold")).to_contain_text("use 0.8 for 80 %")
    expect(fault(page, "daily_token_limit")).to_contain_text("must be a whole number")
    expect(fault(page, "prefix")).to_contain_text("end with _")
    expect(page.get_by_role("alert").filter(has_text="6 fields need your attention.")).to_be_visible()
    expect(field(page, "name")).to_be_focused()
    expect(field(page, "name")).to_have_attribute("aria-invalid", "true")
    assert live.keys() == []
    fill(
        page,
        {"name": "dev-app-v1", "allowed_models": "gpt-4", "daily_spend_limit": "5", "alert_threshold": ""},
    )
    fill(page, {"prefix": "", "daily_token_limit": "0"})
    press(page, "Create")
    take_secret(page)
    assert live.keys()[0].daily_token_limit == 0


def test_an_edit_that_widens_is_confirmed(page: Page, live: Gate) -> None:
    made = live.create_key("k", allowed_models=["gpt-4"], daily_spend_limit=50, timezone="Asia/Tokyo")
    show(page, "k")
    press(page, "Edit")
    expect(field(page, "prefix")).to_be_disabled()
    expect(field(page, "allowed_models")).to_have_value("gpt-4")
    fill(page, {"name": "renamed", "daily_spend_limit": "25"})
    press(page, "Save changes")
    expect(page.get_by_role("heading", name="renamed", level=1)).to_be_visible()
    press(page, "Edit")
    fill(page, {"daily_spend_limit": "", "allowed_models": ""})
    press(page, "Save changes")
    question = page.get_by_role("dialog", name="Allow more than before?")
    expect(question).to_contain_text("loosens Allowed Models, Daily Spend Limit")
    press(question, "Cancel")
    assert live.key(made.key.id).daily_spend_limit == 25
    press(page, "Save changes")
    press(question, "Allow and save")
    expect(page.locator("dialog")).to_have_count(0)
    key = live.key(made.key.id)
    assert (key.daily_spend_limit, key.allowed_models, key.timezone) == (None, [], "Asia/Tokyo")


def test_an_edit_of_what_others_changed_is_refused(page: Page, live: Gate) -> None:
    made = live.create_key("k", description="first")
    show(page, "k")
    press(page, "Edit")
    fill(page, {"description": "mine"})
    live.update_key(made.key.id, description="theirs")
    press(page, "Save changes")
    expect(page.get_by_role("alert")).to_contain_text("Somebody else changed this key meanwhile.")
    assert live.key(made.key.id).description == "theirs"


def test_a_key_is_rotated_disabled_revoked_and_deleted(page: Page, live: Gate) -> None:
    made = live.create_key("old & new")
    show(page, "old & new")
    press(page, "Rotate")
    page.get_by_label("In 1 hour").check()
    press(page.get_by_role("dialog"), "Rotate")
    fresh = take_secret(page)
    assert {live.verify(secret).id for secret in (fresh, made.secret.reveal())} == {made.key.id}
    expect(page.get_by_role("region", name="Secrets").get_by_role("listitem")).to_have_count(2)
    press(page, "Disable")
    expect(page.locator(".badge")).to_have_text("Disabled")
    assert live.check(fresh).reason == "key_disabled"
    press(page, "Enable")
    expect(page.locator(".badge")).to_have_text("Active")
    press(page, "Revoke")
    press(page.get_by_role("dialog"), "Revoke")
    expect(page.locator(".badge")).to_have_text("Revoked")
    with pytest.raises(Conflict):
        live.enable_key(made.key.id)
    press(page, "Delete")
    remove = page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True)
    expect(remove).to_be_disabled()
    page.get_by_label("Type old & new to confirm").fill("old & new")
    remove.click()
    expect(page.get_by_text("No API keys yet")).to_be_visible()
    assert live.keys() == []


def test_the_bars_follow_the_calls(page: Page, live: Gate) -> None:
    made = live.create_key(
        "k", daily_spend_limit=10, monthly_spend_limit=100, daily_token_limit=1000, alert_threshold=0.8
    )
    secret = made.secret.reveal()
    row = page.get_by_role("listitem").filter(has_text="k")
    daily, monthly, tokens = (
        row.get_by_role("meter", name=name) for name in ("Daily spend", "Monthly spend", "Daily tokens")
    )
    expect(daily).to_have_attribute("aria-valuenow", "0")
    permit = live.authorize(secret, cost="4", tokens=500)
    expect(daily).to_have_attribute("aria-valuetext", re.compile(r"\$4.00 set aside"))
    permit.settle(cost="2.5", tokens=250)
    for bar, share in [(daily, "25"), (monthly, "3"), (tokens, "25")]:
        expect(bar).to_have_attribute("aria-valuenow", share)
    show(page, "k")
    live.authorize(secret, cost="6", tokens=1).settle(cost="6", tokens=1)
    expect(page.get_by_role("meter", name="Daily spend")).to_have_attribute("aria-valuenow", "85")
    expect(page.locator(".bar[data-meter=daily_spend]")).to_have_class(re.compile("near"))
    expect(page.locator(".bar[data-meter=daily_spend]")).to_contain_text("$1.50 left")
    expect(page.get_by_role("region", name="Spend")).to_contain_text("Past days cannot be shown")


def test_past_days_are_drawn(browser: Browser, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    clock = ManualClock(now - timedelta(days=3))
    live = Gate.open(f"sqlite:///{tmp_path}/keys.db", clock=clock)
    made = live.create_key("k", daily_spend_limit=20)
    for days, cost in [(0, "10"), (2, "0.5"), (1, "1.25")]:
        clock.advance(86400 * days)
        live.record(made.key.id, cost=cost)
    app = Starlette(routes=[Mount("/", console(live))])
    with listening(app) as url, browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{url}/console/")
        page.get_by_label("Admin token").fill(admin_token(JWT_SECRET))
        page.keyboard.press("Enter")
        show(page, "k")
        spend = page.get_by_role("region", name="Spend")
        drawn = "Spend a day over the last 14 days: $11.75 in all, $10.00 at most."
        expect(spend.get_by_role("img", name=drawn)).to_be_visible()
        amounts = spend.get_by_role("cell").all_inner_texts()
        assert amounts == ["$0.00"] * 10 + ["$10.00", "$0.00", "$0.50", "$1.25"]
        expect(spend).to_contain_text("Daily limit $20.00")


def test_many_keys_are_shown_by_and_by(page: Page, live: Gate) -> None:
    for number in range(205):
        live.create_key(f"key-{number}", tags=["odd" if number % 2 else "even"])
    expect(page.locator(".key")).to_have_count(200)
    press(page, "Show more keys")
    expect(page.locator(".key")).to_have_count(205)
    page.get_by_label("Filter keys").fill("key-20 odd")
    expect(page.get_by_text("2 of 205 keys")).to_be_visible()
    expect(page.get_by_role("listitem").filter(has=page.get_by_role("link"))).to_have_count(2)
    page.get_by_label("Filter keys").fill("nothing like this")
    expect(page.get_by_text("No key matches.")).to_be_visible()


def test_what_people_typed_stays_text(page: Page, live: Gate) -> None:
    live.create_key(
        XSS[:100], description=XSS, allowed_models=["<b>bold</b>"], tags=["<i>tag</i>"], metadata={"a": XSS}
    )
    row = page.get_by_role("listitem").filter(has_text="<img")
    expect(row).to_be_visible()
    row.get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(XSS[:100])
    expect(page.locator(".lead").last).to_have_text(XSS)
    expect(page.locator("main b, main i, main img, main script")).to_have_count(0)
    press(page, "Edit")
    expect(field(page, "description")).to_have_value(XSS)
    page.keyboard.press("Escape")
    press(page, "Delete")
    expect(page.get_by_role("dialog")).to_contain_text("<script>")
    assert "owned" not in page.title().split("·")[-1]
    assert page.evaluate("document.scripts.length") == 1


def test_only_those_with_a_token_get_in(visitor: Page, url: str) -> None:
    for token, answer in [
        ("", "Paste your admin token."),
        ("words", "This is not a token"),
        (admin_token("x" * 32), "this token is not valid"),
        (admin_token(JWT_SECRET, seconds=-1), "this token is not valid"),
    ]:
        visitor.get_by_label("Admin token").fill(token)
        press(visitor, "Sign in")
        expect(visitor.get_by_role("alert")).to_contain_text(answer)
    visitor.get_by_label("Admin token").fill(admin_token(JWT_SECRET))
    press(visitor, "Sign in")
    expect(visitor.get_by_text("No API keys yet")).to_be_visible()
    visitor.reload()
    expect(visitor.get_by_text("No API keys yet")).to_be_visible()
    press(visitor, "Sign out")
    visitor.goto(f"{url}#/keys/nobody")
    visitor.reload()
    expect(visitor.get_by_label("Admin token")).to_be_focused()


def test_a_server_that_is_gone_is_told_and_found_again(page: Page, live: Gate) -> None:
    live.create_key("k")
    expect(page.get_by_role("link", name="k", exact=True)).to_be_visible()
    page.context.set_offline(True)
    expect(page.get_by_text("No connection to the server.")).to_be_visible()
    expect(page.get_by_role("link", name="k", exact=True)).to_be_visible()
    page.context.set_offline(False)
    expect(page.get_by_text("No connection to the server.")).to_be_hidden()


def test_the_keyboard_is_enough(page: Page, live: Gate) -> None:
    opener = page.get_by_role("button", name="Create API Key").first
    opener.focus()
    page.keyboard.press("Enter")
    expect(field(page, "name")).to_be_focused()
    page.keyboard.type("by keyboard")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Copy")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="by keyboard")).to_be_visible()
    page.get_by_role("link", name="by keyboard").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="by keyboard", level=1)).to_be_focused()
    assert live.keys()[0].name == "by keyboard"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1280])
def test_everybody_can_read_it(browser: Browser, url: str, live: Gate, width: int, scheme: str) -> None:
    made = live.create_key("k", allowed_models=["gpt-4"], daily_spend_limit=1, alert_threshold=0.5)
    live.record(made.key.id, cost="0.75")
    live.disable_key(
        live.create_key("chatbot-widget-frontend-with-a-long-name", description="x" * 300).key.id
    )
    live.revoke_key(live.create_key("gone").key.id)
    context = browser.new_context(
        viewport={"width": width, "height": 780},
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
        bypass_csp=True,
    )
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto(url)

    def readable(where: str) -> None:
        found = Axe().run(page).response["violations"]
        told = [(broken["id"], [node["html"][:200] for node in broken["nodes"]]) for broken in found]
        assert (where, told) == (where, [])
        overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert (where, overflow) == (where, 0)

    readable("sign in")
    page.get_by_label("Admin token").fill(admin_token(JWT_SECRET))
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="gone")).to_be_visible()
    readable("list")
    page.get_by_role("button", name="Create API Key").click()
    page.get_by_text("More restrictions").click()
    fill(page, {"allowed_models": "a b", "daily_spend_limit": "x", "alert_threshold": "0.8"})
    press(page, "Create")
    expect(fault(page, "name")).to_be_visible()
    readable("form")
    fill(page, {"name": "n", "allowed_models": "", "daily_spend_limit": ""})
    press(page, "Create")
    expect(page.locator("dialog input.secret")).to_have_value(SECRET)
    readable("secret")
    press(page, "Done")
    show(page, "k")
    readable("key")
    press(page, "Rotate")
    readable("rotate")
    page.keyboard.press("Escape")
    press(page, "Delete")
    readable("delete")
    context.close()
