"""Labs: list, make, read, change, delete, duplicate; their scenario."""

from __future__ import annotations

import uuid
from typing import Any

import orjson
from django.contrib.auth.models import User
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from ninja import Router
from ninja.responses import Status

from vms import alive, scenario_file, trash
from vms.api.bodies import is_yaml, json_of, only, scenario_in
from vms.api.door import Caller, caller_of, enter, need
from vms.api.edits import editing
from vms.api.refusals import Refused
from vms.api.shapes import LabShown, Listed, Me, TemplateShown
from vms.api.takes import Limit, Offset, Revised, as_json, as_json_or_yaml, parts_of, ref, takes
from vms.engine.errors import EngineError, shown
from vms.engine.scenario import Scenario
from vms.founding import TooManyLabsError, duplicate, found
from vms.live import store
from vms.live.store.documents import LAB_DOCUMENT, write_lab
from vms.models import Lab, Membership
from vms.permissions import EDIT, OWN, WATCH, Access, entered
from vms.revisions.apply import put_scenario
from vms.scenarios import templates

router = Router(tags=["Labs"])

NEW_LAB = {
    "oneOf": [
        {
            "type": "object",
            "required": ["template"],
            "properties": {"template": {"type": "string"}, "name": {"type": "string"}},
            "additionalProperties": False,
        },
        {
            "type": "object",
            "required": ["scenario"],
            "properties": {"scenario": ref("Scenario"), "name": {"type": "string"}},
            "additionalProperties": False,
        },
    ]
}


@router.get("/me", **takes(gives=Me), tags=["Account"])
def me(request: HttpRequest) -> Me:
    """Tell who calls, and what the token is good for."""
    caller = caller_of(request)
    return Me(name=caller.visitor.name, scopes=sorted(caller.scopes))


@router.get("/templates", **takes(gives=list[TemplateShown]))
def list_templates(request: HttpRequest) -> list[TemplateShown]:
    """List the scenarios a lab can be made from."""
    return [
        TemplateShown(name=key, title=_(each.title), summary=_(each.about))
        for key, each in templates().items()
    ]


@router.get("/labs", **takes(WATCH, 422, gives=Listed[LabShown]))
def list_labs(request: HttpRequest, limit: Limit = 50, offset: Offset = 0) -> Listed[LabShown]:
    """List your labs, changed last first: those you own and those you are a member of."""
    caller = need(request, WATCH)
    labs = _mine(caller)
    items = [lab_shown(lab, role) for lab, role in _with_roles(caller, labs[offset:][:limit])]
    return Listed(items=items, count=labs.count(), limit=limit, offset=offset)


def _mine(caller: Caller) -> QuerySet[Lab]:
    visitor = caller.visitor
    if visitor.user.is_authenticated:
        mine = Q(owner=visitor.user.pk) | Q(
            pk__in=Membership.objects.filter(user=visitor.user.pk).values("lab")
        )
    else:
        mine = Q(guest=visitor.guest)
    return Lab.objects.filter(mine, deleted=None).select_related("owner", "current")


def _with_roles(caller: Caller, labs: QuerySet[Lab]) -> list[tuple[Lab, str]]:
    counted = labs.annotate(
        vm_count=Count("vms", distinct=True), device_count=Count("devices", distinct=True)
    )
    user = caller.visitor.user
    roles = dict(Membership.objects.filter(user=user.pk).values_list("lab_id", "role"))
    owned = "owner" if user.is_authenticated else "guest"
    return [(lab, roles.get(lab.pk, owned)) for lab in counted]


def lab_shown(lab: Any, role: str) -> LabShown:
    """Return a lab as the API tells of it."""
    state = alive.state_of(lab.pk)
    status = state.status if state else lab.status
    if state is None and status == Lab.Status.PLAYING:
        status = Lab.Status.PAUSED  # the server went away while it played
    return LabShown(
        id=lab.pk,
        name=lab.name,
        role=role,
        owner=lab.owner.get_username() if lab.owner else None,
        template=lab.template,
        status=status,
        tick=state.tick if state else None,
        run=lab.current.number if lab.current else None,
        vms=lab.vm_count if hasattr(lab, "vm_count") else lab.vms.count(),
        devices=lab.device_count if hasattr(lab, "device_count") else lab.devices.count(),
        notes=lab.notes,
        public=lab.public,
        revision=lab.revision,
        created=lab.created,
        updated=lab.updated,
        expires=lab.expires,
        url=lab.get_absolute_url(),
    )


@router.post(
    "/labs",
    **takes(
        EDIT, 400, 409, 413, 415, 422, status=201, gives=LabShown, body=as_json_or_yaml(NEW_LAB)
    ),
)
def create_lab(request: HttpRequest) -> Any:
    """Make a lab from a template or a scenario; as YAML the body is the scenario itself."""
    caller = need(request, EDIT)
    user = account_of(caller)
    if is_yaml(request):
        given: dict[str, Any] = {"scenario": scenario_in(request)}
    else:
        given = only(json_of(request), ("template", "scenario", "name"))
    template, document = _template_or_document(given)
    if "name" in given:
        document = {**document, "name": given["name"]}
    lab = _founded(user, template, document)
    return Status(201, lab_shown(lab, "owner"))


def account_of(caller: Caller) -> User:
    """Return the caller's account. Raises Refused for guests, who have none."""
    user = caller.visitor.user
    if not isinstance(user, User):
        raise Refused(403, _("Sign up to keep labs of your own."))
    return user


def _template_or_document(given: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    if ("template" in given) == ("scenario" in given):
        raise EngineError("give either a template or a scenario")
    if "scenario" in given:
        return "", _mapping(given["scenario"])
    name = given["template"]
    if not isinstance(name, str) or name not in templates():
        allowed = ", ".join(templates())
        raise EngineError(
            "{field} must be one of {allowed}, got {given}",
            "template",
            allowed=allowed,
            given=shown(name),
        )
    return name, templates()[name].data()


def _mapping(given: Any) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise EngineError("a scenario must be a mapping, got {given}", given=shown(given))
    return given


def _founded(user: User, template: str, document: dict[str, Any]) -> Lab:
    try:
        return found(owner=user, template=template, document=document)
    except TooManyLabsError as error:
        raise Refused(409, str(error)) from None


@router.get("/labs/{uuid:lab_id}", **takes(WATCH, 404, gives=LabShown))
def read_lab(request: HttpRequest, lab_id: uuid.UUID) -> LabShown:
    """Tell of a lab."""
    return _shown_to(enter(request, lab_id, WATCH))


def _shown_to(access: Access) -> LabShown:
    return lab_shown(access.lab, access.role)


@router.patch(
    "/labs/{uuid:lab_id}",
    **takes(
        EDIT,
        *(400, 404, 409, 413, 415, 422),
        gives=LabShown,
        body=as_json(parts_of("Scenario", "host", "vms")),
    ),
)
def change_lab(request: HttpRequest, lab_id: uuid.UUID, revision: Revised = None) -> LabShown:
    """Change name, seed, tick, dialect or notes; what is left out stays. In effect at a reset."""
    given = only(json_of(request), (*LAB_DOCUMENT, "notes"))
    notes = given.pop("notes", None)
    if notes is not None and not (isinstance(notes, str) and "\0" not in notes):
        raise EngineError("{field} must be text, got {given}", "notes", given=shown(notes))
    with editing(request, lab_id, revision) as lab:
        if notes is not None:
            lab.notes = notes
        write_lab(lab, given)
    return _shown_to(enter(request, lab_id, EDIT))


@router.delete("/labs/{uuid:lab_id}", **takes(OWN, 404, status=204))
def delete_lab(request: HttpRequest, lab_id: uuid.UUID) -> Any:
    """Put a lab into the trash, from where it can be restored."""
    trash.throw(enter(request, lab_id, OWN).lab)
    return Status(204, None)


@router.post("/labs/{uuid:lab_id}/duplicate", **takes(EDIT, 404, 409, status=201, gives=LabShown))
def duplicate_lab(request: HttpRequest, lab_id: uuid.UUID) -> Any:
    """Make a lab of your own with the same scenario."""
    caller = need(request, EDIT)
    user = account_of(caller)
    access = entered(caller.visitor, lab_id, WATCH)
    try:
        copy = duplicate(access.lab, user)
    except TooManyLabsError as error:
        raise Refused(409, str(error)) from None
    return Status(201, lab_shown(copy, "owner"))


# --- the scenario ---------------------------------------------------------------------------------


@router.get("/labs/{uuid:lab_id}/scenario", **takes(WATCH, 404, gives=dict[str, Any]))
def read_scenario(request: HttpRequest, lab_id: uuid.UUID) -> HttpResponse:
    """Tell the lab's scenario, as it is at rest; as YAML where `Accept` asks for it."""
    scenario = store.scenario_of(enter(request, lab_id, WATCH).lab)
    if "yaml" in request.headers.get("Accept", ""):
        return HttpResponse(scenario_file.dump(scenario), content_type="application/yaml")
    return HttpResponse(orjson.dumps(scenario), content_type="application/json")


@router.put(
    "/labs/{uuid:lab_id}/scenario",
    **takes(
        EDIT,
        *(400, 404, 409, 413, 415, 422),
        gives=LabShown,
        body=as_json_or_yaml(ref("Scenario")),
    ),
)
def replace_scenario(request: HttpRequest, lab_id: uuid.UUID, revision: Revised = None) -> LabShown:
    """Make the lab's scenario this one. In effect at the next reset of its run."""
    given = scenario_in(request)
    with editing(request, lab_id, revision) as lab:
        scenario = Scenario.parse(given, limits=store.limits_for(lab))
        put_scenario(lab, scenario)
    return _shown_to(enter(request, lab_id, EDIT))
