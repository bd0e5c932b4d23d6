"""The Django side of the kit: add ``strangler.django`` to INSTALLED_APPS and set ``STRANGLER``."""
