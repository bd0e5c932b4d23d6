"""The Django project: settings, URLs, and the one place that knows every context."""
