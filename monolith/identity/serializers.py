"""The JSON of identity's HTTP face."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError
from rest_framework import serializers

from contracts.identity import Role
from monolith.identity.models import User

PASSWORD_LENGTH = 256


class PasswordField(serializers.CharField):
    """A password, as it was typed; its length is bounded because hashing it is dear."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            max_length=PASSWORD_LENGTH, trim_whitespace=False, write_only=True, **kwargs
        )


def _check_password(password: str, user: User, field: str) -> None:
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise serializers.ValidationError({field: error.messages}) from None


class RegistrationSerializer(serializers.Serializer):
    """Somebody who wants an account."""

    username = serializers.CharField(max_length=150, validators=[UnicodeUsernameValidator()])
    email = serializers.EmailField(max_length=254)
    password = PasswordField()

    def validate(self, attrs: dict[str, str]) -> dict[str, str]:
        """A password that is not too easy for this user."""
        user = User(username=attrs["username"], email=attrs["email"])
        _check_password(attrs["password"], user, "password")
        return attrs


class LoginSerializer(serializers.Serializer):
    """A name and its password."""

    username = serializers.CharField(max_length=150)
    password = PasswordField()


class RefreshSerializer(serializers.Serializer):
    """A refresh token."""

    refresh = serializers.CharField(max_length=100)


class PairSerializer(serializers.Serializer):
    """What a client holds until it asks for the next."""

    access = serializers.CharField()
    refresh = serializers.CharField()
    token_type = serializers.CharField()
    expires_in = serializers.IntegerField(help_text="Seconds; the access token's.")


class AccountSerializer(serializers.Serializer):
    """One user."""

    id = serializers.UUIDField()
    username = serializers.CharField()
    email = serializers.EmailField()
    roles = serializers.ListField(child=serializers.ChoiceField([role.value for role in Role]))


class PasswordChangeSerializer(serializers.Serializer):
    """The password that is, and the one that shall be."""

    current = PasswordField()
    new = PasswordField()

    def validate(self, attrs: dict[str, str]) -> dict[str, str]:
        """A new password that is not too easy for this user."""
        _check_password(attrs["new"], self.context["user"], "new")
        return attrs


class KeySerializer(serializers.Serializer):
    """A public key."""

    kty = serializers.CharField()
    crv = serializers.CharField()
    x = serializers.CharField()
    kid = serializers.CharField()
    alg = serializers.CharField()
    use = serializers.CharField()


class KeySetSerializer(serializers.Serializer):
    """The public keys of all access tokens that may be about."""

    keys = KeySerializer(many=True)
