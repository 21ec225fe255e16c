"""A scenario as text or as a file, and trace files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from vms import scenario_file
from vms.engine.errors import EngineError
from vms.engine.scenario import Scenario
from vms.limits import LimitError, refuse_bytes
from vms.live.store import limits_for
from vms.models import Lab, TraceFile
from vms.words import sentence

MOST_BYTES = 64 * 1024 * 1024
"""Bytes of a trace."""
AROUND = 3
"""Lines shown before and after the one that is wrong."""


class ScenarioTextForm(forms.Form):
    """A scenario, uploaded or pasted; the text is kept whatever is wrong with it."""

    file = forms.FileField(
        label=_("Scenario file"),
        required=False,
        help_text=_("YAML or JSON."),
        widget=forms.ClearableFileInput(attrs={"accept": ".yaml,.yml,.json,text/*"}),
    )
    text = forms.CharField(
        label=_("or its text"),
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 16, "spellcheck": "false", "autocapitalize": "none"}),
    )

    def __init__(self, lab: Lab, **options: Any) -> None:
        super().__init__(**options)
        self.lab = lab
        self.document: dict[str, Any] | None = None
        self.line: int | None = None

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        text = self._text(cleaned)
        if text is None:
            return cleaned
        try:
            document = scenario_file.parse(text)
            Scenario.parse(document, limits=limits_for(self.lab))
        except EngineError as error:
            given = error.values.get("line")
            self.line = (
                given if isinstance(given, int) else scenario_file.line_of(text, error.field or "")
            )
            self.add_error("text", self._with_line(error))
        else:
            self.document = document
        return cleaned

    def _text(self, cleaned: dict[str, Any]) -> str | None:
        """Return the text given, and keep an uploaded one for the page that says what is wrong."""
        upload: UploadedFile[bytes] | None = cleaned.get("file")
        most = settings.VMLAB_UPLOAD_BYTES
        text: str = cleaned.get("text") or ""
        size = upload.size or 0 if upload else len(text.encode("utf-8", "replace"))
        if size > most:
            self.add_error(
                "file" if upload else "text",
                gettext("A scenario here may have %(most)d bytes, got %(size)d.")
                % {"most": most, "size": size},
            )
            return None
        if upload:
            try:
                text = upload.read().decode("utf-8-sig")
            except UnicodeDecodeError as error:
                self.add_error(
                    "file",
                    gettext("A scenario is text in UTF-8; byte %(at)d of this file is not.")
                    % {"at": error.start},
                )
                return None
            self.data = {**self.data, "text": text}
        if not text.strip():
            self.add_error("text", gettext("Choose a file or paste the text of a scenario."))
            return None
        return text

    def _with_line(self, error: EngineError) -> str:
        said = sentence(error)
        if self.line is None or "line" in error.values:
            return said
        return gettext("line %(line)d: %(sentence)s") % {"line": self.line, "sentence": said}

    @property
    def excerpt(self) -> list[tuple[int, str, bool]]:
        """The lines around the wrong one: number, text, whether it is the one."""
        if self.line is None:
            return []
        lines = str(self.data.get("text", "")).splitlines()
        first = max(1, self.line - AROUND)
        shown = lines[first - 1 : self.line + AROUND]
        return [(first + at, text, first + at == self.line) for at, text in enumerate(shown)]


class LabFileForm(forms.Form):
    """A lab as one file, as another VM Lab wrote it."""

    file = forms.FileField(
        label=_("Lab’s file"),
        help_text=_("As Export made it: the lab with its runs, notes and trace files."),
        widget=forms.ClearableFileInput(attrs={"accept": ".vmlab,application/zip"}),
    )


class TraceFileForm(forms.ModelForm):  # type: ignore[type-arg]
    """A page trace for the lab's workloads, read before it is kept."""

    file = forms.FileField(
        label=_("Trace file"),
        help_text=_(
            "Page numbers, one per line; valgrind's lackey; libCacheSim's oracleGeneral "
            "or CSV; disk traces as CSV or vscsi. At most 64 MiB and 100,000,000 references."
        ),
    )

    class Meta:
        model = TraceFile
        fields = ("name",)

    def __init__(
        self, lab: Lab, progress: Callable[[int, int], None] | None = None, **options: Any
    ) -> None:
        super().__init__(**options)
        self.instance.lab = lab
        self.progress = progress
        self.requests = 0
        self.fields["name"].required = False
        self.fields["name"].help_text = _("Empty: the file's own.")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        upload: UploadedFile[bytes] | None = cleaned.get("file")
        if upload:
            name = cleaned.get("name") or upload.name or ""
            try:
                self._meta.model._meta.get_field("name").run_validators(name)
            except forms.ValidationError:
                self.add_error(
                    "name",
                    gettext(
                        "The name must be 1..100 letters, digits, dots, dashes or underscores, "
                        "the first a letter or digit, got %(name)s."
                    )
                    % {"name": name[:60]},
                )
            cleaned["name"] = name
            self._read(name, upload)
        return cleaned

    def _read(self, name: str, upload: UploadedFile[bytes]) -> None:
        """Take the content in, if it is a trace: what is wrong is named with its line."""
        from vms.engine.workloads import calls, traces  # noqa: PLC0415  (wakes NumPy)

        if (upload.size or 0) > MOST_BYTES:
            refused = EngineError(
                "trace {name} must have 1..{high} bytes, got {given}",
                name=name,
                high=MOST_BYTES,
                given=upload.size or 0,
            )
            self.add_error("file", sentence(refused))
            return
        try:
            refuse_bytes(self.instance.lab, upload.size or 0)
        except LimitError as error:
            self.add_error("file", str(error))
            return
        content = upload.read()
        try:
            most = limits_for(self.instance.lab).references
            if calls.vscsi_version(content) is not None:
                self.requests = len(calls.read(name, content))
            else:
                self.references = traces.uploaded(name, content, most, self.progress)
        except EngineError as error:
            self.add_error("file", sentence(error))
        else:
            self.instance.content, self.instance.size = content, len(content)

    @property
    def summary(self) -> str:
        """What was found in the file."""
        if self.requests:
            return gettext("%(name)s: %(n)s requests to a disk.") % {
                "name": self.instance.name,
                "n": f"{self.requests:,}",
            }
        pages = int((self.references >> 1).max()) + 1
        return gettext("%(name)s: %(n)s references to pages 0..%(last)s.") % {
            "name": self.instance.name,
            "n": f"{len(self.references):,}",
            "last": f"{pages - 1:,}",
        }

    def _get_validation_exclusions(self) -> set[str]:
        excluded: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]
        return excluded - {"lab", "deleted"}  # what its constraint names
