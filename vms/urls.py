"""The app's addresses."""

from __future__ import annotations

from django.urls import URLPattern, include, path

from vms.views import (
    compare,
    edit,
    export,
    history,
    lab,
    members,
    new,
    runs,
    shots,
    start,
    tokens,
    trash,
    why,
)

app_name = "vms"

in_lab: list[URLPattern] = [
    path("", lab.lab, name="lab"),
    path("ticket/", lab.lab_ticket, name="lab_ticket"),
    path("compare/", compare.lab_compare, name="lab_compare"),
    path("runs/", runs.runs_tree, name="runs_tree"),
    path("runs/compare/", runs.runs_compare, name="runs_compare"),
    path("why/", why.lab_why, name="lab_why"),
    path("scenario/", export.lab_scenario, name="lab_scenario"),
    path("result/", export.lab_result, name="lab_result"),
    path("export/", export.lab_export, name="lab_export"),
    path("export/lab.vmlab", export.lab_file, name="lab_file"),
    path("events.<slug:format>", export.lab_events, name="lab_events"),
    path("reset/", lab.lab_reset, name="lab_reset"),
    path("duplicate/", lab.lab_duplicate, name="lab_duplicate"),
    path("delete/", lab.lab_delete, name="lab_delete"),
    path("edit/", edit.lab_edit, name="lab_edit"),
    path("notes/", history.lab_notes, name="lab_notes"),
    path("history/", history.lab_history, name="lab_history"),
    path("history/undo/", history.lab_undo, name="lab_undo"),
    path("history/redo/", history.lab_redo, name="lab_redo"),
    path("history/<int:number>/", history.lab_revision, name="lab_revision"),
    path("history/<int:number>/revert/", history.lab_revert, name="lab_revert"),
    path("vms/new/", edit.vm_add, name="vm_add"),
    path("vms/<int:vm_id>/", edit.vm_edit, name="vm_edit"),
    path("vms/<int:vm_id>/duplicate/", edit.vm_duplicate, name="vm_duplicate"),
    path("vms/<int:vm_id>/delete/", edit.vm_delete, name="vm_delete"),
    path("devices/new/", edit.device_add, name="device_add"),
    path("devices/<int:device_id>/", edit.device_edit, name="device_edit"),
    path("devices/<int:device_id>/duplicate/", edit.device_duplicate, name="device_duplicate"),
    path("devices/<int:device_id>/delete/", edit.device_delete, name="device_delete"),
    path("files/", edit.file_add, name="file_add"),
    path("files/<int:file_id>/delete/", edit.file_delete, name="file_delete"),
    path("members/", members.lab_members, name="lab_members"),
    path("members/<int:member_id>/role/", members.member_role, name="member_role"),
    path("members/<int:member_id>/remove/", members.member_remove, name="member_remove"),
    path("invitations/", members.lab_invite, name="lab_invite"),
    path(
        "invitations/<int:invitation_id>/revoke/",
        members.invitation_revoke,
        name="invitation_revoke",
    ),
]

urlpatterns = [
    path("", start.start, name="start"),
    path("demo/", start.demo, name="demo"),
    path("healthz", start.healthz, name="healthz"),
    path("join/", members.join, name="join"),
    path("join/<str:token>/", members.accept_invitation, name="accept_invitation"),
    path("accounts/tokens/", tokens.token_list, name="tokens"),
    path("accounts/tokens/<int:token_id>/revoke/", tokens.token_revoke, name="token_revoke"),
    path("labs/new/", new.new_lab, name="new_lab"),
    path("labs/import/", new.import_lab, name="import_lab"),
    path("labs/trash/", trash.lab_trash, name="trash"),
    path("labs/<uuid:lab_id>/restore/", trash.lab_restore, name="lab_restore"),
    path("labs/<uuid:lab_id>/purge/", trash.lab_purge, name="lab_purge"),
    path("shots/<slug:template>.svg", shots.shot, name="shot"),
    path("labs/<uuid:lab_id>/", include(in_lab)),
]
