"""The settings, one concern a file. What differs between places comes from the environment.

``DEBUG`` is on unless it is switched off (``wsgi`` and the container images do so). Without it,
whatever is missing is named at once, and nothing starts.
"""

from monolith.config.settings.env import refuse_if_incomplete

# isort: off
from monolith.config.settings.base import *  # noqa: F403 -- each file is a part of one namespace
from monolith.config.settings.security import *  # noqa: F403 -- ditto
from monolith.config.settings.database import *  # noqa: F403 -- ditto
from monolith.config.settings.cache import *  # noqa: F403 -- ditto
from monolith.config.settings.celery import *  # noqa: F403 -- ditto
from monolith.config.settings.rest import *  # noqa: F403 -- ditto
from monolith.config.settings.identity import *  # noqa: F403 -- ditto
from monolith.config.settings.payments import *  # noqa: F403 -- ditto
from monolith.config.settings.notifications import *  # noqa: F403 -- ditto
from monolith.config.settings.strangler import *  # noqa: F403 -- ditto
from monolith.config.settings.logging import *  # noqa: F403 -- ditto
# isort: on

refuse_if_incomplete()
