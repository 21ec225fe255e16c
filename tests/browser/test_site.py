"""The pages around the lab screen: for every reader, on every screen, with and without scripts."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import PHONE, Enter, Visitor
from tests.browser.test_screen import WIDER, serious
from tests.server import RunningServer

PAGES = ("", "members/", "audit/", "edit/", "delete/", "vms/new/", "devices/new/")
OUTSIDE = (
    "/",
    "/labs/new/",
    "/join/",
    "/accounts/limits/",
    "/accounts/password/change/",
    "/accounts/email/",
    "/accounts/logout/",
)


def addresses(server: RunningServer, lab: str) -> list[str]:
    return [server.url + path for path in OUTSIDE] + [lab + path for path in PAGES if path]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_page_keeps_a_reader_out(
    enter: Enter, server: RunningServer, lab: str, theme: str
) -> None:
    # axe brings its own styles and scripts
    alice = enter("alice", server.url, color_scheme=theme, bypass_csp=True)
    for address in addresses(server, lab):
        alice.page.goto(address)
        assert serious(alice) == [], address


@pytest.mark.parametrize("size", [PHONE, {"width": 3840, "height": 2160}], ids=["phone", "4K"])
def test_every_page_fits_its_screen(
    enter: Enter, server: RunningServer, lab: str, size: dict[str, int]
) -> None:
    alice = enter("alice", server.url, viewport=size)
    for address in addresses(server, lab):
        alice.page.goto(address)
        assert alice.page.evaluate(WIDER) == [], address


def test_a_vm_is_built_without_scripts(enter: Enter, lab: str) -> None:
    page = enter("alice", f"{lab}vms/new/", java_script_enabled=False).page
    page.get_by_label("Name", exact=True).first.fill("desk")
    page.get_by_role("button", name="Add a device").click()
    page.locator("#id_devices-0-name").fill("vda")
    page.get_by_role("button", name="Add a step").click()
    page.locator("#id_steps-1-kind").select_option("io")
    page.locator("#id_steps-1-io_device").fill("vdb")
    page.get_by_role("button", name="Save").last.click()
    expect(page.locator("#id_steps-1-io_device_error")).to_contain_text("vdb")
    page.locator("#id_steps-1-io_device").fill("vda")
    page.get_by_role("button", name="Save").last.click()
    expect(page.locator("#vms")).to_contain_text("desk")


def test_a_step_shows_the_fields_of_its_kind_alone(enter: Enter, lab: str) -> None:
    page = enter("alice", f"{lab}vms/new/").page
    page.locator("#id_steps-0-kind").select_option("touch")
    expect(page.locator("#id_steps-0-touch_refs")).to_be_visible()
    expect(page.locator("#id_steps-0-compute")).to_be_hidden()
    expect(page.locator("#id_steps-0-touch_window")).to_be_hidden()
    page.locator("#id_steps-0-touch_pattern").select_option("working_set")
    expect(page.locator("#id_steps-0-touch_window")).to_be_visible()


def test_enter_in_a_field_saves_and_takes_no_line_away(enter: Enter, lab: str) -> None:
    page = enter("alice", f"{lab}vms/new/").page
    page.locator("#id_vm-name").fill("typed")
    page.locator("#id_vm-name").press("Enter")
    expect(page.locator("#vms")).to_contain_text("typed")


def test_light_and_dark_are_chosen_and_kept(enter: Enter, server: RunningServer) -> None:
    page = enter("alice", server.url, color_scheme="light").page
    page.get_by_role("button", name="Switch between light and dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.goto(f"{server.url}/labs/new/")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_a_role_changes_as_soon_as_it_is_chosen(enter: Enter, lab: str) -> None:
    page = enter("alice", f"{lab}members/").page
    expect(page.get_by_role("button", name="Change", exact=True).first).to_be_hidden()
    page.get_by_label("Role of oscar").select_option("driver")
    expect(page.get_by_role("status")).to_contain_text("oscar: driver.")


def test_a_menu_opens_and_closes_by_key(enter: Enter, server: RunningServer) -> None:
    page = enter("alice", server.url).page
    page.locator("header details.menu summary").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Log out")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Log out")).to_be_hidden()


def test_from_the_door_to_a_running_lab_is_one_click(
    browser: Browser, server: RunningServer
) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(server.url)
    page.get_by_role("button", name="Try the demo").click()
    page.wait_for_url("**/labs/**")
    Visitor(page).until("window.lab?.model.state.tick > 0")
    context.close()
