"""Members and invitations."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from vms import alive
from vms.joining import WRONG_PER_ACCOUNT as WRONG_CODES
from vms.models import Invitation, Lab, Membership
from vms.views.joining import token_of


@pytest.fixture
def client(alice: Any, as_: Callable[[Any], Client]) -> Client:
    return as_(alice)


@pytest.fixture
def kicked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, str]]:
    seen: list[tuple[Any, str]] = []
    monkeypatch.setattr(alive, "kick", lambda lab, who: seen.append((lab, who)))
    monkeypatch.setattr(alive, "renew", lambda lab, who: seen.append((lab, who)))
    return seen


@pytest.fixture
def invitation(lab: Lab, alice: Any) -> Invitation:
    return Invitation.objects.create(lab=lab, role="driver", made_by=alice)


def members_url(lab: Lab) -> str:
    return reverse("vms:lab_members", args=[lab.pk])


def accept_url(invitation: Invitation) -> str:
    return reverse("vms:accept_invitation", args=[token_of(invitation)])


def test_an_account_is_added_by_its_name(lab: Lab, bob: Any, client: Client) -> None:
    answer = client.post(members_url(lab), {"username": "bob", "role": "driver"}, follow=True)
    assert "bob is a member now" in answer.content.decode()
    assert Membership.objects.get().role == "driver"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("nobody", "There is no account called nobody. Send an invitation link instead."),
        ("alice", "alice owns this lab."),
        ("charlie", "charlie is a member already; change the role in the list."),
    ],
)
def test_a_name_that_cannot_be_added_says_why_and_stays(
    name: str, sentence: str, lab: Lab, charlie: Any, join: Any, client: Client
) -> None:
    join(charlie, "observer")
    answer = client.post(members_url(lab), {"username": name, "role": "driver"})
    assert answer.status_code == 422
    page = answer.content.decode()
    assert sentence in page
    assert f'value="{name}"' in page
    assert Membership.objects.count() == 1


def test_a_role_that_is_none_is_refused(lab: Lab, bob: Any, join: Any, client: Client) -> None:
    assert client.post(members_url(lab), {"username": "bob", "role": "king"}).status_code == 422
    member = join(bob, "driver")
    client.post(reverse("vms:member_role", args=[lab.pk, member.pk]), {"role": "king"})
    assert Membership.objects.get().role == "driver"


def test_a_changed_role_closes_the_sockets(
    lab: Lab, bob: Any, join: Any, client: Client, kicked: list[Any]
) -> None:
    member = join(bob, "driver")
    client.post(reverse("vms:member_role", args=[lab.pk, member.pk]), {"role": "observer"})
    assert Membership.objects.get().role == "observer"
    assert kicked == [(lab.pk, f"u{bob.pk}")]


def test_a_removed_member_is_out_at_once(
    lab: Lab, bob: Any, join: Any, client: Client, as_: Any, kicked: list[Any]
) -> None:
    member = join(bob, "driver")
    theirs = as_(bob)
    assert theirs.get(reverse("vms:lab_ticket", args=[lab.pk])).status_code == 200
    client.post(reverse("vms:member_remove", args=[lab.pk, member.pk]))
    assert kicked == [(lab.pk, f"u{bob.pk}")]
    assert theirs.get(reverse("vms:lab_ticket", args=[lab.pk])).status_code == 404


def test_a_member_may_leave_and_remove_nobody_else(
    lab: Lab, bob: Any, charlie: Any, join: Any, as_: Any
) -> None:
    own, other = join(bob, "observer"), join(charlie, "driver")
    theirs = as_(bob)
    remove = [reverse("vms:member_remove", args=[lab.pk, row.pk]) for row in (other, own)]
    assert theirs.post(remove[0]).status_code == 403
    assert theirs.post(remove[1])["Location"] == "/"
    assert list(Membership.objects.all()) == [other]


def test_whoever_logs_out_leaves_every_lab(
    alice: Any, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    monkeypatch.setattr(alive, "kick_everywhere", seen.append)
    assert client.get(reverse("account_logout")).status_code == 200  # asks, does nothing
    assert seen == []
    client.post(reverse("account_logout"))
    assert seen == [f"u{alice.pk}"]


def test_observers_see_the_members_and_no_forms(
    lab: Lab, bob: Any, join: Any, as_: Any, invitation: Invitation
) -> None:
    join(bob, "observer")
    page = as_(bob).get(members_url(lab)).content.decode()
    assert "alice" in page
    assert "Add somebody" not in page
    assert invitation.spoken_code not in page
    assert token_of(invitation) not in page


def test_an_invitation_is_made_and_shown_with_link_and_code(lab: Lab, client: Client) -> None:
    client.post(reverse("vms:lab_invite", args=[lab.pk]), {"role": "driver"})
    made = Invitation.objects.get()
    page = client.get(members_url(lab)).content.decode()
    assert made.spoken_code in page
    assert f"http://testserver{accept_url(made)}" in page
    lasts = made.expires - timezone.now()
    assert datetime.timedelta(hours=23) < lasts <= datetime.timedelta(days=1)


def test_accepting_asks_first_then_makes_a_member(
    lab: Lab, charlie: Any, invitation: Invitation, as_: Any
) -> None:
    theirs = as_(charlie)
    page = theirs.get(accept_url(invitation)).content.decode()
    assert "alice invites you to this lab as its driver" in page
    assert not Membership.objects.exists()
    assert theirs.post(accept_url(invitation))["Location"] == lab.get_absolute_url()
    member = Membership.objects.get()
    assert (member.user, member.role) == (charlie, "driver")
    invitation.refresh_from_db()
    assert invitation.accepted == 1


def test_a_link_serves_a_class_and_each_of_them_once(
    lab: Lab, bob: Any, charlie: Any, invitation: Invitation, as_: Any
) -> None:
    for user in (bob, charlie, bob):
        as_(user).post(accept_url(invitation))
    assert Membership.objects.count() == 2
    invitation.refresh_from_db()
    assert invitation.accepted == 2


def test_an_invitation_does_not_change_the_role_of_a_member(
    lab: Lab, bob: Any, join: Any, invitation: Invitation, as_: Any
) -> None:
    join(bob, "observer")
    as_(bob).post(accept_url(invitation))
    assert Membership.objects.get().role == "observer"


def test_without_an_account_one_logs_in_and_comes_back(invitation: Invitation) -> None:
    answer = Client().get(accept_url(invitation))
    assert re.search(r"/accounts/login/\?next=/join/", answer.content.decode())
    Client().post(accept_url(invitation))
    assert not Membership.objects.exists()


def end(invitation: Invitation) -> None:
    Invitation.objects.update(expires=timezone.now())


def revoke(invitation: Invitation) -> None:
    Invitation.objects.update(revoked=timezone.now())


def other_lab(invitation: Invitation) -> None:
    invitation.lab.delete()


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [(end, "has ended"), (revoke, "was revoked"), (other_lab, "is gone")],
)
def test_an_invitation_that_is_over_says_why(
    spoil: Callable[[Invitation], None],
    sentence: str,
    charlie: Any,
    invitation: Invitation,
    as_: Any,
) -> None:
    path = accept_url(invitation)
    spoil(invitation)
    for answer in (as_(charlie).get(path), as_(charlie).post(path)):
        assert answer.status_code == 410
        assert sentence in answer.content.decode()
    assert not Membership.objects.exists()


def test_a_forged_link_is_not_whole(charlie: Any, invitation: Invitation, as_: Any) -> None:
    for token in (token_of(invitation)[:-3], "x:y:z", "x"):
        answer = as_(charlie).get(reverse("vms:accept_invitation", args=[token]))
        assert answer.status_code == 410
        assert "not whole" in answer.content.decode()


def test_revoking_takes_the_link_and_the_code_away(
    lab: Lab, charlie: Any, invitation: Invitation, client: Client, as_: Any
) -> None:
    client.post(reverse("vms:invitation_revoke", args=[lab.pk, invitation.pk]))
    assert invitation.spoken_code not in client.get(members_url(lab)).content.decode()
    answer = as_(charlie).post(reverse("vms:join"), {"code": invitation.code}, follow=True)
    assert "No open invitation" in answer.content.decode()


@pytest.mark.parametrize("spelt", ["{0}", "{1}", " {2} ", "http://x{3}"])
def test_a_code_or_a_link_leads_to_the_invitation(
    spelt: str, charlie: Any, invitation: Invitation, as_: Any
) -> None:
    code = invitation.code
    given = spelt.format(code, invitation.spoken_code, code.lower(), accept_url(invitation))
    answer = as_(charlie).post(reverse("vms:join"), {"code": given})
    assert answer["Location"] == accept_url(invitation)


def test_codes_cannot_be_guessed_without_end(
    charlie: Any, invitation: Invitation, as_: Any
) -> None:
    from django.core.cache import cache

    cache.clear()
    theirs = as_(charlie)
    for _ in range(WRONG_CODES):
        theirs.post(reverse("vms:join"), {"code": "AAAAAAAA"})
    answer = theirs.post(reverse("vms:join"), {"code": invitation.code}, follow=True)
    assert "Too many wrong codes" in answer.content.decode()
    cache.clear()


def test_the_members_page_costs_the_same_however_many(
    lab: Lab, client: Client, django_user_model: Any, django_assert_max_num_queries: Any
) -> None:
    for number in range(30):
        user = django_user_model.objects.create(username=f"s{number}")
        Membership.objects.create(lab=lab, user=user)
    with django_assert_max_num_queries(8):
        client.get(members_url(lab))
