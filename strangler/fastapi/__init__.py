"""The service's side: a chassis for FastAPI services, so that each is only what it is about.

A service brings an object that answers its port, and routers for its public face::

    def create() -> FastAPI:
        pricing = PricingService(load(environment(PricingSettings).rules))
        return service(Pricing, pricing, routers=[api.router(pricing)])    # app.py

    sys.exit(main(create, program="extracted.pricing", port=8102))         # __main__.py

and is given: the port endpoint, a face that only the edge can ask, ``/healthz`` and ``/readyz``,
``/metrics``, structured logs, one shape of errors, a bounded pool for its work, calls to other
capabilities under its own identity, and an end that cuts nobody off.
"""
