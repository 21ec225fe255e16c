"""Joining: codes and guessing, QR, guests by name, mute, kick, ban, and claiming a guest."""

from __future__ import annotations

import datetime
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from vms import alive, people
from vms.joining import JoinError, chance_of_a_day, name_of_guest, skeleton
from vms.models import (
    Assignment,
    AuditEntry,
    Ban,
    Guest,
    Invitation,
    Lab,
    Membership,
    Remark,
    Round,
    Submission,
    Vote,
)
from vms.models.people import CODE_LETTERS, new_code
from vms.permissions import MAY, VERBS, Visitor, role_in, visitor_of
from vms.views.joining import link_of


@pytest.fixture(autouse=True)
def _fresh_counts(db: None) -> None:
    cache.clear()


@pytest.fixture
def client(alice: Any, as_: Callable[[Any], Client]) -> Client:
    return as_(alice)


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any, str]]:
    seen: list[tuple[str, Any, str]] = []
    monkeypatch.setattr(alive, "kick", lambda lab, who: seen.append(("kick", lab, who)))
    monkeypatch.setattr(alive, "renew", lambda lab, who: seen.append(("renew", lab, who)))
    return seen


@pytest.fixture
def invitation(lab: Lab, alice: Any) -> Invitation:
    return Invitation.objects.create(lab=lab, role="driver", made_by=alice)


@pytest.fixture
def ada(invitation: Invitation) -> Client:
    return guest(invitation, "Ada")


def guest(invitation: Invitation, name: str, address: str = "192.0.2.1") -> Client:
    client = Client(REMOTE_ADDR=address)
    answer = client.post(link_of(invitation), {"name": name})
    assert answer.status_code == 302, re.findall(r"<li>(.*?)</li>", answer.content.decode())
    return client


def url(name: str, lab: Lab, *more: Any) -> str:
    return reverse(f"vms:{name}", args=[lab.pk, *more])


def words(answer: Any) -> str:
    return str(answer.content.decode())


# --- codes ----------------------------------------------------------------------------------------


def test_codes_are_of_thirty_letters_none_read_as_another() -> None:
    assert len(set(CODE_LETTERS)) == len(CODE_LETTERS) == 30
    assert not set("01ILOU") & set(CODE_LETTERS)
    letters = Counter("".join(new_code() for _ in range(3_000)))
    assert set(letters) == set(CODE_LETTERS)
    assert all(600 < count < 1_000 for count in letters.values())  # 800 each, ± 7 deviations


def test_a_days_guessing_finds_a_code_with_at_most_0_005_per_cent(settings: Any) -> None:
    chance = chance_of_a_day(settings.VMLAB_CODE_TRIES, settings.VMLAB_OPEN_CODES)
    assert chance == 25 * 1_000 * 1_000 / 30**8
    assert chance <= 0.005 / 100
    one = chance_of_a_day(settings.VMLAB_CODE_TRIES_PER_ADDRESS, settings.VMLAB_OPEN_CODES)
    assert one <= chance / 10


def test_an_address_that_guesses_is_stopped_and_others_are_not(
    invitation: Invitation, settings: Any
) -> None:
    settings.VMLAB_CODE_TRIES_PER_ADDRESS = 3
    here, there = Client(REMOTE_ADDR="192.0.2.1"), Client(REMOTE_ADDR="192.0.2.2")
    for _ in range(3):
        assert "No open invitation" in words(here.post("/join/", {"code": "AAAA-AAAA"}))
    answer = here.post("/join/", {"code": invitation.code})
    assert answer.status_code == 422
    assert "Too many wrong codes" in words(answer)
    assert there.post("/join/", {"code": invitation.code}).status_code == 302


def test_all_together_are_stopped_and_links_go_on(invitation: Invitation, settings: Any) -> None:
    settings.VMLAB_CODE_TRIES = 5
    for number in range(5):
        Client(REMOTE_ADDR=f"192.0.2.{number}").post("/join/", {"code": "AAAA-AAAA"})
    late = Client(REMOTE_ADDR="192.0.2.99")
    assert "Too many wrong codes" in words(late.post("/join/", {"code": invitation.code}))
    assert late.post(link_of(invitation), {"name": "Ada"}).status_code == 302


def test_right_codes_are_not_counted(invitation: Invitation, settings: Any) -> None:
    settings.VMLAB_CODE_TRIES_PER_ADDRESS = settings.VMLAB_CODE_TRIES = 2
    for _ in range(9):
        assert Client().post("/join/", {"code": invitation.code}).status_code == 302


def test_what_one_address_tries_too_much_is_not_taken_from_all(
    invitation: Invitation, settings: Any
) -> None:
    settings.VMLAB_CODE_TRIES_PER_ADDRESS, settings.VMLAB_CODE_TRIES = 2, 4
    for _ in range(20):
        Client(REMOTE_ADDR="192.0.2.1").post("/join/", {"code": "AAAA-AAAA"})
    other = Client(REMOTE_ADDR="192.0.2.2")
    assert other.post("/join/", {"code": invitation.code}).status_code == 302


def test_something_that_is_no_code_is_told_so_and_does_not_count(db: None, settings: Any) -> None:
    settings.VMLAB_CODE_TRIES_PER_ADDRESS = 1
    for _ in range(3):
        answer = Client().post("/join/", {"code": "QX7M"})
        assert "eight letters and digits, such as QX7M-4K9T, got QX7M" in words(answer)


def test_no_more_codes_are_open_than_the_setting_says(
    lab: Lab, client: Client, invitation: Invitation, settings: Any
) -> None:
    settings.VMLAB_OPEN_CODES = 1
    answer = client.post(url("lab_invite", lab), {"role": "driver"})
    assert answer.status_code == 422
    assert "At most 1 invitations may be open" in words(answer)
    invitation.delete()
    assert client.post(url("lab_invite", lab), {"role": "driver"}).status_code == 302


@pytest.mark.parametrize(("lasts", "hours"), [("hour", 1), ("day", 24), ("week", 168)])
def test_an_invitation_lasts_as_long_as_asked(
    lab: Lab, client: Client, lasts: str, hours: int
) -> None:
    client.post(url("lab_invite", lab), {"role": "driver", "lasts": lasts, "guests": "on"})
    left = Invitation.objects.get().expires - timezone.now()
    assert abs(left - datetime.timedelta(hours=hours)) < datetime.timedelta(minutes=1)


def test_a_rotated_code_ends_at_once_with_its_link(
    lab: Lab, client: Client, invitation: Invitation
) -> None:
    client.post(url("invitation_rotate", lab, invitation.pk))
    new = Invitation.objects.get(rotated_from=invitation)
    assert (new.role, new.open, new.code == invitation.code) == ("driver", True, False)
    assert "No open invitation" in words(Client().post("/join/", {"code": invitation.code}))
    assert Client().get(link_of(invitation)).status_code == 410
    assert Client().get(link_of(new)).status_code == 200
    again = client.post(url("invitation_rotate", lab, invitation.pk), follow=True)
    assert "had ended" in words(again)
    assert Invitation.objects.count() == 2


def test_the_qr_code_is_drawn_here_and_leads_to_the_link(
    lab: Lab, client: Client, invitation: Invitation
) -> None:
    answer = client.get(url("invitation_qr", lab, invitation.pk))
    assert answer["Content-Type"] == "image/svg+xml"
    assert answer["Cache-Control"] == "private, no-store"
    drawn = words(answer)
    assert "<svg " in drawn
    assert "style=" not in drawn
    shown = words(client.get(url("invitation_show", lab, invitation.pk)))
    assert invitation.spoken_code in shown
    Invitation.objects.update(revoked=timezone.now())
    assert client.get(url("invitation_qr", lab, invitation.pk)).status_code == 404
    assert client.get(url("invitation_show", lab, invitation.pk)).status_code == 302


# --- guests ---------------------------------------------------------------------------------------


def test_a_guest_joins_with_a_name_and_has_the_role_of_the_code(
    lab: Lab, invitation: Invitation, ada: Client
) -> None:
    member = Membership.objects.get()
    assert (member.name, member.role, member.user) == ("Ada", "driver", None)
    assert member.identity == f"g{member.guest_id}"
    assert ada.get(url("lab_ticket", lab)).json()["role"] == "driver"
    assert "Labs you joined as Ada" in words(ada.get("/"))
    assert ada.get(url("lab_members", lab)).status_code == 200
    assert ada.get(link_of(invitation))["Location"] == lab.get_absolute_url()


def test_becoming_a_guest_gives_the_session_a_new_key(invitation: Invitation) -> None:
    client = Client()
    client.post(reverse("vms:demo"))
    before = client.cookies["sessionid"].value
    client.post(link_of(invitation), {"name": "Ada"})
    assert client.cookies["sessionid"].value != before
    assert Lab.objects.exclude(guest=None).get().guest == Guest.objects.get().pk


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "A name has 1 to 40 letters, got 0."),
        ("   ", "A name has 1 to 40 letters, got 0."),
        ("x" * 41, "A name has 1 to 40 letters, got 41."),
        ("a\u202eb", "invisible letters, got one: U+202E"),
        ("a\u200bb", "invisible letters, got one: U+200B"),
        ("a\x07b", "invisible letters, got one: U+0007"),
        ("…", "at least one letter or digit"),
        ("alice", "Somebody here is called alice"),
        ("Alice", "Somebody here is called"),
        ("a l i c e", "Somebody here is called"),
        ("аlicе", "Somebody here is called"),  # two letters are Cyrillic
        ("AL1CE", "Somebody here is called"),
        ("ｂｏｂ", "Somebody here is called"),
        ("Ádá", "Somebody here is called"),
        ("Admin", "Somebody here is called"),
        ("0wner", "Somebody here is called"),
    ],
)
def test_a_name_that_is_none_or_somebodys_is_refused(
    name: str, sentence: str, lab: Lab, bob: Any, join: Any, ada: Client, invitation: Invitation
) -> None:
    join(bob, "observer")
    answer = Client().post(link_of(invitation), {"name": name})
    assert answer.status_code == 422
    assert sentence in words(answer)
    assert Guest.objects.count() == 1
    with pytest.raises(JoinError):
        name_of_guest(name, lab)


@pytest.mark.parametrize(
    "name", ["Grace Hopper", "李雷", "Ольга", "O'Neil-3", "<b>Eve</b>", "Zoë 🚀"]
)
def test_people_may_be_called_what_they_are(name: str, lab: Lab) -> None:
    assert name_of_guest(f"  {name} ", lab) == name


def test_names_that_look_alike_have_one_skeleton() -> None:
    assert skeleton("Bernard") == skeleton("bemard") == skeleton("BERNАRD")
    assert skeleton("alice") != skeleton("alicia")


def test_an_invitation_for_accounts_takes_no_guests(lab: Lab, alice: Any) -> None:
    for role, guests in (("driver", False), ("instructor", True), ("auditor", True)):
        made = Invitation.objects.create(lab=lab, role=role, made_by=alice, guests=guests)
        assert 'name="name"' not in words(Client().get(link_of(made)))
        answer = Client().post(link_of(made), {"name": "Ada"})
        assert answer.status_code == 403
        assert "is for accounts" in words(answer)
    assert not Guest.objects.exists()


def test_a_full_lab_says_so(
    invitation: Invitation, ada: Client, bob: Any, as_: Any, settings: Any
) -> None:
    settings.VMLAB_MEMBERS_PER_LAB = 1
    answer = as_(bob).post(link_of(invitation))
    assert "This lab has 1 members" in words(answer)
    assert "This lab has 1 members" in words(Client().post(link_of(invitation), {"name": "Eve"}))
    assert Membership.objects.count() == 1


# --- mute, kick, ban ------------------------------------------------------------------------------


def test_a_muted_member_watches_and_no_more(
    lab: Lab, client: Client, ada: Client, closed: list[Any]
) -> None:
    member = Membership.objects.get()
    client.post(url("member_mute", lab, member.pk))
    assert closed == [("renew", lab.pk, member.identity)]
    assert ada.get(url("lab_ticket", lab)).json()["role"] == "muted"
    answer = ada.post(url("lab_reset", lab))
    assert answer.status_code == 403
    assert "You were muted in this lab" in words(answer)
    assert MAY["muted"] == {"watch"}
    client.post(url("member_mute", lab, member.pk), {"muted": "0"})
    assert ada.get(url("lab_ticket", lab)).json()["role"] == "driver"


@pytest.mark.parametrize("role", ["instructor", "auditor"])
def test_only_drivers_and_observers_are_muted(
    lab: Lab, client: Client, bob: Any, join: Any, role: str
) -> None:
    member = join(bob, role)
    answer = client.post(url("member_mute", lab, member.pk), follow=True)
    assert "only drivers and observers are muted" in words(answer)
    assert not Membership.objects.get().muted


def test_a_guest_becomes_no_instructor(lab: Lab, client: Client, ada: Client) -> None:
    member = Membership.objects.get()
    answer = client.post(url("member_role", lab, member.pk), {"role": "instructor"}, follow=True)
    assert "Ada is a guest: only an account can be instructor" in words(answer)
    client.post(url("member_role", lab, member.pk), {"role": "observer"})
    assert Membership.objects.get().role == "observer"


def test_a_removed_guest_is_out_and_may_come_back(
    lab: Lab, client: Client, ada: Client, invitation: Invitation, closed: list[Any]
) -> None:
    member = Membership.objects.get()
    client.post(url("member_remove", lab, member.pk))
    assert closed == [("kick", lab.pk, member.identity)]
    assert ada.get(url("lab_ticket", lab)).status_code == 302  # to the login
    assert ada.post(link_of(invitation), {"name": "Ada"}).status_code == 302
    assert Guest.objects.count() == 1


def test_a_banned_guest_stays_out_with_another_name_and_browser(
    lab: Lab, client: Client, ada: Client, invitation: Invitation, closed: list[Any]
) -> None:
    member = Membership.objects.get()
    client.post(url("member_ban", lab, member.pk), {"reason": "spam", "network": "on"})
    assert closed == [("kick", lab.pk, member.identity)]
    for theirs in (ada, Client(REMOTE_ADDR="192.0.2.1")):
        answer = theirs.post(link_of(invitation), {"name": "Eve"})
        assert answer.status_code == 403
        assert "has banned you" in words(answer)
    guest(invitation, "Eve", "192.0.2.2")
    page = words(client.get(url("lab_members", lab)))
    assert "spam" in page
    client.post(url("member_unban", lab, Ban.objects.get().pk))
    guest(invitation, "Ada", "192.0.2.1")


def test_a_ban_without_the_network_is_of_that_guest_alone(
    lab: Lab, client: Client, ada: Client, invitation: Invitation
) -> None:
    client.post(url("member_ban", lab, Membership.objects.get().pk))
    assert ada.post(link_of(invitation), {"name": "Eve"}).status_code == 403
    guest(invitation, "Eve", "192.0.2.1")


def test_a_banned_account_is_out_of_a_public_lab_too(
    lab: Lab, client: Client, bob: Any, join: Any, as_: Any, invitation: Invitation
) -> None:
    member = join(bob, "driver")
    Lab.objects.update(public=True)
    client.post(url("member_ban", lab, member.pk))
    theirs = as_(bob)
    assert theirs.get(url("lab_ticket", lab)).status_code == 404
    assert theirs.post(link_of(invitation)).status_code == 403
    answer = client.post(url("lab_members", lab), {"username": "bob", "role": "driver"})
    assert "bob is banned from this lab; lift the ban first" in words(answer)


def test_a_ban_of_an_account_keeps_no_guest_out(
    lab: Lab, alice: Any, bob: Any, join: Any, invitation: Invitation
) -> None:
    people.ban(join(bob, "driver"), Visitor(alice))
    guest(invitation, "Ada")


def test_nobody_bans_themselves_and_no_driver_bans(
    lab: Lab, bob: Any, join: Any, as_: Any, ada: Client
) -> None:
    own = join(bob, "instructor")
    answer = as_(bob).post(url("member_ban", lab, own.pk), follow=True)
    assert "Nobody bans themselves" in words(answer)
    for name in ("member_mute", "member_ban", "member_role", "member_remove"):
        assert ada.post(url(name, lab, own.pk), {"role": "driver"}).status_code == 403
    assert not Ban.objects.exists()


def test_members_and_bans_of_another_lab_are_not_found(
    lab: Lab, client: Client, alice: Any, ada: Client
) -> None:
    from vms.founding import duplicate

    other = duplicate(lab, alice)
    member = Membership.objects.get()
    made = people.ban(member, Visitor(alice))
    for name, row in (("member_mute", member), ("member_ban", member), ("member_unban", made)):
        assert client.post(url(name, other, row.pk or 1)).status_code == 404


# --- claiming -------------------------------------------------------------------------------------


def everything(lab: Lab, who: Guest) -> None:
    """Let a guest have done one of each."""
    Remark.objects.create(lab=lab, text="hello", guest=who, name=who.name)
    asked = Round.objects.create(lab=lab, tick=1, kind="vcpu")
    Vote.objects.create(round=asked, guest=who, name=who.name, choice="web")
    task = Assignment.objects.create(lab=lab, title="A")
    Submission.objects.create(assignment=task, guest=who, name=who.name, number=1)
    Lab.objects.create(name="copy", owner=lab.owner, source=lab, student=f"g{who.pk}")


def test_an_account_claims_what_its_guest_did(lab: Lab, ada: Client, bob: Any) -> None:
    who = Guest.objects.get()
    everything(lab, who)
    ada.post(reverse("account_login"), {"login": "bob", "password": "bob's password"})
    assert ada.get(url("lab_ticket", lab)).status_code == 404  # not before it is claimed
    assert "Was that you?" in words(ada.get("/"))
    assert "Were you Ada?" in words(ada.get(reverse("vms:claim")))
    answer = ada.post(reverse("vms:claim"), follow=True)
    assert "is yours now" in words(answer)
    assert ada.get(url("lab_ticket", lab)).json()["role"] == "driver"
    for model in (Remark, Vote, Submission):
        row = model.objects.get()
        assert (row.identity, row.name) == (f"u{bob.pk}", "Ada")
    assert Lab.objects.get(name="copy").student == f"u{bob.pk}"
    who.refresh_from_db()
    assert who.claimed_by == bob
    assert "nothing to claim" in words(ada.get(reverse("vms:claim"), follow=True))


def test_what_was_somebody_elses_is_left(lab: Lab, ada: Client, bob: Any) -> None:
    ada.post(reverse("account_login"), {"login": "bob", "password": "bob's password"})
    ada.post(reverse("vms:claim"), {"not": "1"})
    assert Membership.objects.get().user is None
    assert "Was that you?" not in words(ada.get("/"))


def test_a_guest_is_claimed_once(lab: Lab, ada: Client, bob: Any, charlie: Any) -> None:
    who = Guest.objects.get()
    assert people.claim(who, bob, Visitor(bob)) == 1
    assert people.claim(who, charlie, Visitor(charlie)) == 0
    assert Membership.objects.get().user == bob


def test_what_the_account_had_counts_and_the_guests_stays_apart(
    lab: Lab, ada: Client, bob: Any, join: Any
) -> None:
    who = Guest.objects.get()
    everything(lab, who)
    join(bob, "observer")
    Vote.objects.create(round=Round.objects.get(), user=bob, name="bob", choice="db")
    Submission.objects.create(assignment=Assignment.objects.get(), user=bob, name="bob", number=1)
    people.claim(who, bob, Visitor(bob))
    assert Membership.objects.get().role == "observer"
    assert sorted(Submission.objects.filter(user=bob).values_list("number", flat=True)) == [1, 2]
    assert Vote.objects.filter(user=bob).get().choice == "db"
    assert Vote.objects.filter(guest=who).get().choice == "web"


def test_a_ban_follows_the_guest_into_the_account(lab: Lab, ada: Client, bob: Any) -> None:
    who = Guest.objects.get()
    people.ban(Membership.objects.get(), Visitor(bob))
    people.claim(who, bob, Visitor(bob))
    assert role_in(bob, lab) is None
    assert Ban.objects.get().user == bob


def test_each_change_of_members_stands_in_the_audit(
    lab: Lab, client: Client, ada: Client, invitation: Invitation
) -> None:
    member = Membership.objects.get()
    client.post(url("member_role", lab, member.pk), {"role": "observer"})
    client.post(url("member_mute", lab, member.pk))
    client.post(url("invitation_rotate", lab, invitation.pk))
    client.post(url("member_ban", lab, member.pk), {"reason": "spam"})
    client.post(url("member_unban", lab, Ban.objects.get().pk))
    noted = AuditEntry.objects.filter(lab_id=lab.pk, kind="membership").order_by("number")
    whats = [(entry.what, entry.name) for entry in noted]
    assert whats == [
        ("join", "Ada"),
        ("role", "alice"),
        ("mute", "alice"),
        ("rotate invitation", "alice"),
        ("ban", "alice"),
        ("unban", "alice"),
    ]
    assert noted[1].detail == {
        "member": "Ada",
        "who": member.identity,
        "was": "driver",
        "role": "observer",
    }


def test_a_visitor_is_who_their_session_says(ada: Client, rf: Any) -> None:
    request = rf.get("/")
    request.user, request.session = ada.get("/").wsgi_request.user, ada.session
    visitor = visitor_of(request)
    assert visitor.name == "Ada"
    assert visitor.identity == f"g{Guest.objects.get().pk}"


def test_every_verb_and_role_has_a_name() -> None:
    from vms.permissions import role_name, verb_name

    assert all(role_name(role) for role in MAY)
    assert all(verb_name(verb) for verb in VERBS)
