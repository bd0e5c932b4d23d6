"""Users in the admin site."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from rest_framework.exceptions import Throttled

from monolith.identity import sessions
from monolith.identity.models import User
from monolith.identity.throttling import forgive, password_attempt


class LoginForm(AdminAuthenticationForm):
    """Name and password, with as many guesses as the API allows."""

    def clean(self) -> dict[str, Any]:
        """Count the attempt; it is taken back if name and password fit."""
        username = self.cleaned_data.get("username")
        if self.request is None or not username:
            return super().clean()
        try:
            attempts = password_attempt(self.request, username)
        except Throttled as error:
            raise ValidationError(
                "Too many attempts: try again in %(wait)s seconds.",
                code="throttled",
                params={"wait": error.wait},
            ) from None
        cleaned = super().clean()
        forgive(attempts)
        return cleaned


admin.site.login_form = LoginForm


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
