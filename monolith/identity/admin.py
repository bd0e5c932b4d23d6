"""Users in the admin site."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.http import HttpRequest

from monolith.identity import sessions
from monolith.identity.models import User


class CreationForm(AdminUserCreationForm):
    """A new user."""

    class Meta(AdminUserCreationForm.Meta):
        model = User
        fields = ("username", "email")


class ChangeForm(UserChangeForm):
    """Everything about a user."""

    class Meta(UserChangeForm.Meta):
        model = User


@admin.register(User)
class Users(UserAdmin):
    """Users, by name or address."""

    form = ChangeForm
    add_form = CreationForm
    add_fieldsets = (
        (None, {"fields": ("username", "email", "usable_password", "password1", "password2")}),
    )
    list_display = ("username", "email", "is_staff", "is_active")

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:  # noqa: FBT001 -- Django's signature
        """Log a user out everywhere when they are deactivated or get another password."""
        super().save_model(request, obj, form, change)
        if change and {"is_active", "password"} & set(form.changed_data):
            sessions.end_all(obj)
