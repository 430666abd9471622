"""Why a workload is not available: the state of Deployments, Jobs and autoscalers, and the deepest cause in pods and
Events.
"""
