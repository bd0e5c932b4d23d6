"""The HTTP face of identity."""

from __future__ import annotations

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotAuthenticated
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from monolith.identity import keys, service, sessions
from monolith.identity.models import User
from monolith.identity.serializers import (
    AccountSerializer,
    KeySetSerializer,
    LoginSerializer,
    PairSerializer,
    PasswordChangeSerializer,
    RefreshSerializer,
    RegistrationSerializer,
)
from monolith.identity.throttling import Attempts, address, forgive, password_attempt


class Open(APIView):
    """For everybody; a stale access token beside the request does no harm."""

    authentication_classes = ()
    permission_classes = (AllowAny,)


class Register(Open):
    """New customers."""

    @extend_schema(
        operation_id="identity_register",
        request=RegistrationSerializer,
        responses={201: AccountSerializer},
    )
    def post(self, request: Request) -> Response:
        """Become a customer."""
        body = RegistrationSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        limit = settings.IDENTITY["REGISTRATIONS"]
        Attempts("register", address(request), limit=limit).count()
        user = service.register(**body.validated_data)
        return Response(AccountSerializer(service.shared(user)).data, status=201)


class Token(Open):
    """Logging in."""

    @extend_schema(
        operation_id="identity_log_in", request=LoginSerializer, responses=PairSerializer
    )
    def post(self, request: Request) -> Response:
        """Begin a session with name and password."""
        body = LoginSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        attempts = password_attempt(request, body.validated_data["username"])
        pair = service.log_in(**body.validated_data)
        forgive(attempts)
        return Response(PairSerializer(pair).data)


class Refresh(Open):
    """Going on with a session."""

    @extend_schema(
        operation_id="identity_refresh", request=RefreshSerializer, responses=PairSerializer
    )
    def post(self, request: Request) -> Response:
        """Exchange a refresh token, which is used up by this, for the next pair."""
        body = RefreshSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        return Response(PairSerializer(sessions.renew(body.validated_data["refresh"])).data)


class Logout(Open):
    """Ending a session."""

    @extend_schema(
        operation_id="identity_log_out", request=RefreshSerializer, responses={204: None}
    )
    def post(self, request: Request) -> Response:
        """End the session that this refresh token belongs to."""
        body = RefreshSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        sessions.end(body.validated_data["refresh"])
        return Response(status=204)


class Me(APIView):
    """The client's own account."""

    @extend_schema(operation_id="identity_me", responses=AccountSerializer)
    def get(self, request: Request) -> Response:
        """One's own account."""
        return Response(AccountSerializer(service.shared(_account(request))).data)


class Password(APIView):
    """The client's own password."""

    @extend_schema(
        operation_id="identity_change_password",
        request=PasswordChangeSerializer,
        responses=PairSerializer,
    )
    def post(self, request: Request) -> Response:
        """Change one's password: all sessions end, and a new one begins."""
        user = _account(request)
        body = PasswordChangeSerializer(data=request.data, context={"user": user})
        body.is_valid(raise_exception=True)
        attempts = password_attempt(request, user.username)
        pair = service.change_password(user, **body.validated_data)
        forgive(attempts)
        return Response(PairSerializer(pair).data)


class KeySet(Open):
    """How others check our access tokens."""

    @extend_schema(operation_id="identity_keys", responses=KeySetSerializer)
    def get(self, request: Request) -> Response:  # noqa: ARG002 -- everybody sees the same
        """The public keys of access tokens, as a JWK set."""
        document = keys.current().public.as_dict(private=False)
        return Response(document, headers={"Cache-Control": "public, max-age=300"})


def _account(request: Request) -> User:
    user = User.objects.filter(pk=request.user.pk, is_active=True).first()
    if user is None:
        raise NotAuthenticated("This account is not active any more.")
    return user
