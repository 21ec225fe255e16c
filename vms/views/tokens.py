"""The tokens of an account: what there is, make one, end one."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from vms import tokens
from vms.forms.tokens import TokenForm
from vms.models import Token


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def token_list(request: HttpRequest) -> HttpResponse:
    """Show the open tokens and the form for another; a new one is shown once, in this answer."""
    form = TokenForm(request.POST if request.method == "POST" else None)
    told = ""
    if request.method == "POST" and form.is_valid():
        try:
            _made, told = tokens.make(request.user, **form.made_for())  # type: ignore[arg-type]
        except tokens.TooManyTokensError as error:
            form.add_error(None, str(error))
        else:
            form = TokenForm()
    mine = Token.objects.filter(user=request.user.pk, revoked=None)
    context = {"form": form, "told": told, "tokens": mine}
    status = 422 if form.errors else 200
    return render(request, "account/tokens.html", context, status=status)


@require_POST
@login_required
def token_revoke(request: HttpRequest, token_id: int) -> HttpResponse:
    """End a token now."""
    token = get_object_or_404(Token, pk=token_id, user=request.user.pk)
    tokens.revoke(token)
    messages.success(request, _("%(name)s no longer opens anything.") % {"name": token.name})
    return redirect("vms:tokens")
