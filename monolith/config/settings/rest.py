"""How the HTTP faces behave: JSON only, one shape of errors, bounded pages."""

from __future__ import annotations

from monolith.config.settings.security import PROXIES

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "monolith.identity.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["monolith.config.parsers.BoundedJSONParser"],
    "DEFAULT_PAGINATION_CLASS": "monolith.config.pagination.Pages",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_METADATA_CLASS": None,  # OPTIONS is not answered: /api/schema/ tells it all
    "EXCEPTION_HANDLER": "monolith.config.errors.handler",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    "NUM_PROXIES": PROXIES,
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Shop",
    "DESCRIPTION": "What a client can do at this shop: all that the monolith answers.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SCHEMA_PATH_PREFIX": "/api",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "monolith.config.openapi.describe_errors",
    ],
    "COMPONENT_SPLIT_REQUEST": True,
}
