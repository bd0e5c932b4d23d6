"""Tests of a ``transfer.py``, generated from the tables of both sides: do its maps lose anything?

::

    def test_nothing_is_lost_on_the_way():
        check_maps(
            tables,
            monolith=model_tables("parcels"),
            service=metadata_tables(Base.metadata),
        )

``strangler.django.transfer.testing`` reads a Django app's tables, ``strangler.sqlalchemy.testing``
those of a service. Rows are made up by Hypothesis, which the extra ``strangler[testing]`` installs;
the profile that is loaded says how many.
"""

from strangler.transfer.testing.maps import check_maps

__all__ = ["check_maps"]
