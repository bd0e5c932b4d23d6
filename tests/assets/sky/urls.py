"""``/weather/`` is to become a capability; everything else is none."""

from __future__ import annotations

from django.urls import include, path, re_path

from tests.assets.sky import views

urlpatterns = [
    path("", include("strangler.django.urls")),
    path("weather/search", views.search),
    path("weather/clock", views.clock),
    path("weather/write", views.write),
    path("weather/<path:place>", views.weather),
    path("weather/", views.weather),
    path("later", views.later),
    path("login", views.login),
    re_path("", views.other),
]
