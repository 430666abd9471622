"""One pass over one ApiService: plan, provision, apply, prune, report. Level-triggered; may end between any two
requests.
"""
