"""Which class answers for which port in this process; the kit imports this module when it starts.

One line for each capability: ``serve(Catalog, CatalogService())``.
"""
