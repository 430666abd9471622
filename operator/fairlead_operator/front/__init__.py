"""The front: kopf watches ApiServices and their classes, and its handlers put what they see into the stores.

`handlers` and `settings` are all that kopf is asked to do, `session` is its way to the API server, `front` runs it and
starts it anew. `intakes` and `missed_events` notice by the metadata of the same objects what it has not brought.
"""
