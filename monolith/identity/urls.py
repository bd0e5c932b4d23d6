"""The HTTP face of identity."""

from __future__ import annotations

from django.urls import path

from monolith.identity import views

urlpatterns = [
    path("register", views.Register.as_view()),
    path("token", views.Token.as_view()),
    path("token/refresh", views.Refresh.as_view()),
    path("logout", views.Logout.as_view()),
    path("me", views.Me.as_view()),
    path("password", views.Password.as_view()),
    path("jwks.json", views.KeySet.as_view()),
]
