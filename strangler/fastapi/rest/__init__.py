"""A face as Django REST framework has it, answered by a service: clients are told the same."""
