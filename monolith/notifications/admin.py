"""Notifications in the admin: to look at; and what customers want, which is written here alone."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from monolith.notifications.models import Notification, Preference
from strangler.django.door import DoorShut, NotOwner, commanding


class ReadOnly:
    """Nothing here is changed by hand."""

    def has_add_permission(self, *_: Any) -> bool:
        """Nobody adds."""
        return False

    def has_change_permission(self, *_: Any) -> bool:
        """Nobody changes."""
        return False

    def has_delete_permission(self, *_: Any) -> bool:
        """Nobody deletes."""
        return False


@admin.register(Notification)
class NotificationAdmin(ReadOnly, admin.ModelAdmin):
    """What customers are told, and what became of it."""

    list_display = ("created_at", "customer", "kind", "channel", "state", "attempts", "due_at")
    list_filter = ("state", "channel", "kind")
    search_fields = ("id", "order", "customer")


@admin.register(Preference)
class PreferenceAdmin(admin.ModelAdmin):
    """What customers want. It is a command, though it comes by no path of the capability."""

    list_display = ("customer", "email", "webhook")
    search_fields = ("customer",)
    readonly_fields = ("secret",)
    actions = None

    def get_readonly_fields(self, request: HttpRequest, obj: Preference | None = None) -> Any:  # noqa: ARG002 -- Django's signature
        """A preference stays its customer's."""
        return ("customer", "secret") if obj else ("secret",)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Change one, inside the door."""
        return _inside(super().changeform_view, request, *args, **kwargs)

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Delete one, inside the door."""
        return _inside(super().delete_view, request, *args, **kwargs)


def _inside(view: Any, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
    """Let a view write, where this side may."""
    try:
        with commanding("notifications") if request.method == "POST" else nullcontext():
            answer: HttpResponse = view(request, *args, **kwargs)
    except (NotOwner, DoorShut) as refused:
        messages.error(request, f"This was not saved: {refused}")
        return HttpResponseRedirect(request.get_full_path())
    return answer
