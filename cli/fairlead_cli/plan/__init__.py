"""`fairlead plan`: what would change on a cluster, by server-side dry run."""
