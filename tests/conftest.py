"""Properties are tested without a time limit: a loaded machine is no reason to fail. In CI, examples never change.

Elsewhere they differ from run to run, so that what CI has not met is found where somebody can look into it.
"""

from hypothesis import HealthCheck, settings

settings.register_profile("patient", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")
