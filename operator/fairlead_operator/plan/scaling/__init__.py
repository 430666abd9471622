"""Which autoscaler a Deployment gets: HorizontalPodAutoscaler, or KEDA's ScaledObject."""
