"""How requests reach the pods and what the pods may reach: Services, exposure, certificates, network policies."""
