"""The agent: one beside every edge and every service, which keeps a routing table up to date.

It follows the control plane over HTTP and needs no Django. Should it die, or the control plane,
everybody goes on with the table that is there.
"""
